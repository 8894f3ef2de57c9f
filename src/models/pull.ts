import { createReadStream } from 'node:fs';
import { realpath, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { lockOutput } from '../core/file-lock.js';
import { writeFileAtomic } from '../core/files.js';
import type { Terminal } from '../core/terminal.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { type DetectorCard, holdsWeightsOf } from '../formats/model-card.js';
import {
  findModel,
  furtherPath,
  listModels,
  modelsFolder,
  type StoredModel,
  sha256OfFile,
} from '../runtime/model-store.js';
import { type Download, type Downloaded, download, type Pinned, partialPath } from './download.js';
import { writeCard } from './install.js';
import {
  type RemoteSource,
  remoteFile,
  sharedCachePaths,
  sourceBeside,
  stallLimit,
} from './remote-file.js';
import { variantName } from './variant.js';

/** Cards of models that a network may have. */
type RemoteCard = DetectorCard | EncoderCard;

type Tell = (note: string) => void;

/** One file of a model. */
interface Part {
  readonly file: string;
  readonly source: RemoteSource;
  /** Where it is by now. */
  readonly here?: string;
  /** What it must be; absent where the card does not say yet. */
  readonly pinned?: Pinned;
}

/**
 * Downloads the files of a model to the user's folder of models. Where its card has no sha256, a card of the user's own gets it.
 * @returns the path of the weights
 * @throws VgrError USAGE, DOWNLOAD_FAILED, MODEL_CORRUPT, DISK_FULL, OUTPUT_BUSY, OUTPUT_UNWRITABLE, CONFIG_INVALID
 */
async function pullModel(
  model: StoredModel,
  { note, ...terms }: Pick<Download, 'signal' | 'onProgress'> & { readonly note: Tell },
): Promise<string> {
  const { card } = model;
  const { name } = card;
  if (card.kind === 'refiner' || !('url' in card.source || 'hub' in card.source)) {
    throw notRemote(model);
  }
  const folder = join(modelsFolder(), name);
  const parts = partsOf(model, card, card.source);
  const present = await Promise.all(parts.map(isPresent));
  const path = present[0] ? parts[0]!.here! : join(folder, card.file);
  const missing = parts.filter((_, index) => !present[index]);
  if (missing.length === 0) {
    note(`${name} is here already`);
    return path;
  }
  const lock = await lockOutput(folder);
  try {
    let current: RemoteCard = card;
    let isShared = true;
    for (const part of missing) {
      const { file, source, pinned } = part;
      const target = join(folder, file);
      const shared = await takeShared(part, target);
      isShared &&= shared !== undefined;
      const downloaded =
        shared ??
        (await download({
          ...terms,
          ...remoteFile(source),
          target,
          pinned,
          stallMs: stallLimit(),
        }));
      if (pinned) continue;
      // At once: a whole file need not come again where the next one fails.
      current = pinnedCard(current, file, downloaded);
      await writeCard(current, folder);
      note(
        `note: the card of ${name} had no sha256 for ${file}; it is pinned to the downloaded file's, ${downloaded.sha256}. Compare it with the publisher's.`,
      );
    }
    if (isShared) note(`${name}: taken from the cache of the Hugging Face hub`);
    return path;
  } finally {
    await lock.release();
  }
}

/** The weights first, then what the graph keeps elsewhere, then the rest. */
function partsOf(model: StoredModel, card: RemoteCard, source: RemoteSource): Part[] {
  const further = [...(card.external ?? []), ...(card.files ?? [])].map((named): Part => {
    const { file, sha256, bytes } = named;
    return {
      file,
      source: sourceBeside(source, named),
      here: furtherPath(model, file),
      pinned: sha256 === undefined ? undefined : pin(sha256, bytes),
    };
  });
  const { file, sha256, bytes, alternates = [] } = card;
  // Other exports of the same weights are of other sizes.
  const size = alternates.length === 0 ? bytes : undefined;
  const isRight = (checksum: string) => holdsWeightsOf(card, checksum);
  const pinned = sha256 === undefined ? undefined : { sha256, bytes: size, isRight };
  return [{ file, source, here: model.weights, pinned }, ...further];
}

function pin(sha256: string, bytes: number | undefined): Pinned {
  return { sha256, bytes, isRight: (checksum) => checksum === sha256 };
}

/** Whether a part is here and right. */
async function isPresent({ here, pinned }: Part): Promise<boolean> {
  if (here === undefined || !pinned) return false;
  return pinned.isRight(await sha256OfFile(here));
}

/** The card with the checksum of one of its files, as its first download had it. */
function pinnedCard<Card extends RemoteCard>(card: Card, file: string, sum: Downloaded): Card {
  const pinned = { ...sum, first_download: true } as const;
  if (file === card.file) return { ...card, ...pinned };
  const files = card.files?.map((one) => (one.file === file ? { ...one, ...pinned } : one));
  return { ...card, files };
}

/**
 * Copies the file out of the cache that the hub's own clients share: the pinned one, or one that lies there under its own hash.
 * @returns undefined where it is not there
 */
async function takeShared(
  { source, pinned }: Part,
  target: string,
): Promise<Downloaded | undefined> {
  if (!('hub' in source)) return undefined;
  for (const cached of sharedCachePaths(source, pinned?.sha256)) {
    const sha256 = await sha256OfFile(cached).catch(() => undefined);
    if (sha256 === undefined) continue;
    const isItsHash = basename(await realpath(cached)) === sha256;
    if (!(pinned ? pinned.isRight(sha256) : isItsHash)) continue;
    await writeFileAtomic(target, createReadStream(cached));
    // Of an interrupted download.
    await rm(partialPath(target), { force: true });
    return { sha256, bytes: (await stat(target)).size };
  }
  return undefined;
}

function notRemote({ card, weights }: StoredModel): VgrError {
  const isPackaged = 'package' in card.source;
  const origin = isPackaged ? 'comes with the program' : 'was added from a file';
  const where = weights ? `, and is at ${quoted(weights)}` : '';
  return new VgrError(
    'USAGE',
    `model ${quoted(card.name)} cannot be pulled: it ${origin}${where}`,
    { hint: isPackaged ? '`npm run build` makes it' : '`vgr models add FILE` adds it again' },
  );
}

/** A card that was named by its path must not say where a known model comes from. @throws VgrError USAGE */
async function refuseOtherSource({ card: { name }, folder }: StoredModel): Promise<void> {
  const known = (await listModels()).models.find(({ card }) => card.name === name);
  if (!known || resolve(known.folder) === resolve(folder)) return;
  throw new VgrError(
    'USAGE',
    `${quoted(join(folder, 'card.json'))}: expected a name of its own, got ${quoted(name)}, which is another model`,
    { hint: `\`vgr models pull ${name}\` pulls that one; give this card another name` },
  );
}

const MIB = 2 ** 20;

/** `vgr models pull`: downloads the weights of models, one after the other. @returns the exit code */
export async function pullModels(names: readonly string[], terminal: Terminal): Promise<number> {
  const { printer } = terminal;
  const { signal } = terminal.interruption;
  for (const name of names) {
    const model = await findModel(await variantName(name));
    await refuseOtherSource(model);
    let here = 0;
    let whole = model.card.bytes;
    const display = await terminal.showProgress({
      stages: [{ title: `${model.card.name}, MiB`, count: () => Number((here / MIB).toFixed(1)) }],
      share: () => (whole ? here / whole : undefined),
    });
    try {
      const path = await pullModel(model, {
        signal,
        note: (text) => printer.note(text),
        onProgress: (bytes, total) => {
          here = bytes;
          whole = total ?? whole;
        },
      });
      await display.stop();
      await printer.data(`${path}\n`);
    } catch (thrown) {
      await display.stop();
      // The signal's own exit code tells the rest.
      if (signal.aborted) return 0;
      throw thrown;
    }
  }
  return 0;
}
