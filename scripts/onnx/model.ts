import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type Attribute,
  AttributeSchema,
  AttributeType,
  type Entry,
  EntrySchema,
  type Model,
  ModelSchema,
  type Node,
  NodeSchema,
  type Tensor,
  TensorSchema,
  type ValueInfo,
  ValueInfoSchema,
} from '../../src/formats/onnx.generated.js';
import { OnnxDataType } from '../../src/formats/onnx.js';

export type { Node as OnnxNode, Tensor as OnnxTensor };
export type OnnxModel = MessageInitShape<typeof ModelSchema>;

/** The bytes of an `.onnx` file; the same model always gives the same bytes. */
export function encodeOnnxModel(model: OnnxModel): Uint8Array {
  return toBinary(ModelSchema, create(ModelSchema, model));
}

/** The model in the bytes of an `.onnx` file. @throws Error where they are no protobuf message */
export function decodeOnnxModel(bytes: Uint8Array): Model {
  return fromBinary(ModelSchema, bytes);
}

/** A model's metadata, or where a tensor's values lie. */
export function onnxEntries(entries: Readonly<Record<string, string>>): Entry[] {
  return Object.entries(entries).map(([key, value]) => create(EntrySchema, { key, value }));
}

/** What {@link onnxNode} takes as an attribute. Bare numbers are integers, as ONNX tells the two apart. */
export type OnnxAttributeValue = number | readonly number[] | string | { readonly float: number };

/** Elements of a tensor by their type. */
interface Elements {
  readonly float32: Float32Array;
  readonly int64: readonly number[];
}

/**
 * An initialiser with raw, little-endian values. `dims` must hold as many elements as `data`.
 * @throws {RangeError} when they do not
 */
export function onnxTensor<K extends keyof Elements>(
  name: string,
  type: K,
  dims: readonly number[],
  data: Elements[K],
): Tensor {
  const count = dims.reduce((product, size) => product * size, 1);
  if (count !== data.length) {
    throw new RangeError(`tensor ${name}: [${dims}] holds ${count} elements, got ${data.length}`);
  }
  const rawData = new Uint8Array(count * (type === 'int64' ? 8 : 4));
  const view = new DataView(rawData.buffer);
  data.forEach((element, index) => {
    if (type === 'int64') view.setBigInt64(index * 8, BigInt(element), true);
    else view.setFloat32(index * 4, element, true);
  });
  const dataType = OnnxDataType[type];
  return create(TensorSchema, { name, dataType, dims: dims.map(BigInt), rawData });
}

/**
 * A node of ONNX's own operator set, named after its first output.
 * @example onnxNode('Clip', ['x', 'low', 'high'], ['y'])
 * @example onnxNode('HardSigmoid', ['x'], ['y'], { alpha: { float: 1 / 6 } })
 * @throws {TypeError} when a bare number is no integer
 */
export function onnxNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, OnnxAttributeValue>> = {},
): Node {
  return create(NodeSchema, {
    opType,
    name: output[0] ?? '',
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  });
}

function attribute(name: string, value: OnnxAttributeValue): Attribute {
  const integer = (item: number): bigint => {
    if (Number.isSafeInteger(item)) return BigInt(item);
    throw new TypeError(
      `attribute ${name}: expected an integer, got ${item}; wrap a fraction as {float}`,
    );
  };
  if (typeof value === 'number') {
    return create(AttributeSchema, { name, i: integer(value), type: AttributeType.INT });
  }
  if (typeof value === 'string') {
    const s = new TextEncoder().encode(value);
    return create(AttributeSchema, { name, s, type: AttributeType.STRING });
  }
  return 'float' in value
    ? create(AttributeSchema, { name, f: value.float, type: AttributeType.FLOAT })
    : create(AttributeSchema, { name, ints: value.map(integer), type: AttributeType.INTS });
}

/**
 * What a graph's input or output is; a dimension given as a name is known at run time only.
 * @example onnxValueInfo('images', 'uint8', ['batch', 512, 512, 3])
 */
export function onnxValueInfo(
  name: string,
  type: keyof typeof OnnxDataType,
  dims: readonly (number | string)[],
): ValueInfo {
  const dim = dims.map((size) =>
    typeof size === 'number'
      ? ({ value: { case: 'dimValue', value: BigInt(size) } } as const)
      : ({ value: { case: 'dimParam', value: size } } as const),
  );
  const tensor = { elemType: OnnxDataType[type], shape: { dim } };
  return create(ValueInfoSchema, { name, type: { value: { case: 'tensorType', value: tensor } } });
}
