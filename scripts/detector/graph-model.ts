import { z } from 'zod';

/** One operation of a TensorFlow.js graph model. */
export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** Names of the operations or constants it reads, control inputs left out. */
  readonly inputs: readonly string[];
  readonly attributes: TfAttributes;
}

/** Attributes as plain values; those of other types are left out. */
interface TfAttributes {
  readonly padding?: string;
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly fusedOps?: readonly string[];
  readonly dataFormat?: string;
  readonly keepDims?: boolean;
  readonly alignCorners?: boolean;
  readonly halfPixelCenters?: boolean;
}

/** A constant, row-major. */
export interface TfConstant {
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** A graph model in the order of its file, which is topological. */
export interface TfGraph {
  readonly nodes: readonly TfNode[];
  readonly constants: ReadonlyMap<string, TfConstant>;
}

const bytesAsText = z.string().transform((base64) => Buffer.from(base64, 'base64').toString());
const integers = z.object({ list: z.object({ i: z.array(z.coerce.number()).optional() }) });

const attributes = z.object({
  padding: z.object({ s: bytesAsText }).optional(),
  strides: integers.optional(),
  dilations: integers.optional(),
  fused_ops: z.object({ list: z.object({ s: z.array(bytesAsText).optional() }) }).optional(),
  data_format: z.object({ s: bytesAsText }).optional(),
  keep_dims: z.object({ b: z.boolean() }).optional(),
  align_corners: z.object({ b: z.boolean() }).optional(),
  half_pixel_centers: z.object({ b: z.boolean() }).optional(),
});

const graphModel = z.object({
  format: z.literal('graph-model'),
  modelTopology: z.object({
    node: z.array(
      z.object({
        name: z.string(),
        op: z.string(),
        input: z.array(z.string()).default([]),
        attr: attributes.default({}),
      }),
    ),
  }),
  weightsManifest: z
    .array(
      z.object({
        paths: z.array(z.string()).length(1),
        weights: z.array(
          z.object({
            name: z.string(),
            shape: z.array(z.int().nonnegative()),
            dtype: z.enum(['float32', 'int32']),
            quantization: z.object({ dtype: z.literal('float16') }).optional(),
          }),
        ),
      }),
    )
    .length(1),
});

/**
 * Reads a TensorFlow.js graph model with one weights file.
 * @param json the text of `model.json`
 * @param weights the bytes of the one file that its manifest names
 * @throws {Error} when either is not of the expected form, or the weights are not used up
 * @see https://github.com/tensorflow/tfjs/blob/master/docs/WEIGHTS.md
 */
export function readGraphModel(json: string, weights: Uint8Array): TfGraph {
  const { modelTopology, weightsManifest } = graphModel.parse(JSON.parse(json));
  const constants = new Map<string, TfConstant>();
  let offset = 0;
  for (const { name, shape, dtype, quantization } of weightsManifest[0]?.weights ?? []) {
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = count * (quantization ? 2 : 4);
    const view = new DataView(weights.buffer, weights.byteOffset + offset, bytes);
    constants.set(name, { dims: shape, data: readConstant(view, count, dtype, !!quantization) });
    offset += bytes;
  }
  if (offset !== weights.length) {
    throw new Error(`weights: the manifest lists ${offset} bytes, the file has ${weights.length}`);
  }
  const nodes = modelTopology.node
    .filter(({ op }) => op !== 'Const')
    .map(({ name, op, input, attr }) => ({
      name,
      op,
      inputs: input.filter((source) => !source.startsWith('^')),
      attributes: plainAttributes(attr),
    }));
  return { nodes, constants };
}

function readConstant(
  view: DataView,
  count: number,
  dtype: string,
  half: boolean,
): TfConstant['data'] {
  if (dtype === 'int32') {
    return Int32Array.from({ length: count }, (_, i) => view.getInt32(i * 4, true));
  }
  return Float32Array.from({ length: count }, (_, i) =>
    half ? float16ToNumber(view.getUint16(i * 2, true)) : view.getFloat32(i * 4, true),
  );
}

/** The value of an IEEE 754 binary16 number, exactly. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function plainAttributes(raw: z.output<typeof attributes>): TfAttributes {
  return {
    ...(raw.padding && { padding: raw.padding.s }),
    ...(raw.strides && { strides: raw.strides.list.i ?? [] }),
    ...(raw.dilations && { dilations: raw.dilations.list.i ?? [] }),
    ...(raw.fused_ops && { fusedOps: raw.fused_ops.list.s ?? [] }),
    ...(raw.data_format && { dataFormat: raw.data_format.s }),
    ...(raw.keep_dims && { keepDims: raw.keep_dims.b }),
    ...(raw.align_corners && { alignCorners: raw.align_corners.b }),
    ...(raw.half_pixel_centers && { halfPixelCenters: raw.half_pixel_centers.b }),
  };
}
