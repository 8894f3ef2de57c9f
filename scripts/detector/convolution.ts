import type { OnnxAttributeValue } from '../onnx/model.js';
import type { ConvLayer, MapSize } from './layers.js';

/** A convolution as ONNX's `Conv` takes it. */
export interface Convolution {
  /** Of the weights: [out, in / group, height, width]. */
  readonly dims: readonly number[];
  readonly weights: Float32Array;
  readonly attributes: Readonly<Record<string, OnnxAttributeValue>>;
  /** Of the result. */
  readonly size: MapSize;
}

/**
 * Moves weights from TensorFlow's order to ONNX's and spells the padding out. Over interleaved pixels, where all channels of
 * a row lie in one row of a single-channel map, the kernel and the step across are as many times wider: no transposition of
 * the picture is needed.
 * @throws {Error} when the map's channels are not those that the weights read, or its padding would hang on its size
 */
export function layOutConvolution(
  layer: ConvLayer,
  { height, width, channels }: MapSize,
  isInterleaved: boolean,
): Convolution {
  const { weights, depthwise, stride } = layer;
  const [kernelHeight = 1, kernelWidth = 1, reads = 1, makes = 1] = weights.dims;
  if (reads !== channels || (isInterleaved && depthwise)) {
    throw new Error(`${layer.input}: weights of [${weights.dims}] do not fit ${channels} channels`);
  }
  const down = padding(height, kernelHeight, layer);
  const across = padding(width, kernelWidth, layer);
  const widening = isInterleaved ? channels : 1;
  const kernel = [kernelHeight, kernelWidth * widening];
  const order = depthwise ? [2, 3, 0, 1] : isInterleaved ? [3, 0, 1, 2] : [3, 2, 0, 1];
  return {
    dims: [depthwise ? reads : makes, depthwise || isInterleaved ? 1 : reads, ...kernel],
    weights: permute(weights.data, weights.dims, order),
    attributes: {
      group: depthwise ? reads : 1,
      kernel_shape: kernel,
      pads: [down.before, across.before * widening, down.after, across.after * widening],
      strides: [stride, stride * widening],
    },
    size: { height: down.size, width: across.size, channels: depthwise ? reads : makes },
  };
}

/** TensorFlow's `SAME`: as little as gives `ceil(size / stride)` results, the odd pixel at the end. */
function padding(size: number, kernel: number, { input, same, stride }: ConvLayer) {
  const results = same ? Math.ceil(size / stride) : Math.floor((size - kernel) / stride) + 1;
  if (same && size % stride !== 0) throw new Error(`${input}: ${size} is no multiple of ${stride}`);
  const missing = same ? Math.max(0, (results - 1) * stride + kernel - size) : 0;
  const before = Math.floor(missing / 2);
  return { size: results, before, after: missing - before };
}

/** The elements with the axes in another order: `order[i]` is the old place of the new axis i. */
function permute(
  data: ArrayLike<number>,
  dims: readonly number[],
  order: readonly number[],
): Float32Array {
  const steps = dims.map((_, axis) => dims.slice(axis + 1).reduce((step, size) => step * size, 1));
  const moved = new Float32Array(data.length);
  const index = order.map(() => 0);
  let from = 0;
  for (let to = 0; to < moved.length; to++) {
    moved[to] = data[from]!;
    for (let axis = order.length - 1; axis >= 0; axis--) {
      const old = order[axis]!;
      from += steps[old]!;
      index[axis]! += 1;
      if (index[axis]! < dims[old]!) break;
      from -= dims[old]! * steps[old]!;
      index[axis] = 0;
    }
  }
  return moved;
}
