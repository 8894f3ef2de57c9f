import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * ONNX models as plain values: the messages of onnx.proto that inference uses. Sparse tensors, quantisation annotations,
 * training info and model-local functions are not read.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */

/** TensorProto.DataType */
export const OnnxDataType = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;

/** AttributeProto.AttributeType */
export const OnnxAttributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;

/** TensorProto: row-major, little-endian values in `rawData` or in one of the typed lists. */
export interface OnnxTensor {
  readonly dims?: readonly number[];
  /** One of {@link OnnxDataType}. */
  readonly dataType?: number;
  readonly floatData?: readonly number[];
  readonly int32Data?: readonly number[];
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: readonly bigint[];
  readonly name?: string;
  readonly rawData?: Uint8Array;
  readonly doubleData?: readonly number[];
  readonly uint64Data?: readonly bigint[];
  readonly docString?: string;
  /** Keys such as `location` and `offset` of values that lie in another file. */
  readonly externalData?: readonly OnnxEntry[];
  /** 1 where the values lie in another file. */
  readonly dataLocation?: number;
}

/** StringStringEntryProto */
interface OnnxEntry {
  readonly key?: string;
  readonly value?: string;
}

/** AttributeProto: the value lies in the field that `type` names. */
export interface OnnxAttribute {
  readonly name?: string;
  readonly f?: number;
  readonly i?: bigint;
  /** UTF-8 */
  readonly s?: Uint8Array;
  readonly t?: OnnxTensor;
  readonly g?: OnnxGraph;
  readonly floats?: readonly number[];
  readonly ints?: readonly bigint[];
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly OnnxTensor[];
  readonly graphs?: readonly OnnxGraph[];
  readonly docString?: string;
  /** One of {@link OnnxAttributeType}. */
  readonly type?: number;
}

/** NodeProto. An optional input that is left out is an empty string. */
export interface OnnxNode {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly attribute?: readonly OnnxAttribute[];
  readonly docString?: string;
  readonly domain?: string;
}

/** TensorShapeProto.Dimension: a size, a name for a size known at run time, or neither. */
interface OnnxDimension {
  readonly dimValue?: number;
  readonly dimParam?: string;
}

interface OnnxTensorShape {
  readonly dim?: readonly OnnxDimension[];
}

interface OnnxTensorType {
  /** One of {@link OnnxDataType}. */
  readonly elemType?: number;
  readonly shape?: OnnxTensorShape;
}

/** TypeProto, tensors only. */
interface OnnxType {
  readonly tensorType?: OnnxTensorType;
}

/** ValueInfoProto */
export interface OnnxValueInfo {
  readonly name?: string;
  readonly type?: OnnxType;
  readonly docString?: string;
}

/** GraphProto: nodes in topological order. */
export interface OnnxGraph {
  readonly node?: readonly OnnxNode[];
  readonly name?: string;
  readonly initializer?: readonly OnnxTensor[];
  readonly docString?: string;
  readonly input?: readonly OnnxValueInfo[];
  readonly output?: readonly OnnxValueInfo[];
  readonly valueInfo?: readonly OnnxValueInfo[];
}

/** OperatorSetIdProto: the empty domain is ONNX's own. */
interface OnnxOpset {
  readonly domain?: string;
  readonly version?: number;
}

/** ModelProto */
export interface OnnxModel {
  readonly irVersion?: number;
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: number;
  readonly docString?: string;
  readonly graph?: OnnxGraph;
  readonly opsetImport?: readonly OnnxOpset[];
  readonly metadataProps?: readonly OnnxEntry[];
}

const ENTRY: MessageTable<OnnxEntry> = {
  key: { number: 1, kind: 'string' },
  value: { number: 2, kind: 'string' },
};

