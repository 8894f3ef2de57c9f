import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it, test } from 'vitest';
import {
  decodeOnnxModel,
  encodeOnnxModel,
  type OnnxModel,
  onnxEntries,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../../scripts/onnx/model.js';
import {
  embedWeights,
  OnnxDataType,
  outlineOnnxModel,
  ProtobufError,
} from '../../src/formats/onnx.js';
import { withExternalWeights } from '../support/detector-graph.js';

/** y = clip(x * scale + 1, 0, 6) over any number of rows of two. */
const AFFINE: OnnxModel = {
  irVersion: 10,
  producerName: 'test',
  opsetImport: [{ domain: '', version: 17 }],
  metadataProps: onnxEntries({ licence: 'MIT' }),
  graph: {
    name: 'affine',
    input: [onnxValueInfo('x', 'float32', ['rows', 2])],
    output: [onnxValueInfo('y', 'float32', ['rows', 2])],
    initializer: [
      onnxTensor('scale', 'float32', [2], new Float32Array([2, 0.5])),
      onnxTensor('one', 'float32', [], new Float32Array([1])),
      onnxTensor('low', 'float32', [], new Float32Array([0])),
      onnxTensor('high', 'float32', [], new Float32Array([6])),
      onnxTensor('shape', 'int64', [2], [-1, 2]),
    ],
    node: [
      onnxNode('Mul', ['x', 'scale'], ['scaled']),
      onnxNode('Add', ['scaled', 'one'], ['shifted']),
      onnxNode('Clip', ['shifted', 'low', 'high'], ['clipped']),
      onnxNode('Reshape', ['clipped', 'shape'], ['y'], { allowzero: 0 }),
    ],
  },
};

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

const name = fc.string({ unit: 'grapheme', maxLength: 12 });
const ports = fc.uniqueArray(
  fc.record({
    name,
    type: fc.constantFrom(...(Object.keys(OnnxDataType) as (keyof typeof OnnxDataType)[])),
    dims: fc.array(fc.oneof(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), name), {
      maxLength: 4,
    }),
  }),
  { maxLength: 3, selector: (port) => port.name },
);

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

  test('names inputs, outputs, operators and metadata as they were written', () => {
    const metadata = fc.dictionary(name, name, { noNullPrototype: true });
    fc.assert(
      fc.property(
        ports,
        ports,
        fc.array(name),
        metadata,
        fc.nat(),
        (inputs, outputs, types, entries, version) => {
          const infos = (list: typeof inputs) =>
            list.map((port) => onnxValueInfo(port.name, port.type, port.dims));
          const bytes = encodeOnnxModel({
            opsetImport: [{ domain: 'ai.onnx', version }],
            metadataProps: onnxEntries(entries),
            graph: {
              node: types.map((type) => onnxNode(type, [], [], { a: -1, b: 'c', d: { float: 1 } })),
              input: infos(inputs),
              output: infos(outputs),
            },
          });
          expect(outlineOnnxModel(bytes)).toEqual({
            opset: version,
            metadata: entries,
            inputs,
            outputs,
            overridable: [],
            externalFiles: [],
            operators: new Set(types),
          });
        },
      ),
    );
  });

  test('skips unknown fields', () => {
    const extra = new BinaryWriter();
    extra.tag(900, WireType.LengthDelimited).bytes(new Uint8Array([1, 2, 3]));
    extra.tag(901, WireType.Varint).uint64(2n ** 60n);
    extra.tag(902, WireType.Bit64).double(0.5);
    const bytesWithExtra = new Uint8Array([...extra.finish(), ...MODEL]);
    expect(outlineOnnxModel(bytesWithExtra)).toEqual(outlineOnnxModel(MODEL));
  });

  test('tells where in the graph bytes are cut', () => {
    const whole = encodeOnnxModel({ graph: AFFINE.graph });
    for (let length = 0; length < whole.length; length++) {
      expect(() => outlineOnnxModel(whole.subarray(0, length))).toThrow(ProtobufError);
    }
    expect(() => outlineOnnxModel(whole.subarray(0, whole.length - 1))).toThrow(/^graph: /);
  });

  test('names a field of another wire type', () => {
    const writer = new BinaryWriter();
    writer.tag(7, WireType.Varint).uint32(1);
    expect(() => outlineOnnxModel(writer.finish())).toThrow('graph: expected wire type 2, got 0');
  });

  test('does not exhaust the stack where nesting has no end', () => {
    let nested: Uint8Array = new Uint8Array();
    const wrap = (number: number) => {
      nested = new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(nested).finish();
    };
    for (let depth = 0; depth < 200; depth++) for (const number of [6, 5, 1]) wrap(number);
    wrap(7);
    expect(() => outlineOnnxModel(nested)).toThrow(/nested more than 64 deep/);
  });

  it.each([1, 10, 100])('is refused where %i bytes are missing', (missing) => {
    expect(() => outlineOnnxModel(MODEL.subarray(0, MODEL.length - missing))).toThrow();
  });
});

describe('embedding weights', () => {
  it('takes weights off the inputs and leaves every other byte', () => {
    const made = embedWeights(MODEL, new Set(['a']), new Map());
    const model = decodeOnnxModel(MODEL);
    model.graph!.input = model.graph!.input.filter(({ name }) => name !== 'a');
    expect(made).toEqual(encodeOnnxModel(model));
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

describe('models that are written', () => {
  test('onnxruntime computes what the graph says', async () => {
    const session = await InferenceSession.create(encodeOnnxModel(AFFINE));
    const rows = [-1, 1, 2, 4, 100, 0];
    const { y } = await session.run({ x: new Tensor('float32', rows, [3, 2]) });
    expect(y?.dims).toEqual([3, 2]);
    expect([...((y?.data as Float32Array) ?? [])]).toEqual([0, 1.5, 5, 3, 6, 1]);
    await session.release();
  });

  test('a tensor of the wrong size is refused', () => {
    expect(() => onnxTensor('w', 'float32', [2, 3], new Float32Array(5))).toThrow(
      'tensor w: [2,3] holds 6 elements, got 5',
    );
  });

  test('raw values are little-endian', () => {
    expect(onnxTensor('n', 'int64', [2], [1, -1]).rawData).toEqual(
      new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
    );
    expect(onnxTensor('n', 'float32', [1], new Float32Array([1])).rawData).toEqual(
      new Uint8Array([0, 0, 128, 63]),
    );
  });

  test('a bare fraction is refused as an attribute', () => {
    expect(() => onnxNode('LeakyRelu', ['x'], ['y'], { alpha: 0.1 })).toThrow(
      'attribute alpha: expected an integer, got 0.1; wrap a fraction as {float}',
    );
  });
});
