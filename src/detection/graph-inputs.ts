import type { DetectorCard, ExtraInput } from '../formats/model-card.js';
import type { OnnxOutline, TensorPort } from '../formats/onnx-outline.js';
import { portText } from './signature.js';

/** Which of a graph's inputs takes the photo, and what the others take. */
export interface GraphInputs {
  readonly image: Pick<DetectorCard['input'], 'name' | 'type' | 'layout' | 'batch'> & {
    /** Where the graph fixes them. */
    readonly width: number | undefined;
    readonly height: number | undefined;
  };
  /** Sizes and masks. Dimensions that the graph leaves open are those of the raster. */
  readonly extra: readonly (Omit<ExtraInput, 'dims'> & {
    readonly dims: ExtraInput['dims'] | undefined;
  })[];
}

/**
 * Reads the inputs of a graph.
 * @returns the reason in words where they are not those of a detector
 */
export function readInputs({ inputs }: Pick<OnnxOutline, 'inputs'>): GraphInputs | string {
  const photos = inputs.filter((port) => layoutOf(port) !== undefined);
  const expected =
    'one input of photos, float32 or uint8 [batch,3,height,width] or [batch,height,width,3]';
  const got = `got ${inputs.map(portText).join(', ') || 'none'}`;
  const [image, ...more] = photos;
  if (image === undefined || more.length > 0) return `expected ${expected}, ${got}`;
  const [photosARun] = image.dims;
  if (typeof photosARun === 'number' && photosARun > 1) {
    return `expected a graph for one photo a run or any number, got one for ${photosARun}`;
  }
  const extra: GraphInputs['extra'][number][] = [];
  for (const port of inputs) {
    if (port === image) continue;
    const read = readExtra(port);
    if (read === undefined) {
      return `expected inputs for a photo, its size or its mask, got ${portText(port)}`;
    }
    extra.push(read);
  }
  const layout = layoutOf(image)!;
  const [, a, b, c] = image.dims;
  const [height, width] = layout === 'nchw' ? [b, c] : [a, b];
  return {
    image: {
      name: image.name,
      type: image.type as 'float32' | 'uint8',
      layout,
      batch: photosARun === 1 ? 1 : 'any',
      width: fixed(width),
      height: fixed(height),
    },
    extra,
  };
}

function layoutOf({ type, dims }: TensorPort): 'nchw' | 'nhwc' | undefined {
  if (dims.length !== 4 || (type !== 'float32' && type !== 'uint8')) return undefined;
  if (dims[3] === 3) return 'nhwc';
  if (dims[1] === 3) return 'nchw';
  // Some exports leave even the channels open.
  if (type === 'uint8') return fixed(dims[3]) === undefined ? 'nhwc' : undefined;
  return fixed(dims[1]) === undefined ? 'nchw' : undefined;
}

function fixed(dim: number | string | undefined): number | undefined {
  return typeof dim === 'number' && dim > 0 ? dim : undefined;
}

/** Names of further inputs and what they hold, as DEIM, PaddleDetection and Hugging Face call them. */
const EXTRAS: readonly (readonly [RegExp, ExtraInput['holds']])[] = [
  [/target_size|orig_size/i, 'width-height'],
  [/im_shape|image_shape/i, 'height-width'],
  [/scale_factor|pixel_mask/i, 'ones'],
];

function readExtra({ name, type, dims }: TensorPort): GraphInputs['extra'][number] | undefined {
  const holds = EXTRAS.find(([pattern]) => pattern.test(name))?.[1];
  if (holds === undefined) return undefined;
  if (type !== 'float32' && type !== 'int32' && type !== 'int64') return undefined;
  const sizes = dims.slice(1).map(fixed);
  const open = sizes.includes(undefined);
  if (open && sizes.length === 1) return { name, type, holds, dims: [2] };
  return { name, type, holds, dims: open ? undefined : (sizes as number[]) };
}