const TENSOR: MessageTable<OnnxTensor> = {
  dims: { number: 1, kind: 'int', repeated: true },
  dataType: { number: 2, kind: 'int' },
  floatData: { number: 4, kind: 'float', repeated: true },
  int32Data: { number: 5, kind: 'int', repeated: true },
  stringData: { number: 6, kind: 'bytes', repeated: true },
  int64Data: { number: 7, kind: 'long', repeated: true },
  name: { number: 8, kind: 'string' },
  rawData: { number: 9, kind: 'bytes' },
  doubleData: { number: 10, kind: 'double', repeated: true },
  uint64Data: { number: 11, kind: 'ulong', repeated: true },
  docString: { number: 12, kind: 'string' },
  externalData: { number: 13, kind: 'message', repeated: true, table: () => ENTRY },
  dataLocation: { number: 14, kind: 'int' },
};

const ATTRIBUTE: MessageTable<OnnxAttribute> = {
  name: { number: 1, kind: 'string' },
  f: { number: 2, kind: 'float' },
  i: { number: 3, kind: 'long' },
  s: { number: 4, kind: 'bytes' },
  t: { number: 5, kind: 'message', table: () => TENSOR },
  g: { number: 6, kind: 'message', table: () => GRAPH },
  floats: { number: 7, kind: 'float', repeated: true },
  ints: { number: 8, kind: 'long', repeated: true },
  strings: { number: 9, kind: 'bytes', repeated: true },
  tensors: { number: 10, kind: 'message', repeated: true, table: () => TENSOR },
  graphs: { number: 11, kind: 'message', repeated: true, table: () => GRAPH },
  docString: { number: 13, kind: 'string' },
  type: { number: 20, kind: 'int' },
};

const NODE: MessageTable<OnnxNode> = {
  input: { number: 1, kind: 'string', repeated: true },
  output: { number: 2, kind: 'string', repeated: true },
  name: { number: 3, kind: 'string' },
  opType: { number: 4, kind: 'string' },
  attribute: { number: 5, kind: 'message', repeated: true, table: () => ATTRIBUTE },
  docString: { number: 6, kind: 'string' },
  domain: { number: 7, kind: 'string' },
};

const DIMENSION: MessageTable<OnnxDimension> = {
  dimValue: { number: 1, kind: 'int' },
  dimParam: { number: 2, kind: 'string' },
};

const TENSOR_SHAPE: MessageTable<OnnxTensorShape> = {
  dim: { number: 1, kind: 'message', repeated: true, table: () => DIMENSION },
};

const TENSOR_TYPE: MessageTable<OnnxTensorType> = {
  elemType: { number: 1, kind: 'int' },
  shape: { number: 2, kind: 'message', table: () => TENSOR_SHAPE },
};

const TYPE: MessageTable<OnnxType> = {
  tensorType: { number: 1, kind: 'message', table: () => TENSOR_TYPE },
};

const VALUE_INFO: MessageTable<OnnxValueInfo> = {
  name: { number: 1, kind: 'string' },
  type: { number: 2, kind: 'message', table: () => TYPE },
  docString: { number: 3, kind: 'string' },
};

const GRAPH: MessageTable<OnnxGraph> = {
  node: { number: 1, kind: 'message', repeated: true, table: () => NODE },
  name: { number: 2, kind: 'string' },
  initializer: { number: 5, kind: 'message', repeated: true, table: () => TENSOR },
  docString: { number: 10, kind: 'string' },
  input: { number: 11, kind: 'message', repeated: true, table: () => VALUE_INFO },
  output: { number: 12, kind: 'message', repeated: true, table: () => VALUE_INFO },
  valueInfo: { number: 13, kind: 'message', repeated: true, table: () => VALUE_INFO },
};

const OPSET: MessageTable<OnnxOpset> = {
  domain: { number: 1, kind: 'string' },
  version: { number: 2, kind: 'int' },
};

const MODEL: MessageTable<OnnxModel> = {
  irVersion: { number: 1, kind: 'int' },
  producerName: { number: 2, kind: 'string' },
  producerVersion: { number: 3, kind: 'string' },
  domain: { number: 4, kind: 'string' },
  modelVersion: { number: 5, kind: 'int' },
  docString: { number: 6, kind: 'string' },
  graph: { number: 7, kind: 'message', table: () => GRAPH },
  opsetImport: { number: 8, kind: 'message', repeated: true, table: () => OPSET },
  metadataProps: { number: 14, kind: 'message', repeated: true, table: () => ENTRY },
};

