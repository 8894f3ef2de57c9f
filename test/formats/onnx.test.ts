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
import { OnnxDataType, OnnxError, readOnnxModel } from '../../src/formats/onnx.js';
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
    expect(readOnnxModel(MODEL).outline).toEqual({
      opset: 17,
      metadata: { task: 'detect' },
      inputs: [{ name: 'x', type: 'float32', dims: ['n', 4] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['n', 4] }],
      externalFiles: [],
      operators: new Set(['Add']),
    });
  });

  it('finds weights in other files wherever they are, in branches too', () => {
    const { model } = withExternalWeights(MODEL, 'b.data');
    expect(readOnnxModel(model).outline.externalFiles).toEqual(['b.data']);
    const { graph: branch } = decodeOnnxModel(model);
    const nested = encodeOnnxModel({
      graph: { node: [{ opType: 'If', attribute: [{ name: 'then_branch', g: branch! }] }] },
    });
    expect(readOnnxModel(nested).outline.externalFiles).toEqual(['b.data']);
    expect(readOnnxModel(nested).outline.operators).toEqual(new Set(['If', 'Add']));
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
          expect(readOnnxModel(bytes).outline).toEqual({
            opset: version,
            metadata: entries,
            inputs,
            outputs,
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
    expect(readOnnxModel(bytesWithExtra).outline).toEqual(readOnnxModel(MODEL).outline);
  });

  test('refuses bytes that are cut', () => {
    const whole = encodeOnnxModel({ graph: AFFINE.graph });
    for (let length = 0; length < whole.length; length++) {
      expect(() => readOnnxModel(whole.subarray(0, length)).outline).toThrow(OnnxError);
    }
  });

  test('does not exhaust the stack where nesting has no end', () => {
    let nested: Uint8Array = new Uint8Array();
    const wrap = (number: number) => {
      nested = new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(nested).finish();
    };
    for (let depth = 0; depth < 200; depth++) for (const number of [6, 5, 1]) wrap(number);
    wrap(7);
    expect(() => readOnnxModel(nested).outline).toThrow(/maximum recursion depth of 100/);
  });

  it.each([1, 10, 100])('is refused where %i bytes are missing', (missing) => {
    expect(() => readOnnxModel(MODEL.subarray(0, MODEL.length - missing)).outline).toThrow();
  });
});

/** Bytes of a message: its fields by number; numbers, texts and messages. */
function message(
  ...fields: readonly (readonly [number, number | string | Uint8Array])[]
): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === 'number') writer.tag(number, WireType.Varint).int32(value);
    else if (typeof value === 'string') writer.tag(number, WireType.LengthDelimited).string(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

describe('weights that are hidden in another file', () => {
  const location = message([13, message([1, 'location'], [2, 'secret'])]);
  const tensor = new Uint8Array([...location, ...message([2, 1], [8, 'w'], [14, 1])]);
  const graph = encodeOnnxModel({ graph: AFFINE.graph });
  const constant = message([4, 'Constant'], [2, 'y'], [5, message([1, 'value'], [5, tensor])]);

  it.each([
    ['a second graph', [...message([7, message([5, tensor])]), ...graph]],
    ['a function', [...graph, ...message([25, message([1, 'f'], [7, constant])])]],
    ['an attribute that comes twice', attributeTwice()],
    ['a sparse weight', [...graph, ...message([7, message([15, message([1, tensor])])])]],
    ['a sparse attribute', inAttribute(message([22, message([2, tensor])]))],
    ['a list of sparse attributes', inAttribute(message([23, message([1, tensor])]))],
    ['a branch', inAttribute(message([6, message([5, tensor])]))],
    ['a list of branches', inAttribute(message([11, message([1, constant])]))],
    ['a list of tensors', inAttribute(message([10, tensor]))],
    ['a place that is told twice', twice([14, 0], [14, 1])],
    ['a place that is taken back', twice([14, 1], [14, 0])],
    ['a number with too many bytes', [...graph, ...overlong()]],
  ])('is found in %s', (_, bytes) => {
    const model = new Uint8Array(bytes);
    expect(readOnnxModel(model).outline.externalFiles).toEqual(['secret']);
    expect(() => readOnnxModel(model).embed(new Map())).toThrow('its file secret is not here');
  });

  function inAttribute(attribute: Uint8Array): number[] {
    const node = message([4, 'X'], [5, attribute]);
    return [...graph, ...message([7, message([1, node])])];
  }

  function attributeTwice(): number[] {
    const harmless = message([5, message([2, 1], [8, 'w'])]);
    return inAttribute(new Uint8Array([...message([5, tensor]), ...harmless]));
  }

  function twice(...places: readonly (readonly [number, number])[]): number[] {
    const weight = new Uint8Array([...location, ...message([8, 'w'], ...places)]);
    return [...graph, ...message([7, message([5, weight])])];
  }

  /** The tag of the place and its value, each in more bytes than they need. */
  function overlong(): Uint8Array {
    const place = [0xf0, 0x80, 0x80, 0x00, 0x81, 0x80, 0x80, 0x80, 0x00];
    const weight = new Uint8Array([...location, ...message([8, 'w']), ...place]);
    return message([7, message([5, weight])]);
  }

  it('does not reach the runtime in fields that nobody reads', () => {
    const odd = new Uint8Array([...graph, ...message([20, message([1, message([5, tensor])])])]);
    expect(readOnnxModel(odd).outline.externalFiles).toEqual([]);
    expect(Buffer.from(readOnnxModel(odd).embed(new Map())).includes('secret')).toBe(false);
  });
});

describe('embedding weights', () => {
  it('takes weights off the inputs and leaves all else', () => {
    const made = readOnnxModel(MODEL).embed(new Map());
    const model = decodeOnnxModel(MODEL);
    model.graph!.input = model.graph!.input.filter(({ name }) => name !== 'a');
    expect(made).toEqual(encodeOnnxModel(model));
    expect(readOnnxModel(made).embed(new Map())).toEqual(made);
  });

  it('puts values of other files in their places', () => {
    const { model, weights } = withExternalWeights(MODEL, 'b.data');
    const made = readOnnxModel(model).embed(new Map([['b.data', weights]]));
    expect(decodeOnnxModel(made).graph!.initializer).toEqual(
      decodeOnnxModel(MODEL).graph!.initializer,
    );
    expect(readOnnxModel(made).outline.externalFiles).toEqual([]);
  });

  it('reads nothing beyond a file', () => {
    const { model, weights } = withExternalWeights(MODEL, 'b.data');
    const short = new Map([['b.data', weights.subarray(1)]]);
    expect(() => readOnnxModel(model).embed(short)).toThrow(
      'tensor b: expected bytes 0 to 1600 of b.data, which has 1599',
    );
    const other = new Map([['c.data', weights]]);
    expect(() => readOnnxModel(model).embed(other)).toThrow(
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
