import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  decodeMessage,
  decodeOnnxTensor,
  encodeOnnxTensor,
  type MessageTable,
  OnnxDataType,
  type OnnxTensor,
  ProtobufError,
} from './onnx.js';

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

interface Entry {
  readonly key?: string;
  readonly value?: string;
}

interface WeightOutline {
  readonly name?: string;
  readonly externalData?: readonly Entry[];
  readonly dataLocation?: number;
}

interface AttributeOutline {
  readonly t?: WeightOutline;
  readonly g?: GraphOutline;
  readonly tensors?: readonly WeightOutline[];
  readonly graphs?: readonly GraphOutline[];
}

interface NodeOutline {
  readonly opType?: string;
  readonly attribute?: readonly AttributeOutline[];
}

interface DimOutline {
  readonly dimValue?: number;
  readonly dimParam?: string;
}

interface ValueOutline {
  readonly name?: string;
  readonly type?: {
    readonly tensorType?: {
      readonly elemType?: number;
      readonly shape?: { readonly dim?: readonly DimOutline[] };
    };
  };
}

interface GraphOutline {
  readonly node?: readonly NodeOutline[];
  readonly initializer?: readonly WeightOutline[];
  readonly input?: readonly ValueOutline[];
  readonly output?: readonly ValueOutline[];
}

interface ModelOutline {
  readonly graph?: GraphOutline;
  readonly opsetImport?: readonly { readonly domain?: string; readonly version?: number }[];
  readonly metadataProps?: readonly Entry[];
}

// Field numbers as in onnx.proto; what is not listed is skipped.
const ENTRY: MessageTable<Entry> = {
  key: { number: 1, kind: 'string' },
  value: { number: 2, kind: 'string' },
};
const WEIGHT: MessageTable<WeightOutline> = {
  name: { number: 8, kind: 'string' },
  externalData: { number: 13, kind: 'message', repeated: true, table: () => ENTRY },
  dataLocation: { number: 14, kind: 'int' },
};
const ATTRIBUTE: MessageTable<AttributeOutline> = {
  t: { number: 5, kind: 'message', table: () => WEIGHT },
  g: { number: 6, kind: 'message', table: () => GRAPH },
  tensors: { number: 10, kind: 'message', repeated: true, table: () => WEIGHT },
  graphs: { number: 11, kind: 'message', repeated: true, table: () => GRAPH },
};
const NODE: MessageTable<NodeOutline> = {
  opType: { number: 4, kind: 'string' },
  attribute: { number: 5, kind: 'message', repeated: true, table: () => ATTRIBUTE },
};
const DIM: MessageTable<DimOutline> = {
  dimValue: { number: 1, kind: 'int' },
  dimParam: { number: 2, kind: 'string' },
};
const VALUE: MessageTable<ValueOutline> = {
  name: { number: 1, kind: 'string' },
  type: {
    number: 2,
    kind: 'message',
    table: () => ({
      tensorType: {
        number: 1,
        kind: 'message',
        table: () => ({
          elemType: { number: 1, kind: 'int' },
          shape: {
            number: 2,
            kind: 'message',
            table: () => ({
              dim: { number: 1, kind: 'message', repeated: true, table: () => DIM },
            }),
          },
        }),
      },
    }),
  },
};
const GRAPH: MessageTable<GraphOutline> = {
  node: { number: 1, kind: 'message', repeated: true, table: () => NODE },
  initializer: { number: 5, kind: 'message', repeated: true, table: () => WEIGHT },
  input: { number: 11, kind: 'message', repeated: true, table: () => VALUE },
  output: { number: 12, kind: 'message', repeated: true, table: () => VALUE },
};
const MODEL: MessageTable<ModelOutline> = {
  graph: { number: 7, kind: 'message', table: () => GRAPH },
  opsetImport: {
    number: 8,
    kind: 'message',
    repeated: true,
    table: () => ({ domain: { number: 1, kind: 'string' }, version: { number: 2, kind: 'int' } }),
  },
  metadataProps: { number: 14, kind: 'message', repeated: true, table: () => ENTRY },
};