/** One initialiser as it lies in a graph. @throws {ProtobufError} */
export function decodeOnnxTensor(bytes: Uint8Array): OnnxTensor {
  return decodeMessage(bytes, TENSOR);
}

/** The bytes of one initialiser. */
export function encodeOnnxTensor(tensor: OnnxTensor): Uint8Array {
  return encodeMessage(tensor, TENSOR);
}

/** The model as the bytes of an `.onnx` file; the same model always gives the same bytes. */
export function encodeOnnxModel(model: OnnxModel): Uint8Array {
  return encodeMessage(model, MODEL);
}

/**
 * The model in the bytes of an `.onnx` file. Repeated fields are always present; `rawData` are views of `bytes`.
 * @throws {ProtobufError} when the bytes are cut short, are no protobuf message, or hold no graph
 */
export function decodeOnnxModel(bytes: Uint8Array): OnnxModel {
  const model = decodeMessage(bytes, MODEL);
  if (model.graph === undefined) throw new ProtobufError('graph: expected an ONNX graph, got none');
  return model;
}

/**
 * How one field lies on the wire. `int` is a signed 64-bit varint as a number, which must be a safe integer; `long` is the
 * same as a bigint, and `ulong` its unsigned form. `message` names the table of the nested message.
 */
type FieldKind = 'int' | 'long' | 'ulong' | 'float' | 'double' | 'string' | 'bytes' | 'message';

interface FieldShape {
  readonly number: number;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
  /** A function, so that tables may refer to each other in a circle. */
  readonly table?: () => AnyTable;
}

type AnyTable = Readonly<Record<string, FieldShape>>;

/**
 * The fields of a message type, by the key of the value that holds them. Every key must be listed.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export type MessageTable<T> = { readonly [K in keyof T]-?: FieldShape };

/** Bytes that are not the message they are taken for: cut short, wrong wire type, a number beyond 2^53. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const SCALAR_WIRE: Readonly<Record<FieldKind, WireType>> = {
  int: WireType.Varint,
  long: WireType.Varint,
  ulong: WireType.Varint,
  float: WireType.Bit32,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
  message: WireType.LengthDelimited,
};

/** Nested messages deeper than this are taken for an attack on the stack. */
const MAX_DEPTH = 64;

/**
 * The message as bytes. Fields come in the order of the table, repeated numbers are packed, undefined fields and empty lists
 * are left out: the same value always gives the same bytes. A zero is written, as presence has a meaning of its own.
 * @throws {ProtobufError} when an integer is not one
 */
function encodeMessage<T extends object>(value: T, table: MessageTable<T>): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, value as Record<string, unknown>, table as AnyTable);
  return writer.finish();
}

/**
 * The value in the bytes. Repeated fields that are absent are empty, single ones are left out of the object. Unknown fields
 * are skipped. `bytes` fields are views of the input.
 * @throws {ProtobufError} with the place in the message, such as `graph.node[3].name`
 */
export function decodeMessage<T extends object>(bytes: Uint8Array, table: MessageTable<T>): T {
  return readFields(bytes, table as AnyTable, '', 0) as T;
}

function writeFields(writer: BinaryWriter, value: Record<string, unknown>, table: AnyTable): void {
  for (const [key, field] of Object.entries(table)) {
    const held = value[key];
    if (held === undefined) continue;
    if (!field.repeated) {
      writeTagged(writer, field, held);
    } else if (isPackable(field.kind)) {
      writePacked(writer, field, held as readonly unknown[]);
    } else {
      for (const item of held as readonly unknown[]) writeTagged(writer, field, item);
    }
  }
}

function isPackable(kind: FieldKind): boolean {
  return kind !== 'string' && kind !== 'bytes' && kind !== 'message';
}

