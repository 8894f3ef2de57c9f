import type { DecodeOptions } from '../detection/family.js';
import type { NamedTensors } from '../detection/tensor.js';
import type { DetectorCard } from '../formats/model-card.js';
import type {
  DetectItem,
  DetectReply,
  LoadReply,
  RefineReply,
  RefineRequest,
  RunPhotos,
} from './messages.js';

/** A model file that was verified against its card. */
export interface ModelFile {
  readonly name: string;
  readonly bytes: SharedArrayBuffer;
}

export type DetectResult = DetectReply['results'][number] & {
  /** Its share of the time that a thread worked, milliseconds; waiting is no part of it. */
  readonly ms: number;
};

/** How a detector is asked. Jobs with the same asking may share a batch. */
export interface DetectAsking {
  readonly model: string;
  readonly card: DetectorCard;
  readonly options: DecodeOptions;
  /** Photos that one run may take; 1 where the graph's batch dimension is fixed. */
  readonly batchLimit: number;
}

export interface Settle<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export interface DetectJob extends Settle<DetectResult> {
  readonly kind: 'detect';
  readonly asking: DetectAsking;
  readonly item: DetectItem;
}

export interface RunJob extends Settle<NamedTensors> {
  readonly kind: 'run';
  readonly model: string;
  readonly feeds: NamedTensors;
  readonly photos: RunPhotos | undefined;
  readonly fetches: readonly string[] | undefined;
}

export interface LoadJob extends Settle<LoadReply> {
  readonly kind: 'load';
  readonly file: ModelFile;
}

export interface RefineJob extends Settle<RefineReply> {
  readonly kind: 'refine';
  readonly request: RefineRequest;
}

export type Job = DetectJob | RunJob | LoadJob | RefineJob;

/** The next job, with as many of its kind as one run takes: photos of one shape, which others that wait may stand between. */
export function takeBatch(queue: Job[]): Job[] {
  const first = queue.shift()!;
  const batch: Job[] = [first];
  if (first.kind !== 'detect') return batch;
  const { asking, item } = first;
  for (let place = 0; place < queue.length && batch.length < asking.batchLimit; ) {
    const next = queue[place]!;
    const fits =
      next.kind === 'detect' &&
      next.asking === asking &&
      next.item.raster.width === item.raster.width &&
      next.item.raster.height === item.raster.height;
    if (fits) batch.push(...queue.splice(place, 1));
    else place += 1;
  }
  return batch;
}
