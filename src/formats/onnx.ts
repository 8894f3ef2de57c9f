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
 * The fields of a message that are read, by their numbers on the wire; all others are skipped. A list field has its number in
 * brackets.
 */
type Fields = Readonly<Record<string, number | readonly [number]>>;

// Numbers as in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
const ENTRY = { key: 1, value: 2 } as const;
const TENSOR = { name: 8, externalData: [13], dataLocation: 14 } as const;
const ATTRIBUTE = { t: 5, g: 6, tensors: [10], graphs: [11] } as const;
const NODE = { opType: 4, attribute: [5] } as const;
const DIMENSION = { dimValue: 1, dimParam: 2 } as const;
const SHAPE = { dim: [1] } as const;
const TENSOR_TYPE = { elemType: 1, shape: 2 } as const;
const TYPE = { tensorType: 1 } as const;
const VALUE_INFO = { name: 1, type: 2 } as const;
const GRAPH = { node: [1], initializer: [5], input: [11], output: [12] } as const;
const OPSET = { domain: 1, version: 2 } as const;
const MODEL = { graph: 7, opsetImport: [8], metadataProps: [14] } as const;

/** Bytes that are no ONNX model: cut short, of the wrong wire type, a number beyond 2^53. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** @throws {ProtobufError} when the bytes are cut short, are no protobuf message, or hold no graph */
export function outlineOnnxModel(bytes: Uint8Array): OnnxOutline {
  const model = new Message(bytes, MODEL);
  const graph = model.message('graph', GRAPH);
  if (graph === undefined) throw new ProtobufError('graph: expected an ONNX graph, got none');
  const opsets = model
    .list('opsetImport', OPSET)
    .map((opset) => ({ domain: opset.text('domain') ?? '', version: opset.integer('version') }));
  const metadata = model
    .list('metadataProps', ENTRY)
    .map((entry) => [entry.text('key') ?? '', entry.text('value') ?? '']);
  const inputs = graph.list('input', VALUE_INFO).map(portOf);
  const outputs = graph.list('output', VALUE_INFO).map(portOf);
  const weights = graph.list('initializer', TENSOR).map((tensor) => tensor.text('name') ?? '');
  const isWeight = new Set(weights);
  const files = new Set<string>();
  const operators = new Set<string>();
  collect(graph, files, operators);
  return {
    opset: opsets.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0,
    metadata: Object.fromEntries(metadata),
    inputs: inputs.filter(({ name }) => !isWeight.has(name)),
    outputs,
    overridable: inputs.map(({ name }) => name).filter((name) => isWeight.has(name)),
    externalFiles: [...files],
    operators,
  };
}

function portOf(info: Message<typeof VALUE_INFO>): TensorPort {
  const tensor = info.message('type', TYPE)?.message('tensorType', TENSOR_TYPE);
  const dims = tensor?.message('shape', SHAPE)?.list('dim', DIMENSION) ?? [];
  return {
    name: info.text('name') ?? '',
    type: TYPE_NAMES[tensor?.integer('elemType') ?? 0] ?? 'other',
    dims: dims.map((dim) => dim.integer('dimValue') ?? dim.text('dimParam') ?? '?'),
  };
}

/** Adds the files and operators that a graph and the graphs in its nodes name. */
function collect(graph: Message<typeof GRAPH>, files: Set<string>, operators: Set<string>): void {
  const addFile = (tensor: Message<typeof TENSOR> | undefined): void => {
    const file = tensor && externalFileOf(tensor);
    if (file !== undefined) files.add(file);
  };
  graph.list('initializer', TENSOR).forEach(addFile);
  for (const node of graph.list('node', NODE)) {
    operators.add(node.text('opType') ?? '');
    for (const attribute of node.list('attribute', ATTRIBUTE)) {
      addFile(attribute.message('t', TENSOR));
      attribute.list('tensors', TENSOR).forEach(addFile);
      const inner = attribute.message('g', GRAPH);
      if (inner) collect(inner, files, operators);
      for (const each of attribute.list('graphs', GRAPH)) collect(each, files, operators);
    }
  }
}

/** The file that holds a tensor's values; undefined where they are in the tensor itself. */
function externalFileOf(tensor: Message<typeof TENSOR>): string | undefined {
  return tensor.integer('dataLocation') === 1
    ? (referenceOf(tensor).get('location') ?? '')
    : undefined;
}

/** Where the values of a tensor are: `location`, `offset`, `length`. */
function referenceOf(tensor: Message<typeof TENSOR>): ReadonlyMap<string | undefined, string> {
  const entries = tensor.list('externalData', ENTRY);
  return new Map(entries.map((entry) => [entry.text('key'), entry.text('value') ?? '']));
}

/** Nested messages deeper than this are taken for an attack on the stack. */
const MAX_DEPTH = 64;

