import { copyFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { lockOutput } from '../core/file-lock.js';
import { makeFolder, outputError } from '../core/files.js';
import type { Printer, Terminal } from '../core/terminal.js';
import type { ModelSource } from '../formats/card-parts.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { type DetectorCard, holdsWeightsOf } from '../formats/model-card.js';
import {
  findModel,
  furtherPath,
  modelsFolder,
  type StoredModel,
  sha256OfFile,
} from '../runtime/model-store.js';
import { type Brought, download } from './download.js';
import { writeCard } from './install.js';
import { remoteFile, sharedCachePath, sourceBeside, stallLimit } from './remote-file.js';

export interface PullOptions {
  readonly modelsFolder: string;
  readonly signal: AbortSignal;
  /** Bytes that are here, and those of the whole file where they are known. */
  readonly onProgress: (here: number, whole: number | undefined) => void;
}

/** What became of a model that was asked for. */
export interface Pulled {
  readonly path: string;
  /** `here`: it was there already; `shared`: taken from the cache of the hub's clients; `pinned`: its sha256 is new. */
  readonly how: 'here' | 'shared' | 'downloaded' | 'pinned';
  readonly sha256: string;
  /** Checksums that are new, by file. */
  readonly pinned?: ReadonlyMap<string, string>;
}

/** Cards of models that may lie on a network. */
type RemoteCard = DetectorCard | EncoderCard;

/** One file of a model. */
interface Part {
  readonly file: string;
  readonly source: ModelSource;
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
  /** Where it lies by now. */
  readonly here: string | undefined;
  readonly isRight: (checksum: string) => boolean;
}

/**
 * Brings the files of a model into the user's folder of models. What a card does not pin yet is pinned by a card of the
 * user's own.
 * @throws VgrError USAGE, DOWNLOAD_FAILED, MODEL_CORRUPT, DISK_FULL, OUTPUT_BUSY, OUTPUT_UNWRITABLE, CONFIG_INVALID
 */
async function pullModel(model: StoredModel, options: PullOptions): Promise<Pulled> {
  const { card } = model;
  if (card.kind === 'refiner' || !('url' in card.source || 'hub' in card.source)) {
    throw notRemote(model);
  }
  const parts = partsOf(model, card, options.modelsFolder);
  const here = await Promise.all(parts.map(holdsPart));
  const [weights] = parts as [Part, ...Part[]];
  if (here.every((sum) => sum !== undefined)) {
    return { path: weights.here!, how: 'here', sha256: here[0]! };
  }
  const folder = join(options.modelsFolder, card.name);
  const lock = await lockOutput(folder);
  try {
    const brought: Pulled[] = [];
    const pinned = new Map<string, string>();
    let current: RemoteCard = card;
    for (const [index, part] of parts.entries()) {
      const sum = here[index];
      if (sum !== undefined) {
        brought.push({ path: part.here!, how: 'here', sha256: sum });
        continue;
      }
      const { bytes, ...one } = await pullPart(part, join(folder, part.file), options);
      brought.push(one);
      if (one.how !== 'pinned') continue;
      // At once: what is whole need not come again where the next file fails.
      current = pinnedCard(current, part.file, { sha256: one.sha256, bytes: bytes! });
      await writeCard(current, options.modelsFolder);
      pinned.set(part.file, one.sha256);
    }
    const did = (how: Pulled['how']): boolean => brought.some((one) => one.how === how);
    const how = did('pinned') ? 'pinned' : did('downloaded') ? 'downloaded' : 'shared';
    return { ...brought[0]!, how, ...(pinned.size > 0 && { pinned }) };
  } finally {
    await lock.release();
  }
}

/** The weights first, then what the graph keeps elsewhere, then the rest. */
function partsOf(model: StoredModel, card: RemoteCard, userFolder: string): Part[] {
  const { source, sha256, bytes, alternates = [] } = card;
  const same = (sum: string | undefined) => (checksum: string) => checksum === sum;
  const further = [...(card.external ?? []), ...(card.files ?? [])].map(
    (one): Part => ({
      file: one.file,
      source: sourceBeside(source, one),
      sha256: one.sha256,
      bytes: one.bytes,
      here: furtherPath(model, one.file, userFolder),
      isRight: same(one.sha256),
    }),
  );
  const weights: Part = {
    file: card.file,
    source,
    sha256,
    // Other exports of the same weights are of other sizes.
    bytes: alternates.length === 0 ? bytes : undefined,
    here: model.weights,
    isRight: (checksum) => holdsWeightsOf(card, checksum),
  };
  return [weights, ...further];
}

/** Checksum of a part that is here and right; undefined where it is to be brought. */
async function holdsPart({ here, sha256, isRight }: Part): Promise<string | undefined> {
  if (here === undefined || sha256 === undefined) return undefined;
  const checksum = await sha256OfFile(here);
  return isRight(checksum) ? checksum : undefined;
}

async function pullPart(
  part: Part,
  target: string,
  options: PullOptions,
): Promise<Pulled & { readonly bytes?: number }> {
  const shared = await takeShared(part, target);
  if (shared) return { path: target, how: 'shared', sha256: shared };
  const { sha256, isRight, bytes } = part;
  const brought = await download({
    ...remoteFile(part.source),
    target,
    pinned: sha256 === undefined ? undefined : { sha256, isRight, bytes },
    stallMs: stallLimit(),
    signal: options.signal,
    onProgress: options.onProgress,
  });
  return {
    path: target,
    how: sha256 === undefined ? 'pinned' : 'downloaded',
    sha256: brought.sha256,
    bytes: brought.bytes,
  };
}

/** The card with the checksum of one of its files. */
function pinnedCard<Card extends RemoteCard>(card: Card, file: string, sum: Brought): Card {
  if (file === card.file) return { ...card, ...sum };
  const files = card.files?.map((one) => (one.file === file ? { ...one, ...sum } : one));
  return { ...card, ...(files && { files }) };
}

/** Copies the file out of the cache that the hub's own clients share, where it is the pinned one. */
async function takeShared(
  { source, sha256: pinned, isRight }: Part,
  target: string,
): Promise<string | undefined> {
  if (!('hub' in source) || pinned === undefined) return undefined;
  const cached = sharedCachePath(source);
  const sha256 = await sha256OfFile(cached).catch(() => undefined);
  if (sha256 === undefined || !isRight(sha256)) return undefined;
  const partial = `${target}.partial`;
  try {
    await makeFolder(join(target, '..'));
    await copyFile(cached, partial);
    await rename(partial, target);
  } catch (thrown) {
    await rm(partial, { force: true });
    throw outputError(target, thrown);
  }
  return sha256;
}

function notRemote({ card, weights }: StoredModel): VgrError {
  const packaged = 'package' in card.source;
  return new VgrError(
    'USAGE',
    `model ${quoted(card.name)} is not to be pulled: it ${packaged ? 'comes with the program' : 'was added from a file'}${weights ? `, and lies at ${quoted(weights)}` : ''}`,
    { hint: packaged ? '`npm run build` makes it' : '`vgr models add FILE` adds it anew' },
  );
}

const MIB = 2 ** 20;

/** `vgr models pull`: brings the weights of models, one after the other. @returns the exit code */
export async function pullModels(names: readonly string[], terminal: Terminal): Promise<number> {
  const { printer } = terminal;
  const { signal } = terminal.interruption;
  for (const name of names) {
    const model = await findModel(name);
    let here = 0;
    let whole = model.card.bytes;
    const display = await terminal.showProgress({
      stages: [{ title: `${model.card.name}, MiB`, count: () => Number((here / MIB).toFixed(1)) }],
      share: () => (whole ? here / whole : undefined),
    });
    try {
      const pulled = await pullModel(model, {
        modelsFolder: modelsFolder(),
        signal,
        onProgress: (bytes, total) => {
          here = bytes;
          whole = total ?? whole;
        },
      });
      await display.stop();
      tell(pulled, model.card.name, printer);
      await printer.data(`${pulled.path}\n`);
    } catch (thrown) {
      await display.stop();
      // The signal's own exit code tells the rest.
      if (signal.aborted) return 0;
      throw thrown;
    }
  }
  return 0;
}

function tell({ how, pinned }: Pulled, name: string, printer: Printer): void {
  if (how === 'here') printer.note(`${name} is here already`);
  if (how === 'shared') printer.note(`${name}: taken from the cache of the Hugging Face hub`);
  for (const [file, sha256] of pinned ?? []) {
    printer.note(
      `note: the card of ${name} had no sha256 for ${file}; it is pinned to what came, ${sha256}. Compare it with the publisher's.`,
    );
  }
}
