import { encodeOnnxModel, onnxNode, onnxTensor, onnxValueInfo } from '../../scripts/onnx/model.js';

/** A graph with one input `x` [n] and one output `y` = x + `addend`. */
export function addingGraph(addend: number): Uint8Array {
  return encodeOnnxModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'adding',
      node: [onnxNode('Add', ['x', 'addend'], ['y'])],
      initializer: [onnxTensor('addend', 'float32', [1], new Float32Array([addend]))],
      input: [onnxValueInfo('x', 'float32', ['n'])],
      output: [onnxValueInfo('y', 'float32', ['n'])],
    },
  });
}

/** Memory that threads share, with these bytes. */
export function shared(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
