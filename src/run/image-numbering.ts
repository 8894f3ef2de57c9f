import { z } from 'zod';
import { quoted, VgrError } from '../core/error.js';
import { NameTable } from '../core/name-table.js';
import type { ImageNumbering } from '../formats/coco.js';

/** Ids from 1 in the order in which images are first asked for. */
export function countingImages(): ImageNumbering {
  const numbers = new NameTable();
  return {
    file: null,
    leftOut: 0,
    idOf: (image) => numbers.numberOf(image),
    newListing() {
      // Every reading of the lines meets the images in the order of their ids.
      let last = 0;
      return (id) => {
        if (id <= last) return false;
        last = id;
        return true;
      };
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
  const unlisted = new NameTable();
  let leftOut = 0;
  return {
    file: name,
    get leftOut() {
      return leftOut;
    },
    idOf(image) {
      const id = byName.get(image) ?? byLastPart.get(lastPart(image)) ?? undefined;
      if (id === undefined && unlisted.add(image)) leftOut += 1;
      return id;
    },
    newListing() {
      const listed = new NameTable();
      return (id) => listed.add(String(id));
    },
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
