import {
  decodeOnnxModel,
  encodeOnnxModel,
  type OnnxNode,
  type OnnxTensor,
  onnxEntries,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../../scripts/onnx/model.js';
import { OnnxDataType } from '../../src/formats/onnx.js';

/** An output whose values are known beforehand. */
export interface KnownOutput {
  readonly name: string;
  readonly type?: 'float32' | 'float16' | 'int64';
  /** Dimensions after the batch. */
  readonly dims: readonly number[];
  /** Values by place in one photo's part, row by row; all others are 0. */
  readonly values: Readonly<Record<number, number>>;
  /** Place to which the mean of the photo's first channel is added, as the graph sees it. */
  readonly seen?: number;
  /** Whether the values are multiplied by the sizes that go in beside the photo: width, height, width, height. */
  readonly scaled?: boolean;
}

export interface GraphPlan {
  readonly image: {
    readonly name: string;
    readonly type: 'float32' | 'float16' | 'uint8';
    /** Dimensions; names are sizes known at run time. */
    readonly dims: readonly (number | string)[];
  };
  /** A size beside the photo, such as `orig_target_sizes`. */
  readonly extra?: {
    readonly name: string;
    readonly type: 'float32' | 'int64';
    readonly dims: readonly (number | string)[];
  };
  readonly outputs: readonly KnownOutput[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly opset?: number;
}

/**
 * A graph with the inputs and outputs of a real detector, a few kilobytes large: its outputs are constants plus the mean of
 * the photo's first channel where `seen` says so, which tells how the photo was packed. Any number of photos a run.
 */
export function detectorGraph({
  image,
  extra,
  outputs,
  metadata = {},
  opset = 17,
}: GraphPlan): Uint8Array {
  const nodes: OnnxNode[] = [];
  const weights: OnnxTensor[] = [];
  const axes = image.dims.at(-1) === 3 ? [1, 2] : [2, 3];
  nodes.push(
    onnxNode('Cast', [image.name], ['photo'], { to: 1 }),
    onnxNode('ReduceMean', ['photo'], ['means'], { axes, keepdims: 0 }),
    onnxNode('Gather', ['means', 'first'], ['seen'], { axis: 1 }),
  );
  weights.push(onnxTensor('first', 'int64', [1], [0]));
  if (extra) {
    nodes.push(
      onnxNode('Cast', [extra.name], ['size'], { to: 1 }),
      onnxNode('Concat', ['size', 'size'], ['sides'], { axis: 1 }),
      onnxNode('Unsqueeze', ['sides', 'first-axis'], ['scale']),
    );
    weights.push(onnxTensor('first-axis', 'int64', [1], [1]));
  }
  for (const output of outputs) addOutput(output, nodes, weights);
  return encodeOnnxModel({
    irVersion: 8,
    producerName: 'vgr tests',
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: onnxEntries(metadata),
    graph: {
      name: 'known answers',
      node: nodes,
      initializer: weights,
      input: [image, ...(extra ? [extra] : [])].map(({ name, type, dims }) =>
        onnxValueInfo(name, type, dims),
      ),
      output: outputs.map(({ name, type = 'float32', dims }) =>
        onnxValueInfo(name, type, [image.dims[0]!, ...dims]),
      ),
    },
  });
}

function addOutput(
  { name, type = 'float32', dims, values, seen, scaled }: KnownOutput,
  nodes: OnnxNode[],
  weights: OnnxTensor[],
): void {
  const part = (what: string): string => `${name}/${what}`;
  const count = dims.reduce((product, size) => product * size, 1);
  const base = new Float32Array(count);
  for (const [place, value] of Object.entries(values)) base[Number(place)] = value;
  const mask = new Float32Array(count);
  if (seen !== undefined) mask[seen] = 1;
  weights.push(
    onnxTensor(part('base'), 'float32', [1, ...dims], base),
    onnxTensor(part('mask'), 'float32', [1, ...dims], mask),
    onnxTensor(part('shape'), 'int64', [dims.length + 1], [-1, ...dims.map(() => 1)]),
  );
  nodes.push(
    onnxNode('Reshape', ['seen', part('shape')], [part('seen')]),
    onnxNode('Mul', [part('seen'), part('mask')], [part('seen-here')]),
    onnxNode('Add', [part('base'), part('seen-here')], [part('sum')]),
    scaled
      ? onnxNode('Mul', [part('sum'), 'scale'], [part('values')])
      : onnxNode('Identity', [part('sum')], [part('values')]),
    type === 'float32'
      ? onnxNode('Identity', [part('values')], [name])
      : onnxNode('Cast', [part('values')], [name], { to: OnnxDataType[type] }),
  );
}

/** A model whose photos are multiplied by `factor` before anything else. */
export function scaledInput(bytes: Uint8Array, factor: number): Uint8Array {
  const model = decodeOnnxModel(bytes);
  const { node: nodes, initializer, input } = model.graph!;
  const image = input[0]!.name!;
  for (const node of nodes) {
    node.input = node.input.map((name) => (name === image ? 'scaled' : name));
  }
  nodes.unshift(onnxNode('Mul', [image, 'factor'], ['scaled']));
  initializer.push(onnxTensor('factor', 'float32', [1], Float32Array.of(factor)));
  return encodeOnnxModel(model);
}

/** The model with its largest weights moved to another file. */
export function withExternalWeights(
  bytes: Uint8Array,
  location: string,
): { readonly model: Uint8Array; readonly weights: Uint8Array } {
  const model = decodeOnnxModel(bytes);
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of model.graph!.initializer) {
    const { rawData } = tensor;
    if (rawData === undefined || rawData.length < 1000) continue;
    const entries = { location, offset: String(offset), length: String(rawData.length) };
    parts.push(rawData);
    offset += rawData.length;
    delete tensor.rawData;
    tensor.dataLocation = 1;
    tensor.externalData = onnxEntries(entries);
  }
  return { model: encodeOnnxModel(model), weights: Buffer.concat(parts) };
}
