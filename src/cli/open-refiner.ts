import { quoted, VgrError } from '../formats/fault.js';
import type { RefineRequest, Refiner } from '../refinement/refiner.js';
import { createScorerRefiner } from '../refinement/scorer-refiner.js';

/** The refiner that `--refiner` means. @throws VgrError MODEL_UNKNOWN */
export async function openRefiner(wanted: string): Promise<Refiner> {
  if (wanted === 'v0') return createScorerRefiner();
  if (wanted === 'none') return noRefiner;
  throw new VgrError('MODEL_UNKNOWN', `no refiner ${quoted(wanted)}`, {
    hint: '`--refiner v0` and `--refiner none` are there',
  });
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
