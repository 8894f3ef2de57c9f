import type { NamedTensors, Tensor } from './family.js';

/** These rows of a tensor, counted along its first dimension, in this order; a row may come more than once. */
export function rowsOf({ type, data, dims }: Tensor, rows: readonly number[]): Tensor {
  const each = data.length / Math.max(1, dims[0]!);
  const Numbers = data.constructor as new (length: number) => Tensor['data'];
  const picked = new Numbers(rows.length * each);
  for (const [at, row] of rows.entries()) {
    picked.set(data.subarray(row * each, (row + 1) * each) as never, at * each);
  }
  return { type, data: picked, dims: [rows.length, ...dims.slice(1)] };
}

/** These rows of each tensor; tensors whose rows stay as they are are handed on without a copy. */
export function onlyRows(tensors: NamedTensors, rows: readonly number[]): NamedTensors {
  const isSame = ({ dims }: Tensor): boolean =>
    dims[0] === rows.length && rows.every((row, at) => row === at);
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [
      name,
      isSame(tensor) ? tensor : rowsOf(tensor, rows),
    ]),
  );
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
