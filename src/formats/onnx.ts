import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import {
  type Graph,
  type Model,
  ModelSchema,
  type Tensor,
  type ValueInfo,
} from './onnx.generated.js';

/** What an ONNX file says of itself, without its weights. */
export interface OnnxOutline {
  /** Version of ONNX's own operator set; 0 where the file names none. */
  readonly opset: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What must be fed; initialisers that the graph lists among its inputs are left out. */
  readonly inputs: readonly TensorPort[];
  readonly outputs: readonly TensorPort[];
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

/** TensorProto.DataLocation */
const EXTERNAL = 1;

/** Changes a graph in place. */
export type GraphRepair = (graph: Graph) => void;

/** Bytes that are no ONNX model, or whose weights cannot be found. */
export class OnnxError extends Error {
  override readonly name = 'OnnxError';
}

/**
 * A model by protobuf's own rules: a message that comes twice is merged, of a number or a text the last one counts. Weights stay
 * views of `bytes`. What `scripts/onnx/onnx.proto` does not name is dropped.
 * @throws {OnnxError} when the bytes are cut short, are no protobuf message, or hold no graph
 */
function parsedModel(bytes: Uint8Array): Model {
  try {
    const model = fromBinary(ModelSchema, bytes, { readUnknownFields: false });
    if (model.graph) return model;
  } catch (cause) {
    throw new OnnxError((cause as Error).message, { cause });
  }
  throw new OnnxError('expected an ONNX graph, got none');
}

/** A model that was read. */
export interface OnnxModel {
  readonly outline: OnnxOutline;
  /** See {@link embedWeights}. May be called once. */
  readonly embed: (external: ReadonlyMap<string, Uint8Array>, repair?: GraphRepair) => Uint8Array;
}

/** @throws {OnnxError} see {@link parsedModel} */
export function readOnnxModel(bytes: Uint8Array): OnnxModel {
  const model = parsedModel(bytes);
  return {
    outline: outlineOf(model),
    embed: (external, repair) => embedWeights(model, external, repair),
  };
}

function outlineOf(model: Model): OnnxOutline {
  const { input, output, initializer } = model.graph!;
  const isWeight = new Set(initializer.map(({ name }) => name));
  const opset = model.opsetImport.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  return {
    opset: opset?.version ?? 0,
    metadata: Object.fromEntries(
      model.metadataProps.map(({ key = '', value = '' }) => [key, value]),
    ),
    inputs: input.filter(({ name }) => !isWeight.has(name)).map(portOf),
    outputs: output.map(portOf),
    externalFiles: [...new Set(partsOf(model, 'Tensor').filter(isExternal).map(locationOf))],
    operators: new Set(partsOf(model, 'Node').map(({ opType = '' }) => opType)),
  };
}

function portOf({ name = '', type }: ValueInfo): TensorPort {
  const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined;
  return {
    name,
    type: TYPE_NAMES[tensor?.elemType ?? 0] ?? 'other',
    dims: (tensor?.shape?.dim ?? []).map(({ value }) => {
      if (value.case === 'dimParam') return value.value;
      return value.case === 'dimValue' ? Number(value.value) : '?';
    }),
  };
}

/** Every message of a type in a model, wherever it is: in branches, functions, attributes. */
function partsOf<T extends 'Tensor' | 'Node'>(model: Model, type: T): Parts[T][] {
  const found: Message[] = [];
  const search = (value: unknown): void => {
    if (Array.isArray(value)) {
      // Numbers, texts and bytes come in long lists.
      if (typeof value[0] === 'object') value.forEach(search);
    } else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
      if ('$typeName' in value && value.$typeName === `onnx.${type}`) found.push(value as Message);
      Object.values(value).forEach(search);
    }
  };
  search(model);
  return found as Parts[T][];
}

interface Parts {
  readonly Tensor: Tensor;
  readonly Node: Model['functions'][number]['node'][number];
}

const isExternal = ({ dataLocation, externalData }: Tensor): boolean =>
  dataLocation === EXTERNAL || externalData.length > 0;

const locationOf = (tensor: Tensor): string => referenceOf(tensor).get('location') ?? '';

/** Where the values of a tensor are: `location`, `offset`, `length`. */
function referenceOf({ externalData }: Tensor): ReadonlyMap<string | undefined, string> {
  return new Map(externalData.map(({ key, value = '' }) => [key, value]));
}

/**
 * The bytes of the model with its weights as constants within: values that lie in other files are put in, and initialisers are
 * taken off the list of inputs, where they keep a runtime from folding them into the operators around them. The bytes hold what
 * was read and nothing else, so a runtime cannot read them in another way.
 * @param external contents of the other files, by the path under which the model knows them
 * @param repair changes the graph, whose weights are all within by then
 * @throws {OnnxError} when a tensor reaches beyond its file, or a file is missing
 */
function embedWeights(
  model: Model,
  external: ReadonlyMap<string, Uint8Array>,
  repair: GraphRepair = () => undefined,
): Uint8Array {
  for (const tensor of partsOf(model, 'Tensor').filter(isExternal)) {
    tensor.rawData = valuesOf(tensor, external);
    tensor.externalData = [];
    tensor.dataLocation = undefined;
  }
  const graph = model.graph!;
  const isWeight = new Set(graph.initializer.map(({ name }) => name));
  graph.input = graph.input.filter(({ name }) => !isWeight.has(name));
  repair(graph);
  return toBinary(ModelSchema, model);
}

function valuesOf(tensor: Tensor, external: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const name = tensor.name ?? '';
  const reference = referenceOf(tensor);
  const file = locationOf(tensor);
  const values = external.get(file);
  if (values === undefined) throw new OnnxError(`tensor ${name}: its file ${file} is not here`);
  const offset = Number(reference.get('offset') ?? 0);
  const length = Number(reference.get('length') ?? values.length - offset);
  if (offset >= 0 && length >= 0 && offset + length <= values.length) {
    return values.subarray(offset, offset + length);
  }
  throw new OnnxError(
    `tensor ${name}: expected bytes ${offset} to ${offset + length} of ${file}, which has ${values.length}`,
  );
}
