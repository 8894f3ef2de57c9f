import { decodeMessage, encodeMessage, type MessageTable, ProtobufError } from './protobuf.js';

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
