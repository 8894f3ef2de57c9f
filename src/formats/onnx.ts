import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * What an ONNX file says of itself, without its weights: only names, shapes and references are read, so that a file of any
 * size is looked through in milliseconds.
 */
export interface OnnxOutline {
  /** Version of ONNX's own operator set; 0 where the file names none. */
  readonly opset: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What must be fed; initialisers that the graph lists among its inputs are left out. */
  readonly inputs: readonly TensorPort[];
  readonly outputs: readonly TensorPort[];
  /** Initialisers that are listed as inputs too, which keeps a runtime from treating them as constants. */
  readonly overridable: readonly string[];
  /** Weights in other files: the paths as the file gives them. */
  readonly externalFiles: readonly string[];
  readonly operators: ReadonlySet<string>;
}

/** An input or output: dimensions are sizes, or the name of a size known at run time. */
export interface TensorPort {
  readonly name: string;
  /** As the runtime calls it, such as `float32`. */
  readonly type: string;
  readonly dims: readonly (number | string)[];
}

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

const TYPE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(OnnxDataType).map(([name, number]) => [number, name]),
);

/**
 * How a field lies on the wire: `int` is a signed 64-bit varint that must be a safe integer; a function gives the fields of a
 * nested message, late, since graphs hold nodes that hold graphs.
 */
type Kind = 'int' | 'string' | (() => Fields);

interface Field<K extends Kind = Kind, L extends boolean = boolean> {
  readonly number: number;
  readonly kind: K;
  readonly isList: L;
}

/** The fields of a message that are read, by the name under which their values are kept; all others are skipped. */
interface Fields {
  readonly [name: string]: Field;
}

/** The value of a message: a list that is absent is empty. */
type Value<F> = {
  readonly [Name in keyof F]: F[Name] extends Field<infer K, infer L>
    ? L extends true
      ? readonly Item<K>[]
      : Item<K> | undefined
    : never;
};

type Item<K> = K extends 'int'
  ? number
  : K extends 'string'
    ? string
    : K extends () => infer F
      ? Value<F>
      : never;

const one = <K extends Kind>(number: number, kind: K): Field<K, false> => ({
  number,
  kind,
  isList: false,
});
const list = <K extends Kind>(number: number, kind: K): Field<K, true> => ({
  number,
  kind,
  isList: true,
});

// Numbers as in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
const ENTRY = { key: one(1, 'string'), value: one(2, 'string') };
const TENSOR = {
  name: one(8, 'string'),
  externalData: list(13, () => ENTRY),
  dataLocation: one(14, 'int'),
};
const ATTRIBUTE = {
  t: one(5, () => TENSOR),
  g: one(6, (): GraphFields => GRAPH),
  tensors: list(10, () => TENSOR),
  graphs: list(11, (): GraphFields => GRAPH),
};
const NODE = { opType: one(4, 'string'), attribute: list(5, () => ATTRIBUTE) };
const DIMENSION = { dimValue: one(1, 'int'), dimParam: one(2, 'string') };
const SHAPE = { dim: list(1, () => DIMENSION) };
const TENSOR_TYPE = { elemType: one(1, 'int'), shape: one(2, () => SHAPE) };
const TYPE = { tensorType: one(1, () => TENSOR_TYPE) };
const VALUE_INFO = { name: one(1, 'string'), type: one(2, () => TYPE) };
const GRAPH = {
  node: list(1, () => NODE),
  initializer: list(5, () => TENSOR),
  input: list(11, () => VALUE_INFO),
  output: list(12, () => VALUE_INFO),
};
/** Of {@link GRAPH}, whose own type cannot be inferred in a circle. */
interface GraphFields extends Fields {
  readonly node: Field<() => typeof NODE, true>;
  readonly initializer: Field<() => typeof TENSOR, true>;
  readonly input: Field<() => typeof VALUE_INFO, true>;
  readonly output: Field<() => typeof VALUE_INFO, true>;
}
const OPSET = { domain: one(1, 'string'), version: one(2, 'int') };
const MODEL = {
  graph: one(7, () => GRAPH),
  opsetImport: list(8, () => OPSET),
  metadataProps: list(14, () => ENTRY),
};

