import { asVgrError, quoted, VgrError } from '../core/error.js';
import { type RefinerCard, refinerNumbers } from '../formats/model-card.js';
import { COLUMNS_VERSION } from '../refine/columns.js';
import { type AnswerRules, createLiteRefiner, type LiteSpec } from '../refine/lite-refiner.js';
import type { PolicyNumbers } from '../refine/policy.js';
import type { RefineRequest, Refiner } from '../refine/refiner.js';
import { type OpenedEncoder, openTrainedEncoder } from './encoder.js';
import { findModel, readVerified, TRAIN_AGAIN } from './model-store.js';
import type { SessionPool } from './pool.js';

/** Name of the refiner that comes with the program. */
const EMBEDDED = 'lite-refiner';

/** One of the refiners that need no server. */
export interface SmallRefiner {
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
export async function openRefiner(
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
