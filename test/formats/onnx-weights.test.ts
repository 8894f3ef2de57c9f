import { describe, expect, it } from 'vitest';
import { decodeOnnxModel, encodeOnnxModel } from '../../src/formats/onnx.js';
import { onnxNode, onnxTensor, onnxValueInfo } from '../../src/formats/onnx-graph.js';
import { embedWeights, outlineOnnxModel } from '../../src/formats/onnx-outline.js';
import { withExternalWeights } from '../support/detector-graph.js';

const weight = (name: string, count = 4) =>
  onnxTensor(
    name,
    'float32',
    [count],
    Float32Array.from({ length: count }, (_, i) => i),
  );

/** Two weights, of which `a` is listed as an input. */
const MODEL = encodeOnnxModel({
  irVersion: 8,
  opsetImport: [
    { domain: 'com.example', version: 3 },
    { domain: '', version: 17 },
  ],
  metadataProps: [{ key: 'task', value: 'detect' }],
  graph: {
    name: 'sum',
    node: [onnxNode('Add', ['x', 'a'], ['s']), onnxNode('Add', ['s', 'b'], ['y'])],
    initializer: [weight('a'), weight('b', 400)],
    input: [onnxValueInfo('x', 'float32', ['n', 4]), onnxValueInfo('a', 'float32', [4])],
    output: [onnxValueInfo('y', 'float32', ['n', 4])],
  },
});

describe('the outline of a model', () => {
  it('tells inputs, outputs and what hinders a runtime, without the weights', () => {
    expect(outlineOnnxModel(MODEL)).toEqual({
      opset: 17,
      metadata: { task: 'detect' },
      inputs: [{ name: 'x', type: 'float32', dims: ['n', 4] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['n', 4] }],
      overridable: ['a'],
      externalFiles: [],
      operators: new Set(['Add']),
    });
  });

  it('finds weights in other files wherever they are, in branches too', () => {
    const { model } = withExternalWeights(MODEL, 'b.data');
    expect(outlineOnnxModel(model).externalFiles).toEqual(['b.data']);
    const { graph: branch } = decodeOnnxModel(model);
    const nested = encodeOnnxModel({
      graph: { node: [{ opType: 'If', attribute: [{ name: 'then_branch', g: branch! }] }] },
    });
    expect(outlineOnnxModel(nested).externalFiles).toEqual(['b.data']);
    expect(outlineOnnxModel(nested).operators).toEqual(new Set(['If', 'Add']));
  });

  it.each([1, 10, 100])('is refused where %i bytes are missing', (missing) => {
    expect(() => outlineOnnxModel(MODEL.subarray(0, MODEL.length - missing))).toThrow();
  });
});

describe('embedding weights', () => {
  it('takes weights off the inputs and leaves every other byte', () => {
    const made = embedWeights(MODEL, new Set(['a']), new Map());
    const model = decodeOnnxModel(MODEL);
    const input = model.graph!.input!.filter(({ name }) => name !== 'a');
    expect(made).toEqual(encodeOnnxModel({ ...model, graph: { ...model.graph, input } }));
    expect(embedWeights(MODEL, new Set(), new Map())).toEqual(MODEL);
    expect(embedWeights(made, new Set(['a']), new Map())).toEqual(made);
  });

  it('puts values of other files in their places', () => {
    const { model, weights } = withExternalWeights(MODEL, 'b.data');
    const made = embedWeights(model, new Set(), new Map([['b.data', weights]]));
    expect(decodeOnnxModel(made).graph!.initializer).toEqual(
      decodeOnnxModel(MODEL).graph!.initializer,
    );
    expect(outlineOnnxModel(made).externalFiles).toEqual([]);
  });

  it('reads nothing beyond a file', () => {
    const { model, weights } = withExternalWeights(MODEL, 'b.data');
    const short = new Map([['b.data', weights.subarray(1)]]);
    expect(() => embedWeights(model, new Set(), short)).toThrow(
      'tensor b: expected bytes 0 to 1600 of b.data, which has 1599',
    );
    const other = new Map([['c.data', weights]]);
    expect(() => embedWeights(model, new Set(), other)).toThrow(
      'tensor b: its file b.data is not here',
    );
  });
});