/** Bytes that are no ONNX model: cut short, of the wrong wire type, a number beyond 2^53. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** @throws {ProtobufError} when the bytes are cut short, are no protobuf message, or hold no graph */
export function outlineOnnxModel(bytes: Uint8Array): OnnxOutline {
  const { graph, opsetImport, metadataProps } = readMessage(bytes, MODEL);
  if (graph === undefined) throw new ProtobufError('graph: expected an ONNX graph, got none');
  const weights = new Set(graph.initializer.map(({ name = '' }) => name));
  const inputs = graph.input.map(portOf);
  const own = opsetImport.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  const files = new Set<string>();
  const operators = new Set<string>();
  collect(graph, files, operators);
  return {
    opset: own?.version ?? 0,
    metadata: Object.fromEntries(metadataProps.map(({ key = '', value = '' }) => [key, value])),
    inputs: inputs.filter(({ name }) => !weights.has(name)),
    outputs: graph.output.map(portOf),
    overridable: inputs.map(({ name }) => name).filter((name) => weights.has(name)),
    externalFiles: [...files],
    operators,
  };
}

function portOf({ name = '', type }: Value<typeof VALUE_INFO>): TensorPort {
  const tensor = type?.tensorType;
  return {
    name,
    type: TYPE_NAMES[tensor?.elemType ?? 0] ?? 'other',
    dims: (tensor?.shape?.dim ?? []).map(({ dimValue, dimParam }) => dimValue ?? dimParam ?? '?'),
  };
}

/** Adds the files and operators that a graph and the graphs in its nodes name. */
function collect(graph: Value<GraphFields>, files: Set<string>, operators: Set<string>): void {
  const addFile = (tensor: Value<typeof TENSOR>): void => {
    const file = externalFileOf(tensor);
    if (file !== undefined) files.add(file);
  };
  graph.initializer.forEach(addFile);
  for (const { opType = '', attribute } of graph.node) {
    operators.add(opType);
    for (const { t, tensors, g, graphs } of attribute) {
      if (t) addFile(t);
      tensors.forEach(addFile);
      for (const inner of g ? [g, ...graphs] : graphs) collect(inner, files, operators);
    }
  }
}

/** The file that holds a tensor's values; undefined where they lie in the tensor itself. */
function externalFileOf(tensor: Value<typeof TENSOR>): string | undefined {
  if (tensor.dataLocation !== 1) return undefined;
  return tensor.externalData.find(({ key }) => key === 'location')?.value ?? '';
}

/** Nested messages deeper than this are taken for an attack on the stack. */
const MAX_DEPTH = 64;

/**
 * The value in the bytes. Of a single field that comes twice the last one counts.
 * @throws {ProtobufError} with the path in the message, such as `graph.node[3].name`
 * @see https://protobuf.dev/programming-guides/encoding/
 */
function readMessage<F extends object>(bytes: Uint8Array, fields: F): Value<F> {
  return readFields(bytes, fields as unknown as Fields, '', 0) as Value<F>;
}

function readFields(bytes: Uint8Array, fields: Fields, path: string, depth: number): object {
  if (depth > MAX_DEPTH) throw new ProtobufError(`${path}: nested more than ${MAX_DEPTH} deep`);
  const value: Record<string, unknown> = {};
  const byNumber = new Map<number, readonly [string, Field]>();
  for (const [name, field] of Object.entries(fields)) {
    byNumber.set(field.number, [name, field]);
    if (field.isList) value[name] = [];
  }
  const reader = new BinaryReader(bytes);
  let at = path || 'message';
  try {
    while (reader.pos < reader.len) {
      at = path || 'message';
      const [number, wire] = reader.tag();
      const entry = byNumber.get(number);
      if (entry === undefined) {
        reader.skip(wire, number);
        continue;
      }
      const [name, { kind, isList }] = entry;
      const items = value[name] as unknown[];
      at = `${path && `${path}.`}${name}${isList ? `[${items.length}]` : ''}`;
      const item = readItem(reader, kind, wire, at, depth);
      if (isList) items.push(item);
      else value[name] = item;
    }
  } catch (thrown) {
    if (thrown instanceof ProtobufError) throw thrown;
    throw new ProtobufError(`${at}: ${(thrown as Error).message}`, { cause: thrown });
  }
  return value;
}

