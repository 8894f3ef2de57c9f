import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import {
  decodeOnnxModel,
  encodeOnnxModel,
  OnnxDataType,
  type OnnxGraph,
  type OnnxModel,
  ProtobufError,
} from '../../src/formats/onnx.js';
import { onnxNode, onnxTensor, onnxValueInfo } from '../../src/formats/onnx-graph.js';

/** y = clip(x * scale + 1, 0, 6) over any number of rows of two. */
const AFFINE: OnnxModel = {
  irVersion: 10,
  producerName: 'test',
  opsetImport: [{ domain: '', version: 17 }],
  metadataProps: [{ key: 'licence', value: 'MIT' }],
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

const name = fc.string({ unit: 'grapheme', maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 20 });
const float = fc.float({ noNaN: true });
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 });

const tensor = fc.record({
  dims: fc.array(int, { maxLength: 3 }),
  dataType: fc.constantFrom(...Object.values(OnnxDataType)),
  floatData: fc.array(float, { maxLength: 3 }),
  int32Data: fc.array(int, { maxLength: 3 }),
  stringData: fc.array(bytes, { maxLength: 2 }),
  int64Data: fc.array(long, { maxLength: 3 }),
  name,
  rawData: bytes,
  doubleData: fc.array(fc.double({ noNaN: true }), { maxLength: 3 }),
  uint64Data: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 3 }),
  externalData: fc.array(fc.record({ key: name, value: name }), { maxLength: 2 }),
});

const EMPTY_GRAPH: OnnxGraph = {
  node: [],
  initializer: [],
  input: [],
  output: [],
  valueInfo: [],
};

const { graph } = fc.letrec<{ graph: OnnxGraph; attribute: object }>((tie) => ({
  attribute: fc.record(
    {
      name,
      f: float,
      i: long,
      s: bytes,
      t: tensor,
      g: fc.option(tie('graph'), { maxDepth: 1, nil: { ...EMPTY_GRAPH } }),
      floats: fc.array(float, { maxLength: 3 }),
      ints: fc.array(long, { maxLength: 3 }),
      strings: fc.array(bytes, { maxLength: 2 }),
      tensors: fc.array(tensor, { maxLength: 1 }),
      graphs: fc.constant([]),
    },
    { requiredKeys: ['floats', 'ints', 'strings', 'tensors', 'graphs'] },
  ),
  graph: fc.record({
    node: fc.array(
      fc.record({
        input: fc.array(name, { maxLength: 3 }),
        output: fc.array(name, { maxLength: 3 }),
        name,
        opType: name,
        attribute: fc.array(tie('attribute'), { maxLength: 2 }),
      }),
      { maxLength: 2 },
    ) as fc.Arbitrary<OnnxGraph['node'] & object>,
    name,
    initializer: fc.array(tensor, { maxLength: 2 }),
    input: fc.array(
      fc.record({
        name,
        type: fc.record({
          tensorType: fc.record({
            elemType: int,
            shape: fc.record({
              dim: fc.array(fc.oneof(fc.record({ dimValue: int }), fc.record({ dimParam: name })), {
                maxLength: 4,
              }),
            }),
          }),
        }),
      }),
      { maxLength: 2 },
    ),
    output: fc.constant([]),
    valueInfo: fc.constant([]),
  }),
}));

describe('ONNX models as bytes', () => {
  test('reading gives back what was written', () => {
    fc.assert(
      fc.property(graph, int, name, (held, version, text) => {
        const model: OnnxModel = {
          irVersion: version,
          docString: text,
          graph: held,
          opsetImport: [{ domain: text, version }],
          metadataProps: [],
        };
        const first = encodeOnnxModel(model);
        expect(decodeOnnxModel(first)).toEqual(model);
        expect(encodeOnnxModel(decodeOnnxModel(first))).toEqual(first);
      }),
    );
  });

  test('onnxruntime computes what the graph says', async () => {
    const session = await InferenceSession.create(encodeOnnxModel(AFFINE));
    const rows = [-1, 1, 2, 4, 100, 0];
    const { y } = await session.run({ x: new Tensor('float32', rows, [3, 2]) });
    expect(y?.dims).toEqual([3, 2]);
    expect([...((y?.data as Float32Array) ?? [])]).toEqual([0, 1.5, 5, 3, 6, 1]);
    await session.release();
  });

  test('unknown fields are skipped', () => {
    const plain = encodeOnnxModel(AFFINE);
    const extra = new BinaryWriter();
    extra.tag(900, WireType.LengthDelimited).bytes(new Uint8Array([1, 2, 3]));
    extra.tag(901, WireType.Varint).uint64(2n ** 60n);
    extra.tag(902, WireType.Bit64).double(0.5);
    const bytesWithExtra = new Uint8Array([...extra.finish(), ...plain]);
    expect(decodeOnnxModel(bytesWithExtra)).toEqual(decodeOnnxModel(plain));
  });

  test('lists of numbers are read packed and unpacked', () => {
    const dims = new BinaryWriter();
    for (const size of [3, 4]) dims.tag(1, WireType.Varint).int64(size);
    const initializer = new BinaryWriter();
    initializer.tag(5, WireType.LengthDelimited).bytes(dims.finish());
    const model = new BinaryWriter();
    model.tag(7, WireType.LengthDelimited).bytes(initializer.finish());
    expect(decodeOnnxModel(model.finish()).graph?.initializer?.[0]?.dims).toEqual([3, 4]);
  });

  test('bytes cut anywhere inside the graph are an error that says where', () => {
    const whole = encodeOnnxModel({ graph: AFFINE.graph ?? {} });
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeOnnxModel(whole.subarray(0, length))).toThrow(ProtobufError);
    }
    expect(() => decodeOnnxModel(whole.subarray(0, whole.length - 1))).toThrow(/^graph: /);
  });

  test('a field of another wire type is an error that names it', () => {
    const writer = new BinaryWriter();
    writer.tag(7, WireType.Varint).uint32(1);
    expect(() => decodeOnnxModel(writer.finish())).toThrow('graph: expected wire type 2, got 0');
  });

  test('nesting without end does not exhaust the stack', () => {
    let nested: Uint8Array = new Uint8Array();
    const wrap = (number: number) => {
      nested = new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(nested).finish();
    };
    for (let depth = 0; depth < 200; depth++) for (const number of [6, 5, 1]) wrap(number);
    wrap(7);
    expect(() => decodeOnnxModel(nested)).toThrow(/nested more than 64 deep/);
  });
});

describe('building graphs', () => {
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
      'attribute alpha: expected an integer, got 0.1; wrap floats as {floats}',
    );
  });
});
