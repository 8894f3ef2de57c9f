import { isDeepStrictEqual } from 'node:util';
import { asVgrError, quoted, VgrError } from '../core/error.js';
import { parsedJson } from '../core/text.js';
import { type RefinerCard, refinerNumbers } from '../formats/refiner-card.js';
import type { RunSettings } from '../formats/run-summary.js';
import { COLUMNS_VERSION } from '../refine/columns.js';
import type { AnswerRules, LiteSpec } from '../refine/lite-refiner.js';
import type { PolicyNumbers } from '../refine/policy.js';
import type { Refiner } from '../refine/refiner.js';
import type { LargeRefiner } from '../vlm/open.js';
import type { LargeRefinerOptions, VlmFlags } from '../vlm/settings.js';
import type { OpenedEncoder } from './encoder.js';
import type { OpenedGrounding } from './grounding.js';
import { findModel, ofKind, readVerified, TRAIN_AGAIN } from './model-store.js';
import type { SessionPool } from './pool.js';
import type { Threads } from './threads.js';

/** Name of the refiner that comes with the program. */
const EMBEDDED = 'lite-refiner';

/** A refiner with what a run must know of it. */
export interface OpenedRefiner {
  readonly name: string;
  /** Makes it on this thread, where its modules are loaded only for that. */
  readonly make: () => Promise<Refiner>;
  /** Settings that decide its answers. */
  readonly settings: RunSettings;
  /** By which any thread makes it for itself; absent where it answers on the main thread alone. */
  readonly spec?: LiteSpec;
  /** The detectors whose boxes it was fitted to weigh against each other; `any` where it does not care. */
  readonly fittedTo: 'any' | readonly string[];
  /** Reads the crops that it needs. */
  readonly encoder?: OpenedEncoder;
  /** The model behind a server, or {@link grounding}. */
  readonly large?: LargeRefiner;
  /** A model in the threads that is asked in words. */
  readonly grounding?: OpenedGrounding;
}

export interface OpenRefinerFlags extends VlmFlags {
  readonly refiner: string;
  readonly answers: string;
  readonly 'min-confidence': number;
}

export interface OpenRefinerOptions extends LargeRefinerOptions {
  /** Where the encoders of trained refiners run, and models that are asked in words. */
  readonly threads: Threads;
}

/**
 * The refiner that `--refiner` means: a large one behind a server, a cascade of both, or one of the small ones. A large one is to
 * be closed.
 * @throws VgrError USAGE, CONFIG_INVALID, MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE,
 * INPUT_MISSING
 */
export async function openRefiner(
  flags: OpenRefinerFlags,
  options: OpenRefinerOptions,
): Promise<OpenedRefiner> {
  if (flags.refiner === 'vlm') {
    const { openLarge } = await import('../vlm/open.js');
    const large = await openLarge(flags, options);
    return { ...ready(large.refiner), settings: large.settings, fittedTo: 'any', large };
  }
  if (flags.refiner !== 'cascade') return openSmall(flags.refiner, flags, options.threads.pool);
  const small = await openSmall(flags['cascade-small'], flags, options.threads.pool);
  const { openCascade, openLarge } = await import('../vlm/open.js');
  const name = flags['cascade-large'];
  const grounding =
    name === undefined
      ? undefined
      : await (await import('./grounding.js')).openGrounding(name, options.threads);
  const second = grounding?.large ?? (await openLarge(flags, options));
  const large = openCascade(flags, await small.make(), second);
  return {
    grounding,
    ...ready(large.refiner),
    settings: { ...large.settings, ...small.settings },
    fittedTo: small.fittedTo,
    encoder: small.encoder,
    large: { ...large, rasterSide: undefined },
  };
}

/**
 * What is to be said where a refiner weighs boxes of detectors that it was not fitted to together.
 * @param detectors of the run
 */
