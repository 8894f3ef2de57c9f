import { asVgrError, quoted, VgrError } from '../core/error.js';
import { type RefinerCard, refinerNumbers } from '../formats/refiner-card.js';
import type { OutputLine } from '../formats/result-line.js';
import type { RunSettings } from '../formats/run-summary.js';
import type { DecodingMemory } from '../photos/decode.js';
import { COLUMNS_VERSION } from '../refine/columns.js';
import { type AnswerRules, createLiteRefiner, type LiteSpec } from '../refine/lite-refiner.js';
import type { PolicyNumbers } from '../refine/policy.js';
import type { CropMatcher, RefineRequest, Refiner } from '../refine/refiner.js';
import type { LargeRefiner } from '../vlm/open.js';
import type { VlmFlags } from '../vlm/settings.js';
import { cropMatching, type OpenedEncoder, openTrainedEncoder, warmEncoder } from './encoder.js';
import type { WarmUp } from './memory-limit.js';
import { findModel, readVerified, TRAIN_AGAIN } from './model-store.js';
import type { SessionPool } from './pool.js';
import type { PhotoRef } from './ports.js';

/** Name of the refiner that comes with the program. */
const EMBEDDED = 'lite-refiner';

/** Enough to tell colours by, pixels. */
export const PLAIN_SIDE = 512;

/** A refiner with what a run must know of it. */
export interface OpenedRefiner {
  readonly refiner: Refiner;
  /** The same for the threads of the pool, where they can do without the main thread. */
  readonly spec?: LiteSpec;
  /** Settings that decide its answers. */
  readonly settings: RunSettings;
  /** Present where it looks at the photos themselves. */
  readonly picture?: LargeRefiner['picture'];
  /** Present where it holds crops of the photos against words. */
  readonly crops?: (memory: DecodingMemory) => (photo: PhotoRef) => CropMatcher;
  /** Of the model that reads the crops. */
  readonly warmUp?: WarmUp;
  /** Side of the raster that it is shown where no detector looks at the photo, pixels. */
  readonly rasterSide?: number;
  /** Queries to keep in work so that nobody waits for them. */
  readonly inFlight: number;
  /** Takes in a line that an earlier run wrote. */
  readonly recall?: (line: OutputLine) => void;
  /** For run.json. */
  readonly report?: () => Readonly<Record<string, unknown>>;
  /** What a person must know of the answers of this run; empty where all went well. */
  readonly warnings?: () => readonly string[];
  close(): Promise<void>;
}

export interface OpenRefinerFlags extends VlmFlags {
  readonly refiner: string;
  readonly answers: string;
  readonly 'min-confidence': number;
  readonly 'max-pixels': number;
}

export interface OpenRefinerOptions {
  /** Where replies are kept between runs. */
  readonly cacheFolder: string;
  readonly signal: AbortSignal;
  /** Where trained refiners run. */
  readonly pool: SessionPool;
}

/**
 * The refiner that `--refiner` means: a large one behind a server, a cascade of both, or one of the small ones.
 * @throws VgrError USAGE, CONFIG_INVALID, MODEL_UNKNOWN, INPUT_MISSING
 */
export async function openRefiner(
  flags: OpenRefinerFlags,
  options: OpenRefinerOptions,
): Promise<OpenedRefiner> {
  if (flags.refiner === 'vlm') {
    const { openLarge } = await import('../vlm/open.js');
    return openLarge(flags, options);
  }
  const isCascade = flags.refiner === 'cascade';
  const wanted = isCascade ? flags['cascade-small'] : flags.refiner;
  const small = await openSmall(wanted, rulesOf(flags), options.pool);
  if (isCascade) {
    const { openCascade } = await import('../vlm/open.js');
    const both = await openCascade(flags, options, small.refiner);
    const settings = { ...both.settings, ...settingsOf(small) };
    return { ...both, settings, ...cropsOf(small, flags), rasterSide: PLAIN_SIDE };
  }
  return {
    refiner: small.refiner,
    ...(small.spec && { spec: small.spec }),
    settings: settingsOf(small),
    ...cropsOf(small, flags),
    inFlight: 0,
    close: async () => undefined,
  };
}

function rulesOf(flags: OpenRefinerFlags): AnswerRules {
  return {
    answers: flags.answers === 'one' ? 'one' : 'auto',
    minConfidence: flags['min-confidence'],
  };
}

