/**
 * A dense row-major tensor as plain typed arrays, so that pure code and threads can hold it without the runtime. What a graph
 * takes or gives in half precision is float32 here.
 */
export interface Tensor {
  readonly type: 'float32' | 'uint8' | 'int32' | 'int64' | 'bool';
  readonly data: Float32Array | Uint8Array | Int32Array | BigInt64Array;
  readonly dims: readonly number[];
}

/** Tensors by the name of the graph's input or output. */
export type NamedTensors = Readonly<Record<string, Tensor>>;
