import {
  type OnnxAttribute,
  OnnxAttributeType,
  OnnxDataType,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from './onnx.js';

/** A float attribute. Bare numbers are integers, as ONNX tells the two apart. */
interface OnnxFloats {
  readonly floats: number | readonly number[];
}

/** What {@link onnxNode} takes as an attribute; bare numbers are integers. */
export type OnnxAttributeValue =
  | number
  | readonly number[]
  | string
  | readonly string[]
  | OnnxFloats
  | OnnxTensor;

/** A tensor's elements by element type. */
export interface OnnxTypedData {
  readonly float32: Float32Array;
  readonly uint8: Uint8Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array | readonly number[];
  readonly bool: Uint8Array;
}

const ELEMENT_BYTES: Readonly<Record<keyof OnnxTypedData, number>> = {
  float32: 4,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

/**
 * An initialiser with raw, little-endian values. `dims` must hold as many elements as `data`.
 * @throws {RangeError} when they do not
 */
export function onnxTensor<K extends keyof OnnxTypedData>(
  name: string,
  type: K,
  dims: readonly number[],
  data: OnnxTypedData[K],
): OnnxTensor {
  const held = dims.reduce((product, size) => product * size, 1);
  if (held !== data.length) {
    throw new RangeError(`tensor ${name}: [${dims}] holds ${held} elements, got ${data.length}`);
  }
  return { dims: [...dims], dataType: OnnxDataType[type], name, rawData: littleEndian(type, data) };
}

function littleEndian<K extends keyof OnnxTypedData>(type: K, data: OnnxTypedData[K]): Uint8Array {
  const bytes = new Uint8Array(data.length * ELEMENT_BYTES[type]);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < data.length; i++) {
    const element = data[i] ?? 0;
    if (typeof element === 'bigint' || type === 'int64') {
      view.setBigInt64(i * 8, BigInt(element), true);
    } else if (type === 'float32') {
      view.setFloat32(i * 4, element, true);
    } else if (type === 'int32') {
      view.setInt32(i * 4, element, true);
    } else {
      bytes[i] = element;
    }
  }
  return bytes;
}

/**
 * A node of ONNX's own operator set, named after its first output.
 * @example onnxNode('Clip', ['x', 'low', 'high'], ['y'])
 * @example onnxNode('HardSigmoid', ['x'], ['y'], { alpha: { floats: 1 / 6 } })
 * @throws {TypeError} when a bare number is no integer
 */
export function onnxNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, OnnxAttributeValue>> = {},
): OnnxNode {
  return {
    input: [...input],
    output: [...output],
    name: output[0] ?? '',
    opType,
    attribute: Object.entries(attributes).map(([name, value]) => onnxAttribute(name, value)),
  };
}

function onnxAttribute(name: string, value: OnnxAttributeValue): OnnxAttribute {
  if (typeof value === 'number') {
    return { name, i: integer(name, value), type: OnnxAttributeType.int };
  }
  if (typeof value === 'string') {
    return { name, s: new TextEncoder().encode(value), type: OnnxAttributeType.string };
  }
  if (isStrings(value)) {
    const encoder = new TextEncoder();
    return {
      name,
      strings: value.map((text) => encoder.encode(text)),
      type: OnnxAttributeType.strings,
    };
  }
  if (isNumbers(value)) {
    return { name, ints: value.map((item) => integer(name, item)), type: OnnxAttributeType.ints };
  }
  if (!('floats' in value)) return { name, t: value as OnnxTensor, type: OnnxAttributeType.tensor };
  return typeof value.floats === 'number'
    ? { name, f: value.floats, type: OnnxAttributeType.float }
    : { name, floats: [...value.floats], type: OnnxAttributeType.floats };
}

function integer(name: string, value: number): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new TypeError(
    `attribute ${name}: expected an integer, got ${value}; wrap floats as {floats}`,
  );
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value);
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && typeof value[0] === 'string';
}

/**
 * What a graph's input or output is; a dimension given as a name is known at run time only.
 * @example onnxValueInfo('images', 'uint8', ['batch', 512, 512, 3])
 */
export function onnxValueInfo(
  name: string,
  type: keyof typeof OnnxDataType,
  dims: readonly (number | string)[],
): OnnxValueInfo {
  const dim = dims.map((size) =>
    typeof size === 'number' ? { dimValue: size } : { dimParam: size },
  );
  return { name, type: { tensorType: { elemType: OnnxDataType[type], shape: { dim } } } };
}