/**
 * A message whose fields are read when they are asked for. Of a single field that comes twice the last one counts; a list that
 * is absent is empty. All methods throw {@link ProtobufError} with the path in the message, such as `graph.node[3].name`.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
class Message<F extends Fields> {
  /** By the name of the field: its values as they are on the wire. */
  readonly #items = new Map<string, { readonly wire: WireType; readonly bytes: Uint8Array }[]>();
  readonly #path: string;
  readonly #depth: number;

  constructor(bytes: Uint8Array, fields: F, path = '', depth = 0) {
    if (depth > MAX_DEPTH) throw new ProtobufError(`${path}: nested more than ${MAX_DEPTH} deep`);
    this.#path = path;
    this.#depth = depth;
    const names = new Map(Object.entries(fields).map(([name, number]) => [Number(number), name]));
    const reader = new BinaryReader(bytes);
    let at = path || 'message';
    try {
      while (reader.pos < reader.len) {
        at = path || 'message';
        const [number, wire] = reader.tag();
        const name = names.get(number);
        if (name !== undefined) {
          const items = this.#items.get(name) ?? [];
          at = this.#pathOf(name, typeof fields[name] === 'number' ? undefined : items.length);
          items.push({ wire, bytes: reader.skip(wire, number) });
          this.#items.set(name, items);
        } else {
          reader.skip(wire, number);
        }
      }
    } catch (cause) {
      throw new ProtobufError(`${at}: ${(cause as Error).message}`, { cause });
    }
  }

  list<G extends Fields>(name: keyof F & string, fields: G): Message<G>[] {
    return (this.#items.get(name) ?? []).map((_, index) => this.#nested(name, fields, index));
  }

  message<G extends Fields>(name: keyof F & string, fields: G): Message<G> | undefined {
    return this.#items.has(name) ? this.#nested(name, fields) : undefined;
  }

  text(name: keyof F & string): string | undefined {
    return this.#read(name, WireType.LengthDelimited, (reader) => reader.string());
  }

  /** A signed 64-bit varint that must be a safe integer. */
  integer(name: keyof F & string): number | undefined {
    const number = this.#read(name, WireType.Varint, (reader) => Number(reader.int64()));
    if (number === undefined || Number.isSafeInteger(number)) return number;
    throw new ProtobufError(`${this.#pathOf(name)}: expected an integer below 2^53, got ${number}`);
  }

  #nested<G extends Fields>(name: string, fields: G, index?: number): Message<G> {
    const bytes = this.#read(name, WireType.LengthDelimited, (reader) => reader.bytes(), index);
    return new Message(bytes!, fields, this.#pathOf(name, index), this.#depth + 1);
  }

  /** @param index of the item in a list; absent for a single field */
  #read<T>(
    name: string,
    expected: WireType,
    read: (reader: BinaryReader) => T,
    index?: number,
  ): T | undefined {
    const item = this.#items.get(name)?.at(index ?? -1);
    if (item === undefined) return undefined;
    try {
      if (item.wire === expected) return read(new BinaryReader(item.bytes));
    } catch (cause) {
      throw new ProtobufError(`${this.#pathOf(name, index)}: ${(cause as Error).message}`, {
        cause,
      });
    }
    throw new ProtobufError(
      `${this.#pathOf(name, index)}: expected wire type ${expected}, got ${item.wire}`,
    );
  }

  #pathOf(name: string, index?: number): string {
    return `${this.#path && `${this.#path}.`}${name}${index === undefined ? '' : `[${index}]`}`;
  }
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
    if (number !== MODEL.graph) return 'keep';
    return mapFields(graph, (field, content) => {
      if (field === GRAPH.input[0]) {
        const name = new Message(content, VALUE_INFO).text('name') ?? '';
        return overridable.has(name) ? 'drop' : 'keep';
      }
      if (field !== GRAPH.initializer[0] || external.size === 0) return 'keep';
      return withValues(content, external);
    });
  });
}

const TENSOR_RAW_DATA = 9;

/** A tensor with its values in place of the reference to another file; `keep` where it has its values already. */
function withValues(
  bytes: Uint8Array,
  external: ReadonlyMap<string, Uint8Array>,
): Uint8Array | 'keep' {
  const tensor = new Message(bytes, TENSOR);
  const file = externalFileOf(tensor);
  if (file === undefined) return 'keep';
  const name = tensor.text('name') ?? '';
  const values = external.get(file);
  if (values === undefined) {
    throw new ProtobufError(`tensor ${name}: its file ${file} is not here`);
  }
  const reference = referenceOf(tensor);
  const offset = Number(reference.get('offset') ?? 0);
  const length = Number(reference.get('length') ?? values.length - offset);
  if (!(offset >= 0 && length >= 0 && offset + length <= values.length)) {
    throw new ProtobufError(
      `tensor ${name}: expected bytes ${offset} to ${offset + length} of ${file}, which has ${values.length}`,
    );
  }
  const bare = mapFields(bytes, (field) =>
    field === TENSOR.externalData[0] || field === TENSOR.dataLocation ? 'drop' : 'keep',
  );
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
