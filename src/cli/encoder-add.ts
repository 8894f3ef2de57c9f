import { dirname, join } from 'node:path';
import { printable } from '../formats/fault.js';
import { installModel } from '../io/model-install.js';
import { modelsFolder } from '../io/model-place.js';
import { fileExists } from '../io/text-file.js';
import type { PhotoRef } from '../pipeline/ports.js';
import { draftEncoder, type EncoderClaims } from './encoder-draft.js';
import { cropMatching, type OpenedEncoder, openEncoder } from './encoder-open.js';
import type { Tower } from './encoder-towers.js';
import { photoOpener } from './engine.js';
import { nameOfFile } from './model-facts.js';
import { TRIAL_NAMES, trialPhotos } from './model-trial.js';
import { openPool } from './open-pool.js';
import type { Printer } from './printer.js';

export interface AddEncoderFlags extends EncoderClaims {
  readonly photo?: readonly string[] | undefined;
  readonly device: string;
  readonly 'dry-run': boolean;
}

const PHOTO_LIMIT = { 'max-pixels': 100_000_000 };

/** An encoder's name made of where its image tower lies. */
export function nameOfEncoder({ path }: Tower): string {
  return nameOfFile(path.replace(/vision_model([^/\\]*)$/, 'model$1'));
}

/** Writes an encoder's card, shows which of a few words fits photos best, and adds it. @returns the exit code */
export async function addEncoder(
  image: Tower,
  name: string,
  flags: AddEncoderFlags,
  printer: Printer,
): Promise<number> {
  const card = await draftEncoder(image, name, flags);
  const photos = await trialPhotos(flags.photo);
  const { pool } = openPool({ device: flags.device, detector: name, sessions: 1 }, printer);
  try {
    const model = { card, folder: hubFolder(image), weights: image.path };
    await show(await openEncoder(model, pool), photos, printer);
    if (card.match.bias !== null) {
      printer.note(
        'note: the graphs do not tell scale and bias; the card has those of SigLIP B/16. Correct `match` for other weights',
      );
    }
    if (flags['dry-run']) await printer.data(`${JSON.stringify(card, null, 2)}\n`);
    else await printer.data(`${await installModel(card, image.path, modelsFolder())}\n`);
    return 0;
  } finally {
    await pool.close();
  }
}

/** Where the tokeniser lies: beside the graphs, or one folder above. */
function hubFolder({ path }: Tower): string {
  const folder = dirname(path);
  return fileExists(join(folder, 'tokenizer.json')) ? folder : dirname(folder);
}

async function show(
  opened: OpenedEncoder,
  photos: readonly PhotoRef[],
  printer: Printer,
): Promise<void> {
  const { name, family, image, text } = opened.card;
  await printer.data(
    `${name}: ${family}, ${image.width} x ${image.height}, ${image.fit}, texts of at most ${text.length} tokens\n`,
  );
  const open = photoOpener(PHOTO_LIMIT);
  const matching = cropMatching(opened, PHOTO_LIMIT);
  for (const ref of photos) {
    const { size } = await open(ref, { width: 16, height: 16, fit: 'stretch', fill: 0 });
    const whole = { x1: 0, y1: 0, x2: size.width, y2: size.height };
    const rows = await matching.of(ref).match([whole], TRIAL_NAMES);
    const best = TRIAL_NAMES.map((word, at) => ({ word, cosine: rows[at]![0]! }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, 3);
    const told = best.map(({ word, cosine }) => `${word} ${cosine.toFixed(3)}`).join(', ');
    await printer.data(`  ${printable(ref.image)}: ${told}\n`);
  }
}