function writePacked(writer: BinaryWriter, field: FieldShape, items: readonly unknown[]): void {
  if (items.length === 0) return;
  writer.tag(field.number, WireType.LengthDelimited).fork();
  for (const item of items) writeBare(writer, field, item);
  writer.join();
}

function writeTagged(writer: BinaryWriter, field: FieldShape, value: unknown): void {
  writer.tag(field.number, SCALAR_WIRE[field.kind]);
  writeBare(writer, field, value);
}

function writeBare(writer: BinaryWriter, { kind, table }: FieldShape, value: unknown): void {
  switch (kind) {
    case 'int':
      if (!Number.isSafeInteger(value))
        throw new ProtobufError(`expected an integer, got ${value}`);
      writer.int64(value as number);
      break;
    case 'long':
      writer.int64(value as bigint);
      break;
    case 'ulong':
      writer.uint64(value as bigint);
      break;
    case 'float':
      writer.float(value as number);
      break;
    case 'double':
      writer.double(value as number);
      break;
    case 'string':
      writer.string(value as string);
      break;
    case 'bytes':
      writer.bytes(value as Uint8Array);
      break;
    case 'message':
      writer.fork();
      writeFields(writer, value as Record<string, unknown>, table?.() ?? {});
      writer.join();
  }
}

function readFields(
  bytes: Uint8Array,
  table: AnyTable,
  place: string,
  depth: number,
): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new ProtobufError(`${place}: nested more than ${MAX_DEPTH} deep`);
  const value: Record<string, unknown> = {};
  const byNumber = new Map<number, readonly [string, FieldShape]>();
  for (const [key, field] of Object.entries(table)) {
    byNumber.set(field.number, [key, field]);
    if (field.repeated) value[key] = [];
  }
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = located(place || 'message', () => reader.tag());
    const entry = byNumber.get(number);
    if (entry === undefined) {
      located(place || 'message', () => reader.skip(wire, number));
      continue;
    }
    const [key, field] = entry;
    const list = field.repeated ? (value[key] as unknown[]) : undefined;
    const path = `${place && `${place}.`}${key}${list ? `[${list.length}]` : ''}`;
    const items = located(path, () => readField(reader, field, wire, path, depth));
    if (list === undefined) value[key] = items.at(-1);
    else for (const item of items) list.push(item);
  }
  return value;
}

/** One value, or all those of a packed run. */
function readField(
  reader: BinaryReader,
  field: FieldShape,
  wire: WireType,
  path: string,
  depth: number,
): unknown[] {
  if (wire === SCALAR_WIRE[field.kind]) return [readBare(reader, field, path, depth)];
  if (wire !== WireType.LengthDelimited || !field.repeated || !isPackable(field.kind)) {
    throw new ProtobufError(`${path}: expected wire type ${SCALAR_WIRE[field.kind]}, got ${wire}`);
  }
  const run = new BinaryReader(reader.bytes());
  const items: unknown[] = [];
  while (run.pos < run.len) items.push(readBare(run, field, path, depth));
  return items;
}

function readBare(
  reader: BinaryReader,
  { kind, table }: FieldShape,
  path: string,
  depth: number,
): unknown {
  switch (kind) {
    case 'int': {
      const number = Number(reader.int64());
      if (Number.isSafeInteger(number)) return number;
      throw new ProtobufError(`${path}: expected an integer below 2^53, got ${number}`);
    }
    case 'long':
      return BigInt(reader.int64());
    case 'ulong':
      return BigInt(reader.uint64());
    case 'float':
      return reader.float();
    case 'double':
      return reader.double();
    case 'string':
      return reader.string();
    case 'bytes':
      return reader.bytes();
    case 'message':
      return readFields(reader.bytes(), table?.() ?? {}, path, depth + 1);
  }
}

/** Runs a read, and says where it failed. */
function located<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtobufError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProtobufError(`${place}: ${reason}`, { cause: error });
  }
}
