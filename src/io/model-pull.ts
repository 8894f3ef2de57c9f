import { copyFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted, VgrError } from '../formats/fault.js';
import { type DetectorCard, holdsWeightsOf } from '../formats/model-card.js';
import { type Brought, download } from './download.js';
import { makeFolder } from './folder.js';
import { remoteFile, sharedCachePath, stallLimit } from './hub.js';
import { writeCard } from './model-install.js';
import type { StoredModel } from './model-store.js';
import { sha256OfFile } from './model-weights.js';
import { outputFault } from './output-fault.js';
import { lockOutput } from './output-lock.js';

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
}

/**
 * Brings the weights of a model into the user's folder of models. Weights that a card does not pin yet are pinned by a card
 * of the user's own.
 * @throws VgrError USAGE, DOWNLOAD_FAILED, MODEL_CORRUPT, DISK_FULL, OUTPUT_BUSY, OUTPUT_UNWRITABLE, CONFIG_INVALID
 */
export async function pullModel(model: StoredModel, options: PullOptions): Promise<Pulled> {
  const { card, weights } = model;
  if (card.kind !== 'detector' || !('url' in card.source || 'hub' in card.source)) {
    throw notRemote(model);
  }
  if (weights !== undefined && card.sha256 !== undefined) {
    const sha256 = await sha256OfFile(weights);
    if (holdsWeightsOf(card, sha256)) return { path: weights, how: 'here', sha256 };
  }
  const folder = join(options.modelsFolder, card.name);
  const lock = await lockOutput(folder);
  try {
    const target = join(folder, card.file);
    const shared = await takeShared(card, target);
    if (shared) return { path: target, how: 'shared', sha256: shared };
    const { sha256, bytes } = await bring(card, target, options);
    if (card.sha256 !== undefined) return { path: target, how: 'downloaded', sha256 };
    await writeCard({ ...card, sha256, bytes }, options.modelsFolder);
    return { path: target, how: 'pinned', sha256 };
  } finally {
    await lock.release();
  }
}

function bring(card: DetectorCard, target: string, options: PullOptions): Promise<Brought> {
  const { sha256, bytes } = card;
  const alternates = card.alternates ?? [];
  return download({
    ...remoteFile(card.source),
    target,
    pinned:
      sha256 === undefined
        ? undefined
        : {
            sha256,
            isRight: (checksum) => holdsWeightsOf(card, checksum),
            // Other exports of the same weights are of other sizes.
            bytes: alternates.length === 0 ? bytes : undefined,
          },
    stallMs: stallLimit(),
    signal: options.signal,
    onProgress: options.onProgress,
  });
}

/** Copies the file out of the cache that the hub's own clients share, where it is the pinned one. */
async function takeShared(card: DetectorCard, target: string): Promise<string | undefined> {
  if (!('hub' in card.source) || card.sha256 === undefined) return undefined;
  const cached = sharedCachePath(card.source);
  const sha256 = await sha256OfFile(cached).catch(() => undefined);
  if (sha256 === undefined || !holdsWeightsOf(card, sha256)) return undefined;
  const partial = `${target}.partial`;
  try {
    await makeFolder(join(target, '..'));
    await copyFile(cached, partial);
    await rename(partial, target);
  } catch (thrown) {
    await rm(partial, { force: true });
    throw outputFault(target, thrown);
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
