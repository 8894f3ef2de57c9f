import { fileURLToPath } from 'node:url';
import { asVgrError } from '../core/error.js';
import type { Detection } from '../detect/family.js';
import { agreement } from '../evaluate/agreement.js';
import { isPrompted } from '../formats/model-card.js';
import { listImages } from '../photos/find-photos.js';
import { loadDetector, type StandingModel, standingDetector } from '../runtime/detector.js';
import type { SessionPool } from '../runtime/pool.js';
import type { Detector, OpenPhoto, PhotoRef } from '../runtime/ports.js';

/** What a detector found in each photo of a trial. */
export interface TrialPhoto {
  readonly image: string;
  readonly detections: readonly Detection[];
}

/** Photos that come with the program. */
const FIXTURES = fileURLToPath(new URL('../../fixtures/images', import.meta.url));

/** The detector that every installation has. */
const EMBEDDED = 'centernet';

/**
 * The photos for a trial: those given, else those that come with the program.
 * @throws VgrError of the first photo given that is not there
 */
export async function trialPhotos(given: readonly string[] | undefined): Promise<PhotoRef[]> {
  const photos: PhotoRef[] = [];
  try {
    for await (const item of listImages(given ?? [FIXTURES])) {
      if ('error' in item) throw item.error;
      photos.push(item);
    }
  } catch (thrown) {
    // An installation may come without them.
    if (given !== undefined) throw asVgrError(thrown);
  }
  return photos;
}

/** What detectors that are asked in words look for in a trial: what the program's own photos show. */
export const TRIAL_NAMES = ['person', 'dog', 'cat', 'cup', 'train'];

/** A detector whose graph stands in the pool, by its card's own settings. */
export function trialDetector(
  pool: SessionPool,
  standing: StandingModel,
  batchSize: number,
): Detector {
  const { minScore, maxDetections } = standing.card.decoding;
  return standingDetector(pool, standing, {
    minScore,
    maxDetections,
    batchSize,
    onCut: () => undefined,
    ...(isPrompted(standing.card) && { classes: TRIAL_NAMES }),
  });
}

/** Runs a detector whose graph stands in the pool over photos, one after the other. */
export async function tryDetector(
  pool: SessionPool,
  standing: StandingModel,
  photos: readonly PhotoRef[],
  open: OpenPhoto,
): Promise<TrialPhoto[]> {
  const detector = trialDetector(pool, standing, 1);
  const results: TrialPhoto[] = [];
  for (const ref of photos) {
    const { detections } = await detector.detect(await open(ref, detector.spec));
    results.push({ image: ref.image, detections });
  }
  return results;
}

/**
 * How far a detector with COCO's labels agrees with the embedded one.
 * @returns 0..1; undefined where the two cannot be compared
 */
export async function agreementWithEmbedded(
  pool: SessionPool,
  photos: readonly PhotoRef[],
  open: OpenPhoto,
): Promise<((trial: readonly TrialPhoto[]) => number | undefined) | undefined> {
  try {
    const { card } = await loadDetector(EMBEDDED, pool);
    const reference = await tryDetector(pool, { card }, photos, open);
    const boxes = (trial: readonly TrialPhoto[]) => trial.map(({ detections }) => detections);
    return (trial) => agreement(boxes(trial), boxes(reference));
  } catch (thrown) {
    if (asVgrError(thrown).code === 'MODEL_MISSING') return undefined;
    throw thrown;
  }
}