/** @throws {ProtobufError} when the bytes are cut short, are no protobuf message, or hold no graph */
export function outlineOnnxModel(bytes: Uint8Array): OnnxOutline {
  const model = decodeMessage(bytes, MODEL);
  const { graph } = model;
  if (graph === undefined) throw new ProtobufError('graph: expected an ONNX graph, got none');
  const weights = new Set((graph.initializer ?? []).map(({ name }) => name ?? ''));
  const inputs = (graph.input ?? []).map(portOf);
  const own = model.opsetImport?.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  const files = new Set<string>();
  const operators = new Set<string>();
  collect(graph, files, operators);
  return {
    opset: own?.version ?? 0,
    metadata: Object.fromEntries(
      (model.metadataProps ?? []).map(({ key = '', value = '' }) => [key, value]),
    ),
    inputs: inputs.filter(({ name }) => !weights.has(name)),
    outputs: (graph.output ?? []).map(portOf),
    overridable: inputs.map(({ name }) => name).filter((name) => weights.has(name)),
    externalFiles: [...files],
    operators,
  };
}

/** The file that holds a tensor's values; undefined where they lie in the tensor itself. */
function externalFileOf(tensor: {
  readonly externalData?: readonly Entry[];
  readonly dataLocation?: number;
}): string | undefined {
  if (tensor.dataLocation !== 1) return undefined;
  return tensor.externalData?.find(({ key }) => key === 'location')?.value ?? '';
}

const TYPE_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(OnnxDataType).map(([name, number]) => [number, name]),
);

function portOf({ name = '', type }: ValueOutline): TensorPort {
  const tensor = type?.tensorType;
  return {
    name,
    type: TYPE_NAMES[tensor?.elemType ?? 0] ?? 'other',
    dims: (tensor?.shape?.dim ?? []).map(({ dimValue, dimParam }) => dimValue ?? dimParam ?? '?'),
  };
}

function collect(graph: GraphOutline, files: Set<string>, operators: Set<string>): void {
  const note = (tensor: WeightOutline): void => {
    const file = externalFileOf(tensor);
    if (file !== undefined) files.add(file);
  };
  graph.initializer?.forEach(note);
  for (const { opType = '', attribute = [] } of graph.node ?? []) {
    operators.add(opType);
    for (const { t, tensors = [], g, graphs = [] } of attribute) {
      if (t) note(t);
      tensors.forEach(note);
      for (const inner of g ? [g, ...graphs] : graphs) collect(inner, files, operators);
    }
  }
}

/** Field numbers of onnx.proto. */
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const GRAPH_INPUT = 11;
const VALUE_NAME = 1;

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
    if (number !== MODEL_GRAPH) return 'keep';
    return mapFields(graph, (field, content) => {
      if (field === GRAPH_INPUT) return overridable.has(nameOfValue(content)) ? 'drop' : 'keep';
      if (field !== GRAPH_INITIALIZER || external.size === 0) return 'keep';
      const tensor = decodeOnnxTensor(content);
      const file = externalFileOf(tensor);
      return file === undefined ? 'keep' : encodeOnnxTensor(withValues(tensor, file, external));
    });
  });
}

/** Rewrites the length-delimited fields of a message; numbers are copied. */
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
    if (wire !== WireType.LengthDelimited) {
      reader.skip(wire, number);
      continue;
    }
    const changed = change(number, reader.bytes());
    if (changed === 'keep') continue;
    copyTo(start);
    from = reader.pos;
    if (changed !== 'drop') writer.tag(number, WireType.LengthDelimited).bytes(changed);
  }
  copyTo(bytes.length);
  return writer.finish();
}

function nameOfValue(value: Uint8Array): string {
  const reader = new BinaryReader(value);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === VALUE_NAME) return reader.string();
    reader.skip(wire, number);
  }
  return '';
}

function withValues(
  { externalData = [], dataLocation: _outside, ...tensor }: OnnxTensor,
  file: string,
  external: ReadonlyMap<string, Uint8Array>,
): OnnxTensor {
  const number = (key: string): number | undefined => {
    const text = externalData.find((entry) => entry.key === key)?.value;
    return text === undefined ? undefined : Number(text);
  };
  const values = external.get(file);
  const place = `tensor ${tensor.name ?? ''}`;
  if (values === undefined) throw new ProtobufError(`${place}: its file ${file} is not here`);
  const offset = number('offset') ?? 0;
  const length = number('length') ?? values.length - offset;
  if (!(offset >= 0 && length >= 0 && offset + length <= values.length)) {
    throw new ProtobufError(
      `${place}: expected bytes ${offset} to ${offset + length} of ${file}, which has ${values.length}`,
    );
  }
  return { ...tensor, rawData: values.subarray(offset, offset + length) };
}
