import type { RefinerOrder } from '../inference/messages.js';
import type { SessionPool } from '../inference/pool.js';
import type { RefineRequest, Refiner } from '../refinement/refiner.js';
import { createScorerRefiner } from '../refinement/scorer-refiner.js';
import type { OpenedEncoder } from './encoder-open.js';
import { openLite } from './lite-open.js';

/** One of the refiners that need no server. */
export interface SmallRefiner {
  readonly refiner: Refiner;
  /** Whether it reads the detector's feature maps. */
  readonly features: boolean;
  /** The same for the threads of the pool. */
  readonly order?: RefinerOrder;
  /** Weights that it answers with; absent for `v0` and `none`. */
  readonly model?: { readonly name: string; readonly sha256: string };
  /** What it holds crops of the photo against words with. */
  readonly encoder?: OpenedEncoder;
}

/**
 * The refiner that `--refiner` means: `v0`, `none`, `lite` for the embedded one, or a trained one by name or folder.
 * @throws VgrError MODEL_UNKNOWN, MODEL_MISSING, MODEL_CORRUPT, CARD_INVALID, DEVICE_UNAVAILABLE
 */
export async function openRefiner(wanted: string, pool: SessionPool): Promise<SmallRefiner> {
  if (wanted === 'v0') {
    return { refiner: createScorerRefiner(), features: false, order: { kind: 'v0' } };
  }
  if (wanted === 'none') return { refiner: noRefiner, features: false };
  const { refiner, order, card, encoder } = await openLite(wanted, pool);
  return {
    refiner,
    order,
    features: true,
    model: { name: card.name, sha256: card.sha256 },
    ...(encoder && { encoder }),
  };
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
