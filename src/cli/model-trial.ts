import { fileURLToPath } from 'node:url';
import type { Detection } from '../detection/detection.js';
import { agreement } from '../evaluation/agreement.js';
import { asVgrError } from '../formats/fault.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { SessionPool } from '../inference/pool.js';
import { pooledDetector } from '../inference/pooled-detector.js';
import { listImages } from '../io/image-source.js';
import type { OpenPhoto, PhotoRef } from '../pipeline/ports.js';
import { loadDetector } from './load-detector.js';

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
      if ('fault' in item) throw item.fault;
      photos.push(item);
    }
  } catch (thrown) {
    // An installation may come without them.
    if (given !== undefined) throw asVgrError(thrown);
  }
  return photos;
}

/** Runs a detector whose graph stands in the pool over photos, one after the other. */
export async function tryDetector(
  pool: SessionPool,
  card: DetectorCard,
  photos: readonly PhotoRef[],
  open: OpenPhoto,
): Promise<TrialPhoto[]> {
  const { minScore, maxDetections } = card.decoding;
  const detector = pooledDetector(pool, card, { minScore, maxDetections, batchSize: 1 });
  const results: TrialPhoto[] = [];
  for (const ref of photos) {
    const { detections } = await detector.detect(await open(ref, detector.spec), {
      features: false,
    });
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
    const reference = await tryDetector(pool, card, photos, open);
    const boxes = (trial: readonly TrialPhoto[]) => trial.map(({ detections }) => detections);
    return (trial) => agreement(boxes(trial), boxes(reference));
  } catch (thrown) {
    if (asVgrError(thrown).code === 'MODEL_MISSING') return undefined;
    throw thrown;
  }
}