export function unfittedNote(
  { name, fittedTo }: Pick<OpenedRefiner, 'name' | 'fittedTo'>,
  detectors: readonly string[],
): string | undefined {
  if (fittedTo === 'any' || Math.max(fittedTo.length, detectors.length) < 2) return undefined;
  if (isDeepStrictEqual([...fittedTo].sort(), [...detectors].sort())) return undefined;
  const here = detectors.map((each) => quoted(each)).join(', ');
  const fitted =
    fittedTo.length === 0
      ? `weighs boxes of several detectors alike: it was not fitted to ${here} together`
      : `was fitted to ${fittedTo.map((each) => quoted(each)).join(', ')} together, not to ${here}`;
  const flags = detectors.map((each) => `--detector ${each}`).join(' ');
  return `note: refiner ${quoted(name)} ${fitted}; \`vgr train-lite IMAGES --queries train.jsonl ${flags} --output DIR\` fits one`;
}

function ready(refiner: Refiner): Pick<OpenedRefiner, 'name' | 'make'> {
  return { name: refiner.name, make: async () => refiner };
}

/** `none`, `lite` for the embedded refiner, or a trained one by name or folder. */
async function openSmall(
  wanted: string,
  flags: OpenRefinerFlags,
  pool: SessionPool,
): Promise<OpenedRefiner> {
  if (wanted === 'none') return { ...ready(noRefiner), settings: {}, fittedTo: 'any' };
  const { card, numbers } = await readRefiner(wanted);
  const rules: AnswerRules = {
    answers: flags.answers === 'one' ? 'one' : 'auto',
    minConfidence: flags['min-confidence'],
  };
  const name = wanted === 'lite' ? 'lite' : card.name;
  const spec = { name, numbers, rules };
  const small: OpenedRefiner = {
    name,
    make: async () => (await import('../refine/lite-refiner.js')).createLiteRefiner(spec),
    spec,
    fittedTo: card.detectors ?? [],
    settings: {
      refiner_sha256: card.sha256,
      answers: rules.answers,
      min_confidence: rules.minConfidence,
    },
  };
  if (!card.encoder) return small;
  const { openTrainedEncoder } = await import('./encoder.js');
  const encoder = await openTrainedEncoder(card.encoder, card.name, pool);
  const { proveEncoder } = await import('./device-trial.js');
  await proveEncoder(encoder, pool);
  const settings = { ...small.settings, encoder: encoder.card.name };
  return { ...small, settings, encoder };
}

/** A refiner's numbers with their card. @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID */
export async function readRefiner(
  wanted: string,
): Promise<{ readonly card: RefinerCard; readonly numbers: PolicyNumbers }> {
  const model = ofKind(await findRefiner(wanted), 'refiner', wanted);
  const { card } = model;
  const { bytes } = await readVerified(model);
  const text = new TextDecoder().decode(new Uint8Array(bytes).slice());
  const parsed = refinerNumbers.safeParse(parsedJson(text));
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

async function findRefiner(wanted: string) {
  try {
    return await findModel(wanted === 'lite' ? EMBEDDED : wanted);
  } catch (thrown) {
    const error = asVgrError(thrown);
    if (error.code !== 'MODEL_UNKNOWN') throw error;
    throw new VgrError('MODEL_UNKNOWN', `no refiner ${quoted(wanted)}`, {
      hint: '`lite`, `vlm`, `cascade`, `none`, or a folder of `vgr train-lite` by its path: `./my-refiner`',
      cause: error,
    });
  }
}

/** The detector alone, for comparison: the tool's box stands. */
const noRefiner: Refiner = {
  name: 'none',
  refine: async ({ tool }) => ({
    think: { boxXyxy: null, score: 0, text: 'no refiner was asked' },
    answer: {
      boxXyxy: tool?.boxXyxy ?? null,
      score: tool?.score ?? 0,
      decision: tool ? 'fallback' : 'none',
      text: tool ? "no refiner was asked, the tool's box stands" : 'the tool found nothing',
    },
  }),
};
