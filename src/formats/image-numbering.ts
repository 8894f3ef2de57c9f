import { z } from 'zod';
import type { ImageNumbering } from './coco-dataset.js';
import { quoted, VgrError } from './fault.js';

/** Ids from 1 in the order in which images are first asked for. */
export function countingImages(): ImageNumbering {
  const ids = new Map<string, number>();
  return {
    file: null,
    leftOut: 0,
    idOf(image) {
      const known = ids.get(image);
      if (known !== undefined) return known;
      ids.set(image, ids.size + 1);
      return ids.size;
    },
  };
}

const listing = z.looseObject({
  images: z.array(z.looseObject({ id: z.int(), file_name: z.string() })),
});

/**
 * The ids of an existing COCO file, by `file_name` as it stands, else by its last part where that is unique.
 * @param name of the file, for the message
 * @throws VgrError INPUT_INVALID where the value is no COCO dataset
 */
export function imagesOfCocoFile(json: unknown, name: string): ImageNumbering {
  const parsed = listing.safeParse(json);
  if (!parsed.success) {
    const where = parsed.error.issues[0]!.path.map(String).join('.');
    throw new VgrError(
      'INPUT_INVALID',
      `${quoted(name)}: expected a COCO dataset with \`images\` of \`id\` and \`file_name\`${where && `; ${quoted(where)} is not`}`,
      { hint: 'give `--image-ids` the annotation file, such as instances_val2017.json' },
    );
  }
  const byName = new Map<string, number>();
  const byLastPart = new Map<string, number | null>();
  for (const { id, file_name } of parsed.data.images) {
    byName.set(file_name, id);
    const last = lastPart(file_name);
    byLastPart.set(last, byLastPart.has(last) ? null : id);
  }
  const unlisted = new Set<string>();
  return {
    file: name,
    get leftOut() {
      return unlisted.size;
    },
    idOf(image) {
      const id = byName.get(image) ?? byLastPart.get(lastPart(image)) ?? undefined;
      if (id === undefined) unlisted.add(image);
      return id;
    },
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
