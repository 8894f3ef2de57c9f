import type { NamedTensors, Tensor } from './family.js';

/** Memory that is used again: large new arrays cost more than what is written into them. */
export type Scratch = Map<string, ArrayBuffer>;

/**
 * These rows of a tensor, counted along its first dimension, in this order; a row may come more than once.
 * @param memory at least as long as the result, which lies in it then
 */
export function rowsOf(
  { type, data, dims }: Tensor,
  rows: readonly number[],
  memory?: ArrayBuffer,
): Tensor {
  const each = data.length / Math.max(1, dims[0]!);
  const Numbers = data.constructor as new (
    memory: ArrayBuffer | number,
    offset?: number,
    length?: number,
  ) => Tensor['data'];
  const length = rows.length * each;
  const picked = memory ? new Numbers(memory, 0, length) : new Numbers(length);
  for (const [at, row] of rows.entries()) {
    picked.set(data.subarray(row * each, (row + 1) * each) as never, at * each);
  }
  return { type, data: picked, dims: [rows.length, ...dims.slice(1)] };
}

/**
 * These rows of each tensor; tensors whose rows stay as they are are handed on without a copy.
 * @param scratch where copies lie; those of the last call with it are gone then
 */
export function onlyRows(
  tensors: NamedTensors,
  rows: readonly number[],
  scratch?: Scratch,
): NamedTensors {
  const isSame = ({ dims }: Tensor): boolean =>
    dims[0] === rows.length && rows.every((row, at) => row === at);
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      if (isSame(tensor)) return [name, tensor];
      const bytes = (tensor.data.byteLength / Math.max(1, tensor.dims[0]!)) * rows.length;
      return [name, rowsOf(tensor, rows, scratch && memoryIn(scratch, name, bytes))];
    }),
  );
}

function memoryIn(scratch: Scratch, name: string, bytes: number): ArrayBuffer {
  const known = scratch.get(name);
  if (known && known.byteLength >= bytes) return known;
  const memory = new ArrayBuffer(bytes);
  scratch.set(name, memory);
  return memory;
}

export function zeros(dims: readonly number[]): Tensor {
  return {
    type: 'float32',
    data: new Float32Array(dims.reduce((all, size) => all * size, 1)),
    dims,
  };
}

/**
 * The only row of `first` before each row of `second`: [1, a, d] and [n, b, d] become [n, a + b, d].
 * @param dims those of the result
 */
export function stackedRows(first: Tensor, second: Tensor, dims: readonly number[]): Tensor {
  const head = first.data as Float32Array;
  const rest = second.data as Float32Array;
  const rows = dims[0]!;
  const each = rest.length / rows;
  const data = new Float32Array(rows * (head.length + each));
  for (let row = 0; row < rows; row++) {
    const start = row * (head.length + each);
    data.set(head, start);
    data.set(rest.subarray(row * each, (row + 1) * each), start + head.length);
  }
  return { type: 'float32', data, dims };
}
