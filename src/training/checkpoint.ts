import type { Parameter } from '../tensor/expression.js';
import type { CurvePoint } from './curve.js';
import type { TrainingState } from './trainer.js';
import { decodeTrainingState, encodeTrainingState, TrainingStateError } from './training-state.js';

/** Where the training of one member stands. */
export interface Checkpoint {
  /** Of all that decides the training: settings and data. */
  readonly key: string;
  /** Whether the member is trained to its end. */
  readonly done: boolean;
  readonly curve: readonly CurvePoint[];
  readonly state: TrainingState;
}

const MAGIC = 'vgr-checkpoint-1\n';

/** A checkpoint as bytes: magic, length of the header, header as JSON, then the state. */
export function encodeCheckpoint({ key, done, curve, state }: Checkpoint): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify({ key, done, curve }));
  const tail = encodeTrainingState(state);
  const bytes = new Uint8Array(MAGIC.length + 4 + text.length + tail.length);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setUint32(MAGIC.length, text.length, true);
  bytes.set(text, MAGIC.length + 4);
  bytes.set(tail, MAGIC.length + 4 + text.length);
  return bytes;
}

/**
 * The checkpoint in these bytes.
 * @throws {TrainingStateError} when they are cut short, are no checkpoint, or belong to a network of other sizes
 */
export function decodeCheckpoint(bytes: Uint8Array, parameters: readonly Parameter[]): Checkpoint {
  const decoder = new TextDecoder();
  const after = MAGIC.length + 4;
  if (bytes.length < after || decoder.decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    throw new TrainingStateError('expected a checkpoint of version 1, got other bytes');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(MAGIC.length, true);
  try {
    const header = JSON.parse(decoder.decode(bytes.subarray(after, after + length)));
    const state = decodeTrainingState(bytes.slice(after + length), parameters);
    return { ...(header as Omit<Checkpoint, 'state'>), state };
  } catch (cause) {
    if (cause instanceof TrainingStateError) throw cause;
    throw new TrainingStateError('checkpoint: the header is damaged', { cause });
  }
}
