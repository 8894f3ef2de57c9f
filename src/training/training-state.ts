import type { Parameter } from '../tensor/expression.js';
import { elementCount } from '../tensor/shape.js';
import type { ParameterSet } from './adamw.js';
import type { RandomState } from './random.js';
import type { BestValues, Phase, TrainingState } from './trainer.js';

/** The bytes are no training state, or one of another policy. */
export class TrainingStateError extends Error {
  override readonly name = 'TrainingStateError';
}

/** First bytes of a state: a name and the version of the layout. */
const MAGIC = 'vgr-training-state-1\n';

/** Parameter sets of a state, in the order in which their values follow the header. */
const SETS = ['values', 'average', 'first', 'second', 'reference', 'best'] as const;
type SetName = (typeof SETS)[number];

/** What a state holds beside parameter sets. */
interface Header {
  readonly phase: Phase;
  readonly epoch: number;
  readonly step: number;
  readonly random: RandomState;
  readonly stale: number;
  readonly best: Omit<BestValues, 'values'>;
  /** Name and number of values of each parameter, in the order of the values. */
  readonly parameters: readonly (readonly [name: string, count: number])[];
}

/** A state as bytes: magic, length of the header, header as JSON, then all values as little-endian float32. */
export function encodeTrainingState(state: TrainingState): Uint8Array {
  const sets = setsOf(state);
  const names = [...sets.values.keys()];
  const { values: _, ...best } = state.best;
  const header: Header = {
    phase: state.phase,
    epoch: state.epoch,
    step: state.learner.step,
    random: state.learner.random,
    stale: state.stale,
    best,
    parameters: names.map((name) => [name, sets.values.get(name)!.length]),
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = MAGIC.length + 4 + text.length;
  const count = header.parameters.reduce((sum, [, length]) => sum + length, 0);
  const bytes = new Uint8Array(start + SETS.length * count * 4);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(MAGIC.length, text.length, true);
  bytes.set(text, MAGIC.length + 4);
  let at = start;
  for (const set of SETS) {
    for (const name of names) {
      for (const value of sets[set].get(name)!) {
        view.setFloat32(at, value, true);
        at += 4;
      }
    }
  }
  return bytes;
}

/**
 * The state in these bytes.
 * @throws {TrainingStateError} when they are cut short, are no state, or belong to a policy of other parameters
 */
export function decodeTrainingState(
  bytes: Uint8Array,
  parameters: readonly Parameter[],
): TrainingState {
  const { header, start } = readHeader(bytes);
  const expected = parameters.map(({ attributes, shape }) => [
    attributes.name,
    elementCount(shape),
  ]);
  if (JSON.stringify(header.parameters) !== JSON.stringify(expected)) {
    throw new TrainingStateError('the training state belongs to a network of other sizes');
  }
  const count = header.parameters.reduce((sum, [, length]) => sum + length, 0);
  const length = start + SETS.length * count * 4;
  if (bytes.length !== length) {
    throw new TrainingStateError(
      `training state: expected ${length} bytes, got ${bytes.length}: it is cut short or damaged`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const read = (set: SetName): ParameterSet => {
    let at = start + SETS.indexOf(set) * count * 4;
    const values = header.parameters.map(([name, size]) => {
      const own = Float32Array.from({ length: size }, (_, i) => view.getFloat32(at + i * 4, true));
      at += size * 4;
      return [name, own] as const;
    });
    return new Map(values);
  };
  return {
    phase: header.phase,
    epoch: header.epoch,
    learner: {
      values: read('values'),
      average: read('average'),
      moments: { first: read('first'), second: read('second') },
      step: header.step,
      random: header.random,
    },
    reference: read('reference'),
    best: { values: read('best'), ...header.best },
    stale: header.stale,
  };
}

function setsOf({ learner, reference, best }: TrainingState): Record<SetName, ParameterSet> {
  const { values, average, moments } = learner;
  const { first, second } = moments;
  return { values, average, first, second, reference, best: best.values };
}

function readHeader(bytes: Uint8Array): { header: Header; start: number } {
  const decoder = new TextDecoder();
  const after = MAGIC.length + 4;
  if (decoder.decode(bytes.subarray(0, MAGIC.length)) !== MAGIC || bytes.length < after) {
    throw new TrainingStateError('expected a training state of version 1, got other bytes');
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(MAGIC.length, true);
  try {
    const text = decoder.decode(bytes.subarray(after, after + length));
    return { header: JSON.parse(text) as Header, start: after + length };
  } catch (cause) {
    throw new TrainingStateError('training state: the header is damaged', { cause });
  }
}
