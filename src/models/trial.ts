import { asVgrError } from '../core/error.js';
import type { Detection } from '../detect/family.js';
import { loadDetector, type StandingModel } from '../runtime/detector.js';
import type { SessionPool } from '../runtime/pool.js';
import type { PhotoRef } from '../runtime/ports.js';
import { openTrialPhoto, trialDetector } from '../runtime/rate.js';

/** The detector that every installation has. */
const EMBEDDED = 'centernet';

/** What a detector found in each photo of a trial. */
export interface TrialPhoto {
  readonly image: string;
  readonly detections: readonly Detection[];
}

/** Runs a detector whose graph stands in the pool over photos, one after the other. */
export async function tryDetector(
  pool: SessionPool,
  standing: StandingModel,
  photos: readonly PhotoRef[],
): Promise<TrialPhoto[]> {
  const detector = trialDetector(pool, standing);
  const results: TrialPhoto[] = [];
  for (const ref of photos) {
    const { detections } = await detector.detect(await openTrialPhoto(ref, detector.spec));
    results.push({ image: ref.image, detections });
  }
  return results;
}

/** Average precision of boxes at IoU 0.5 as if those of a reference were the truth, 0..1; undefined where it has none. */
export type Agreement = (
  found: readonly (readonly Detection[])[],
  reference: readonly (readonly Detection[])[],
) => number | undefined;

/**
 * What compares a detector with COCO's labels with the embedded one.
 * @returns undefined where the embedded one is not here
 */
export async function agreementWithEmbedded(
  pool: SessionPool,
  photos: readonly PhotoRef[],
  agreement: Agreement,
): Promise<((trial: readonly TrialPhoto[]) => number | undefined) | undefined> {
  try {
    const { card } = await loadDetector(EMBEDDED, pool);
    const reference = await tryDetector(pool, { card }, photos);
    const boxes = (trial: readonly TrialPhoto[]) => trial.map(({ detections }) => detections);
    return (trial) => agreement(boxes(trial), boxes(reference));
  } catch (thrown) {
    if (asVgrError(thrown).code === 'MODEL_MISSING') return undefined;
    throw thrown;
  }
}
