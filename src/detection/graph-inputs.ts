import type { DetectorCard, ExtraInput } from '../formats/model-card.js';
import type { OnnxOutline, TensorPort } from '../formats/onnx-outline.js';
import type { PromptInput } from '../formats/prompt-input.js';
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
  /** Of a graph that is asked in words. */
  readonly text?: TextInputs;
}

/** The inputs for a prompt, and what the graph fixes of their dimensions [prompts, tokens]. */
export interface TextInputs extends Pick<PromptInput, 'ids' | 'mask' | 'types' | 'type'> {
  readonly prompts: number | undefined;
  readonly length: number | undefined;
}

/**
 * Reads the inputs of a graph.
 * @returns the reason in words where they are not those of a detector
 */
export function readInputs({ inputs }: Pick<OnnxOutline, 'inputs'>): GraphInputs | string {
  const photos = inputs.filter((port) => layoutOf(port) !== undefined);
  const expected =
    'one input of photos, float32, float16 or uint8 [batch,3,height,width] or [batch,height,width,3], or float32 or float16 [3,height,width]';
  const got = `got ${inputs.map(portText).join(', ') || 'none'}`;
  const [image, ...more] = photos;
  if (image === undefined || more.length > 0) return `expected ${expected}, ${got}`;
  const layout = layoutOf(image)!;
  const [photosARun, a, b, c] = layout === 'chw' ? [1, ...image.dims] : image.dims;
  if (typeof photosARun === 'number' && photosARun > 1) {
    return `expected a graph for one photo a run or any number, got one for ${photosARun}`;
  }
  const extra: GraphInputs['extra'][number][] = [];
  const words = new Map<TextRole, TensorPort>();
  for (const port of inputs) {
    if (port === image) continue;
    const role = textRole(port);
    const read = readExtra(port);
    if (role) words.set(role, port);
    else if (read) extra.push(read);
    else {
      return `expected inputs for a photo, its size, its mask or a prompt (${Object.keys(TEXT_ROLES).join(', ')}), got ${portText(port)}`;
    }
  }
  const text = textInputs(words);
  if (typeof text === 'string') return text;
  const [height, width] = layout === 'nhwc' ? [a, b] : [b, c];
  return {
    image: {
      name: image.name,
      type: image.type as GraphInputs['image']['type'],
      layout,
      batch: photosARun === 1 ? 1 : 'any',
      width: fixed(width),
      height: fixed(height),
    },
    extra,
    ...(text && { text }),
  };
}

/** Names of the inputs for a prompt, as Hugging Face's exports call them. */
const TEXT_ROLES = { input_ids: 'ids', attention_mask: 'mask', token_type_ids: 'types' } as const;

type TextRole = (typeof TEXT_ROLES)[keyof typeof TEXT_ROLES];

function textRole({ name, type, dims }: TensorPort): TextRole | undefined {
  if (dims.length !== 2 || (type !== 'int64' && type !== 'int32')) return undefined;
  return TEXT_ROLES[name as keyof typeof TEXT_ROLES];
}

/** @returns the reason in words where a part is missing */
function textInputs(words: ReadonlyMap<TextRole, TensorPort>): TextInputs | string | undefined {
  if (words.size === 0) return undefined;
  const ids = words.get('ids');
  const mask = words.get('mask');
  const got = [...words.values()].map(portText).join(', ');
  if (!ids || !mask || mask.type !== ids.type) {
    return `expected inputs input_ids and attention_mask of one type for a prompt, got ${got}`;
  }
  const types = words.get('types');
  return {
    ids: ids.name,
    mask: mask.name,
    ...(types && { types: types.name }),
    type: ids.type as TextInputs['type'],
    prompts: fixed(ids.dims[0]),
    length: fixed(ids.dims[1]),
  };
}

function layoutOf({ type, dims }: TensorPort): DetectorCard['input']['layout'] | undefined {
  const isFloat = type === 'float32' || type === 'float16';
  // Torchvision takes a list of photos, each without a batch.
  if (dims.length === 3 && isFloat) return dims[0] === 3 ? 'chw' : undefined;
  if (dims.length !== 4 || !(isFloat || type === 'uint8')) return undefined;
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
