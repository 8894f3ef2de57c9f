import { z } from 'zod';
import { quoted, VgrError } from '../core/error.js';
import { readJson } from '../core/files.js';
import { NameTable } from '../core/name-table.js';
import type { ImageNumbering } from '../formats/coco.js';

/**
 * The ids of images in COCO files.
 * @param file of `--image-ids`; without it ids are counted
 * @throws VgrError INPUT_MISSING, INPUT_UNREADABLE, INPUT_INVALID
 */
export async function imageNumbering(file: string | undefined): Promise<ImageNumbering> {
  return file === undefined ? countingImages() : imagesOfCocoFile(await readJson(file), file);
}

/** Ids from 1 in the order in which images are first asked for. */
export function countingImages(): ImageNumbering {
  const numbers = new NameTable();
  return { file: null, leftOut: 0, idOf: (image) => numbers.numberOf(image) };
}

const dataset = z.looseObject({
  images: z.array(z.looseObject({ id: z.int(), file_name: z.string() })),
});

/**
 * The ids of a COCO file, by the whole `file_name`, else by its last part if that is unique.
 * @param file for the message
 * @throws VgrError INPUT_INVALID if the value is not a COCO dataset
 */
export function imagesOfCocoFile(json: unknown, file: string): ImageNumbering {
  const parsed = dataset.safeParse(json);
  if (!parsed.success) {
    const where = parsed.error.issues[0]!.path.map(String).join('.');
    throw new VgrError(
      'INPUT_INVALID',
      `${quoted(file)}: expected a COCO dataset with \`images\` of \`id\` and \`file_name\`${where && `; ${quoted(where)} is not`}`,
      { hint: 'give `--image-ids` the annotation file, such as instances_val2017.json' },
    );
  }
  const byName = new Map<string, number>();
  const byLastPart = new Map<string, number | undefined>();
  for (const { id, file_name } of parsed.data.images) {
    byName.set(file_name, id);
    const last = lastPart(file_name);
    byLastPart.set(last, byLastPart.has(last) ? undefined : id);
  }
  const unlisted = new NameTable();
  let leftOut = 0;
  return {
    file,
    get leftOut() {
      return leftOut;
    },
    idOf(image) {
      const id = byName.get(image) ?? byLastPart.get(lastPart(image));
      if (id === undefined && unlisted.add(image)) leftOut += 1;
      return id;
    },
  };
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
