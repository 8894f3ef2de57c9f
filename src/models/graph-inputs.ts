import { printable, quoted, VgrError } from '../core/error.js';
import { portText } from '../detect/signature.js';
import type { DetectorCard, ExtraInput, PromptInput } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';
import type { GraphFile } from './facts.js';

/** Which of a graph's inputs takes the photo, and what the others take. */
export interface GraphInputs {
  readonly image: Pick<DetectorCard['input'], 'name' | 'type' | 'layout' | 'batch'> & {
    /** Where the graph fixes them. */
    readonly width?: number;
    readonly height?: number;
  };
  /** Sizes and masks. Dimensions that the graph leaves open are those of the raster. */
  readonly extra: readonly (Omit<ExtraInput, 'dims'> & Partial<Pick<ExtraInput, 'dims'>>)[];
  /** Of a prompted graph. */
  readonly text?: TextInputs;
}

/** The inputs for a prompt, and what the graph fixes of their dimensions [prompts, tokens]. */
export interface TextInputs extends Pick<PromptInput, 'ids' | 'mask' | 'types' | 'type'> {
  readonly prompts?: number;
  readonly length?: number;
}

/**
 * Reads the inputs of a detector's graph.
 * @throws VgrError MODEL_INVALID where they are those of something else
 */
export function detectorInputs({ path, outline: { inputs, metadata } }: GraphFile): GraphInputs {
  const unfit = (text: string): VgrError =>
    new VgrError('MODEL_INVALID', `${quoted(path)}: ${printable(text)}`, {
      hint: 'docs/models explains what each family takes',
    });
  const [image, ...more] = inputs.filter((port) => layoutOf(port) !== undefined);
  if (image === undefined || more.length > 0) {
    throw unfit(
      `expected one input of photos, float32, float16 or uint8 [batch,3,height,width] or [batch,height,width,3], or float32 or float16 [3,height,width], got ${inputs.map(portText).join(', ') || 'none'}`,
    );
  }
  const layout = layoutOf(image)!;
  const [photosARun, a, b, c] = layout === 'chw' ? [1, ...image.dims] : image.dims;
  if (typeof photosARun === 'number' && photosARun > 1) {
    throw unfit(`expected a graph for one photo per run or any number, got one for ${photosARun}`);
  }
  const extra: GraphInputs['extra'][number][] = [];
  const words: Partial<Record<TextRole, TensorPort>> = {};
  for (const port of inputs) {
    if (port === image) continue;
    const role = textRole(port);
    const read = readExtra(port);
    if (role) words[role] = port;
    else if (read) extra.push(read);
    else {
      throw unfit(
        `expected inputs for a photo, its size, its mask or a prompt (${Object.keys(TEXT_ROLES).join(', ')}), got ${portText(port)}`,
      );
    }
  }
  const { ids, mask, types } = words;
  const prompts = Object.values(words);
  if (prompts.length > 0 && (!ids || mask?.type !== ids.type)) {
    throw unfit(
      `expected inputs input_ids and attention_mask of one type for a prompt, got ${prompts.map(portText).join(', ')}`,
    );
  }
  refuseOtherTask(metadata.task, path);
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
    text: ids && {
      ids: ids.name,
      mask: mask!.name,
      types: types?.name,
      type: ids.type as TextInputs['type'],
      prompts: fixed(ids.dims[0]),
      length: fixed(ids.dims[1]),
    },
  };
}

function refuseOtherTask(task: string | undefined, path: string): void {
  if (task === undefined || task === 'detect') return;
  throw new VgrError(
    'MODEL_INVALID',
    `${quoted(path)}: expected a graph for detection, got one whose metadata says task ${quoted(task)}`,
    { hint: 'export the detection model of the same series' },
  );
}

/** Names of the inputs for a prompt, as Hugging Face's exports call them. */
const TEXT_ROLES = { input_ids: 'ids', attention_mask: 'mask', token_type_ids: 'types' } as const;

type TextRole = (typeof TEXT_ROLES)[keyof typeof TEXT_ROLES];

function textRole({ name, type, dims }: TensorPort): TextRole | undefined {
  if (dims.length !== 2 || (type !== 'int64' && type !== 'int32')) return undefined;
  return TEXT_ROLES[name as keyof typeof TEXT_ROLES];
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

/** A size that the graph fixes; others are names or negative. */
export function fixed(dim: number | string | undefined): number | undefined {
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
