import { asVgrError, quoted, VgrError } from '../formats/fault.js';
import { decodeOnnxModel, type OnnxTensor } from '../formats/onnx.js';
import type { RefinerCard } from '../formats/refiner-card.js';
import type { RefinerOrder } from '../inference/messages.js';
import type { SessionPool } from '../inference/pool.js';
import { findModel, type StoredModel } from '../io/model-store.js';
import { readVerified } from '../io/model-weights.js';
import { ENCODER_FEATURE_VERSION } from '../refinement/encoder-features.js';
import { type LiteSizes, litePolicySettings } from '../refinement/lite-example.js';
import { FEATURE_VERSION } from '../refinement/lite-features.js';
import { createLiteRefiner } from '../refinement/lite-refiner.js';
import { Vocabulary } from '../refinement/lite-words.js';
import type { Refiner } from '../refinement/refiner.js';
import type { ParameterSet } from '../training/adamw.js';
import { type OpenedEncoder, openTrainedEncoder } from './encoder-open.js';

/** Name of the refiner that comes with the program. */
const EMBEDDED = 'lite-refiner';

/** A trained refiner read from disk. */
export interface LiteModel {
  readonly card: RefinerCard;
  readonly sizes: LiteSizes;
  readonly bytes: SharedArrayBuffer;
  /** Learned values of each network of the ensemble. */
  readonly members: readonly ParameterSet[];
}

/**
 * Loads the refiner that `--refiner` means into the pool: `lite` for the embedded one, a name, or a folder.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openLite(
  wanted: string,
  pool: SessionPool,
): Promise<{
  readonly refiner: Refiner;
  readonly order: RefinerOrder;
  readonly card: RefinerCard;
  /** The image-text encoder that it was trained with; absent where it reads none. */
  readonly encoder?: OpenedEncoder;
}> {
  const { card, bytes } = await readLite(wanted);
  const encoder = card.encoder && (await openTrainedEncoder(card.encoder, card.name, pool));
  const vocabulary = new Vocabulary(card.vocabulary);
  const model = `refiner/${card.sha256}`;
  await pool.load({ name: model, bytes });
  const name = wanted === 'lite' ? 'lite' : card.name;
  const policy = litePolicySettings(sizesOf(card), vocabulary, encoder !== undefined);
  const knowledge = {
    policy,
    tools: card.tools,
    margin: card.margin,
    constructs: card.constructs,
    clues: card.clues,
    crops: encoder !== undefined,
  };
  return {
    refiner: createLiteRefiner(name, { ...knowledge, vocabulary }, (feeds) =>
      pool.run(model, feeds),
    ),
    order: {
      kind: 'lite',
      name,
      model,
      knowledge: { ...knowledge, vocabulary: vocabulary.words },
    },
    card,
    ...(encoder && { encoder }),
  };
}

/** A refiner with its values, to train on. @throws VgrError as {@link openLite} */
export async function readLiteModel(wanted: string): Promise<LiteModel> {
  const { card, bytes } = await readLite(wanted);
  return { card, bytes, sizes: sizesOf(card), members: membersOf(bytes, card) };
}

async function readLite(
  wanted: string,
): Promise<{ readonly card: RefinerCard; readonly bytes: SharedArrayBuffer }> {
  const { card, bytes } = await readVerified(await findRefiner(wanted));
  if (card.kind !== 'refiner') {
    throw new VgrError(
      'CARD_INVALID',
      `${quoted(wanted)}: expected a refiner, got a ${card.kind}`,
      {
        hint: '`vgr models list` shows which models are refiners',
      },
    );
  }
  if (card.features.version !== FEATURE_VERSION) {
    throw new VgrError(
      'CARD_INVALID',
      `refiner ${quoted(card.name)}: expected features of version ${FEATURE_VERSION}, got ${card.features.version}`,
      { hint: 'train it anew with `vgr train-lite`, or take the `vgr` that it was trained with' },
    );
  }
  if (card.encoder && card.encoder.version !== ENCODER_FEATURE_VERSION) {
    throw new VgrError(
      'CARD_INVALID',
      `refiner ${quoted(card.name)}: expected features of an encoder of version ${ENCODER_FEATURE_VERSION}, got ${card.encoder.version}`,
      { hint: 'train it anew with `vgr train-lite`, or take the `vgr` that it was trained with' },
    );
  }
  return { card, bytes };
}

function sizesOf({ policy }: RefinerCard): LiteSizes {
  const { wordWidth, width, heads, hidden, thinkLayers, rethinkLayers } = policy;
  return { wordWidth, width, heads, hidden, thinkLayers, rethinkLayers };
}

function membersOf(bytes: SharedArrayBuffer, card: RefinerCard): readonly ParameterSet[] {
  const { graph } = decodeOnnxModel(new Uint8Array(bytes).slice());
  const sets = Array.from({ length: card.policy.members }, () => new Map<string, Float32Array>());
  for (const tensor of graph?.initializer ?? []) {
    const name = tensor.name ?? '';
    const slash = name.indexOf('/');
    const member = Number(name.slice(0, slash));
    if (slash > 0 && Number.isInteger(member)) {
      sets[member]?.set(name.slice(slash + 1), floatsOf(tensor));
    }
  }
  return sets;
}

function floatsOf({ rawData, floatData }: OnnxTensor): Float32Array {
  if (!rawData || rawData.length === 0) return Float32Array.from(floatData ?? []);
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength);
  return Float32Array.from({ length: rawData.byteLength / 4 }, (_, i) =>
    view.getFloat32(i * 4, true),
  );
}

async function findRefiner(wanted: string): Promise<StoredModel> {
  try {
    return await findModel(wanted === 'lite' ? EMBEDDED : wanted);
  } catch (thrown) {
    const fault = asVgrError(thrown);
    if (fault.code !== 'MODEL_UNKNOWN') throw fault;
    throw new VgrError('MODEL_UNKNOWN', `no refiner ${quoted(wanted)}`, {
      hint: '`lite`, `v0`, `vlm`, `cascade`, `none`, or the folder that `vgr train-lite --output DIR` wrote',
      cause: fault,
    });
  }
}
