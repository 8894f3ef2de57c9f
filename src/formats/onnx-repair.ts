import { create } from '@bufbuild/protobuf';
import type { ImageSize } from '../core/box.js';
import { fromHalf, toHalf } from '../core/half-float.js';
import { type Graph, type Tensor, TensorSchema } from './onnx.generated.js';
import { type GraphRepair, OnnxDataType } from './onnx.js';

/** How much smaller than the photo the map of each stage is, in the vision transformers of this kind. */
const STAGES = [4, 8, 16, 32];

/** Half precision keeps about three digits. */
const TOLERANCE = 1e-3;

/**
 * Puts the scales of attention between channels right. They are one by the root of the number of a stage's places; an exporter that
 * traced a photo of another size wrote them into the graph as constants. What is changed is only the factor of what is turned
 * and goes into a product of matrices, and only where it is that of a stage of a photo of side `frozenAt`.
 * @param frozenAt side of the traced photo, pixels
 * @param raster that the graph takes
 * @see Ding et al., DaViT: Dual Attention Vision Transformers, arXiv 2204.03645
 */
export function thawScales(frozenAt: number, { width, height }: ImageSize): GraphRepair {
  const cells = (side: number, stride: number): number => Math.ceil(side / stride);
  const scales = STAGES.map((stride) => ({
    frozen: 1 / cells(frozenAt, stride),
    right: 1 / Math.sqrt(cells(width, stride) * cells(height, stride)),
  }));
  return (graph) => {
    const constants = constantsOf(graph);
    for (const node of turnedFactors(graph)) {
      for (const [at, name] of node.input.entries()) {
        const tensor = constants.get(name);
        const right = tensor && rightOf(tensor);
        if (!tensor || right === undefined) continue;
        const thawed = `${name}/right/${node.output[0]}`;
        graph.initializer.push(scalar(thawed, right, tensor));
        node.input[at] = thawed;
      }
    }
  };

  function rightOf(tensor: Tensor): number | undefined {
    const value = scalarOf(tensor);
    if (value === undefined) return undefined;
    return scales.find(({ frozen }) => Math.abs(value / frozen - 1) < TOLERANCE)?.right;
  }
}

/** The factors of what is turned and goes into a product of matrices. */
function turnedFactors(graph: Graph): Graph['node'] {
  const factors = new Set(readersOf(graph, 'MatMul'));
  const turned = graph.node.filter(
    ({ opType, output }) => opType === 'Transpose' && factors.has(output[0]!),
  );
  const scaled = new Set(turned.map(({ input }) => input[0]!));
  return graph.node.filter(({ opType, output }) => opType === 'Mul' && scaled.has(output[0]!));
}

function readersOf({ node }: Graph, operator: string): string[] {
  return node.filter(({ opType }) => opType === operator).flatMap(({ input }) => input);
}

/** Weights and constants by name. */
function constantsOf({ initializer, node }: Graph): Map<string, Tensor> {
  const constants = new Map(initializer.map((tensor) => [tensor.name ?? '', tensor]));
  for (const { opType, output, attribute } of node) {
    const value =
      opType === 'Constant' ? attribute.find(({ name }) => name === 'value')?.t : undefined;
    if (value) constants.set(output[0]!, value);
  }
  return constants;
}

/** The only number of a tensor, where it is one of a kind that attention is scaled by. */
function scalarOf({ dataType, dims, rawData, floatData }: Tensor): number | undefined {
  if (dims.some((size) => size !== 1n)) return undefined;
  const bytes = rawData?.length ? rawData : floatData[0];
  if (!bytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dataType === OnnxDataType.float32 && bytes.length === 4) return view.getFloat32(0, true);
  if (dataType !== OnnxDataType.float16 || bytes.length !== 2) return undefined;
  return fromHalf(Uint16Array.of(view.getUint16(0, true)))[0];
}

/** A number of the same type and shape as another tensor's. */
function scalar(name: string, value: number, { dataType, dims }: Tensor): Tensor {
  const rawData = new Uint8Array(dataType === OnnxDataType.float16 ? 2 : 4);
  const view = new DataView(rawData.buffer);
  if (rawData.length === 4) view.setFloat32(0, value, true);
  else view.setUint16(0, toHalf(Float32Array.of(value))[0]!, true);
  return create(TensorSchema, { name, dataType, dims, rawData });
}