function settingsOf({ model, spec, encoder }: SmallRefiner): RunSettings {
  return {
    ...(model && { refiner_sha256: model.sha256 }),
    ...(spec && { answers: spec.rules.answers, min_confidence: spec.rules.minConfidence }),
    ...(encoder && { encoder: encoder.card.name }),
  };
}

function cropsOf(
  { encoder }: SmallRefiner,
  flags: OpenRefinerFlags,
): Pick<OpenedRefiner, 'crops' | 'warmUp'> {
  if (!encoder) return {};
  return {
    crops: (memory) => {
      const matching = cropMatching(encoder, flags, memory);
      return (ref) => matching.of(ref);
    },
    warmUp: (sessions) => warmEncoder(encoder, sessions),
  };
}

/** One of the refiners that need no server. */
interface SmallRefiner {
  readonly refiner: Refiner;
  /** The same for the threads of the pool; absent for `none`. */
  readonly spec?: LiteSpec;
  /** Numbers that it answers with; absent for `none`. */
  readonly model?: { readonly name: string; readonly sha256: string };
  /** What it holds crops of the photo against words with. */
  readonly encoder?: OpenedEncoder;
}

/**
 * The refiner that `--refiner` means: `none`, `lite` for the embedded one, or a trained one by name or folder.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
async function openSmall(
  wanted: string,
  rules: AnswerRules,
  pool: SessionPool,
): Promise<SmallRefiner> {
  if (wanted === 'none') return { refiner: noRefiner };
  const { card, numbers } = await readRefiner(wanted);
  const encoder = card.encoder && (await openTrainedEncoder(card.encoder, card.name, pool));
  const name = wanted === 'lite' ? 'lite' : card.name;
  const spec = { name, numbers, rules };
  return {
    refiner: createLiteRefiner(spec),
    spec,
    model: { name: card.name, sha256: card.sha256 },
    ...(encoder && { encoder }),
  };
}

/** A refiner's numbers with their card. @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID */
export async function readRefiner(
  wanted: string,
): Promise<{ readonly card: RefinerCard; readonly numbers: PolicyNumbers }> {
  const { card, bytes } = await readVerified(await findRefiner(wanted));
  if (card.kind !== 'refiner') {
    throw new VgrError(
      'CARD_INVALID',
      `${quoted(wanted)}: expected a refiner, got a ${card.kind}`,
      { hint: '`vgr models list` shows which models are refiners' },
    );
  }
  const parsed = refinerNumbers.safeParse(jsonOf(bytes));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new VgrError(
      'CARD_INVALID',
      `refiner ${quoted(card.name)}: refiner.json, field ${quoted(issue.path.join('.'))}: ${issue.message}`,
      { hint: 'train it again with `vgr train-lite`' },
    );
  }
  const { schema: _, columns, ...numbers } = parsed.data;
  if (columns !== COLUMNS_VERSION) {
    throw new VgrError(
      'CARD_INVALID',
      `refiner ${quoted(card.name)}: expected columns of version ${COLUMNS_VERSION}, got ${columns}`,
      { hint: TRAIN_AGAIN },
    );
  }
  return { card, numbers };
}

function jsonOf(bytes: SharedArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(new Uint8Array(bytes).slice()));
  } catch {
    return undefined;
  }
}

async function findRefiner(wanted: string) {
  try {
    return await findModel(wanted === 'lite' ? EMBEDDED : wanted);
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.code !== 'MODEL_UNKNOWN') throw error;
    throw new VgrError('MODEL_UNKNOWN', `no refiner ${quoted(wanted)}`, {
      hint: '`lite`, `vlm`, `cascade`, `none`, or the folder that `vgr train-lite --output DIR` wrote',
      cause: error,
    });
  }
}

/** The detector alone, for comparison: the tool's box stands. */
const noRefiner: Refiner = {
  name: 'none',
  refine: async (requests: readonly RefineRequest[]) =>
    requests.map(({ tool }) => ({
      think: { boxXyxy: null, score: 0, text: 'no refiner was asked' },
      answer: {
        boxXyxy: tool?.boxXyxy ?? null,
        score: tool?.score ?? 0,
        decision: tool ? 'fallback' : 'none',
        text: tool ? "no refiner was asked, the tool's box stands" : 'the tool found nothing',
      },
    })),
};
