import { calibrationOf } from '../detection/calibration.js';
import { categoriesOf } from '../formats/detector-labels.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { Detector } from '../pipeline/ports.js';
import type { DetectAsking } from './job.js';
import type { SessionPool } from './pool.js';

export interface PooledDetectorOptions {
  /** 0..1 */
  readonly minScore: number;
  readonly maxDetections: number;
  /** In place of the card's, 0..1. */
  readonly nmsIou?: number;
  /** Names of the labels that are wanted; all where absent. */
  readonly classes?: readonly string[];
  /** Photos that one run may take together; a graph with a fixed batch dimension takes one. */
  readonly batchSize: number;
}

/** A detector whose sessions live in the pool. The model must be loaded there under the card's name. */
export function pooledDetector(
  pool: SessionPool,
  card: DetectorCard,
  { batchSize, ...wanted }: PooledDetectorOptions,
): Detector {
  // Jobs share a batch when they share the asking, by identity.
  const asking: DetectAsking = {
    model: card.name,
    card,
    options: wanted,
    batchLimit: card.input.batch === 'any' ? batchSize : 1,
  };
  return {
    name: card.name,
    spec: card.input,
    calibration: calibrationOf(card),
    categories: categoriesOf(card),
    detect: ({ raster, size }) => pool.detect(asking, { raster, image: size }),
  };
}