function readItem(
  reader: BinaryReader,
  kind: Kind,
  wire: WireType,
  path: string,
  depth: number,
): unknown {
  const expected = kind === 'int' ? WireType.Varint : WireType.LengthDelimited;
  if (wire !== expected) {
    throw new ProtobufError(`${path}: expected wire type ${expected}, got ${wire}`);
  }
  if (kind === 'string') return reader.string();
  if (kind !== 'int') return readFields(reader.bytes(), kind(), path, depth + 1);
  const number = Number(reader.int64());
  if (Number.isSafeInteger(number)) return number;
  throw new ProtobufError(`${path}: expected an integer below 2^53, got ${number}`);
}

/**
 * The same model with its weights as constants within the file: initialisers are taken off the list of inputs, where they
 * keep a runtime from folding them into the operators around them, and values that lie in other files are put in. All other
 * bytes stay as they are.
 * @param overridable names of initialisers that are listed as inputs
 * @param external contents of the other files, by the path under which the model knows them
 * @throws {ProtobufError} when a tensor reaches beyond its file, or a file is missing
 */
export function embedWeights(
  bytes: Uint8Array,
  overridable: ReadonlySet<string>,
  external: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  return mapFields(bytes, (number, graph) => {
    if (number !== MODEL.graph.number) return 'keep';
    return mapFields(graph, (field, content) => {
      if (field === GRAPH.input.number) {
        return overridable.has(readMessage(content, VALUE_NAME).name ?? '') ? 'drop' : 'keep';
      }
      if (field !== GRAPH.initializer.number || external.size === 0) return 'keep';
      const tensor = readMessage(content, TENSOR);
      const file = externalFileOf(tensor);
      return file === undefined ? 'keep' : withValues(content, tensor, file, external);
    });
  });
}

const VALUE_NAME = { name: VALUE_INFO.name };
const TENSOR_RAW_DATA = 9;

/** A tensor with its values, which lie in `file`, in place of the reference to them. */
function withValues(
  bytes: Uint8Array,
  { name = '', externalData }: Value<typeof TENSOR>,
  file: string,
  external: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  const number = (key: string): number | undefined => {
    const text = externalData.find((entry) => entry.key === key)?.value;
    return text === undefined ? undefined : Number(text);
  };
  const values = external.get(file);
  if (values === undefined) {
    throw new ProtobufError(`tensor ${name}: its file ${file} is not here`);
  }
  const offset = number('offset') ?? 0;
  const length = number('length') ?? values.length - offset;
  if (!(offset >= 0 && length >= 0 && offset + length <= values.length)) {
    throw new ProtobufError(
      `tensor ${name}: expected bytes ${offset} to ${offset + length} of ${file}, which has ${values.length}`,
    );
  }
  const reference: readonly number[] = [TENSOR.externalData.number, TENSOR.dataLocation.number];
  const bare = mapFields(bytes, (field) => (reference.includes(field) ? 'drop' : 'keep'));
  return new BinaryWriter()
    .raw(bare)
    .tag(TENSOR_RAW_DATA, WireType.LengthDelimited)
    .bytes(values.subarray(offset, offset + length))
    .finish();
}

/** Rewrites, drops or copies each field of a message. `content` is empty for a number, which is not to be rewritten. */
function mapFields(
  bytes: Uint8Array,
  change: (number: number, content: Uint8Array) => Uint8Array | 'keep' | 'drop',
): Uint8Array {
  const writer = new BinaryWriter();
  const reader = new BinaryReader(bytes);
  // Fields that stay are copied in runs.
  let from = 0;
  const copyTo = (end: number): void => {
    if (end > from) writer.raw(bytes.subarray(from, end));
  };
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wire] = reader.tag();
    const isNested = wire === WireType.LengthDelimited;
    const content = isNested ? reader.bytes() : new Uint8Array();
    if (!isNested) reader.skip(wire, number);
    const changed = change(number, content);
    if (changed === 'keep') continue;
    copyTo(start);
    from = reader.pos;
    if (changed !== 'drop') writer.tag(number, WireType.LengthDelimited).bytes(changed);
  }
  copyTo(bytes.length);
  return writer.finish();
}
