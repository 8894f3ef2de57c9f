import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { ImageSize } from '../core/box.js';
import { printable, quoted, VgrError } from '../core/error.js';
import { portText } from '../detect/signature.js';
import type { DetectorCard, ExtraInput, ModelCard, PromptInput } from '../formats/model-card.js';
import type { OnnxOutline, TensorPort } from '../formats/onnx.js';
import { embedded, externalPath, readOutline, toShared } from '../runtime/model-store.js';
import { readBeside } from './install.js';
import { type LabelNames, parseLabelFile, parsePythonNames } from './label-list.js';

/** What a model file and the files beside it say. */
export interface ModelFacts {
  readonly path: string;
  readonly outline: OnnxOutline;
  readonly inputs: GraphInputs;
  /** Ready for a session. */
  readonly ready: SharedArrayBuffer;
  readonly sha256: string;
  readonly bytes: number;
  readonly external: NonNullable<ModelCard['external']>;
  readonly names: LabelNames | undefined;
  readonly hub: HubInput | undefined;
  /** `model_type` of the `config.json` beside it. */
  readonly modelType: string | undefined;
  /** Where the exporter wrote it into the graph. */
  readonly size: ImageSize | undefined;
  readonly licence: string | undefined;
  readonly description: string | undefined;
}

/**
 * Reads a model file whole.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT; MODEL_INVALID where it is no detector
 */
export async function readModelFacts(path: string): Promise<ModelFacts> {
  const file = await readFile(path).catch((thrown: unknown) => {
    const { code, message } = thrown as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : printable(message);
    throw new VgrError('MODEL_MISSING', `${quoted(path)}: ${why}`, {
      hint: 'name the ONNX file, or a folder with vision_model.onnx: `vgr models add FILE`',
      cause: thrown,
    });
  });
  const outline = readOutline(file, path);
  const inputs = inputsOf(outline, path);
  const { metadata } = outline;
  if (metadata.task !== undefined && metadata.task !== 'detect') {
    throw new VgrError(
      'MODEL_INVALID',
      `${quoted(path)}: expected a graph for detection, got one whose metadata says task ${quoted(metadata.task)}`,
      { hint: 'export the detection model of the same series' },
    );
  }
  const contents = new Map<string, Uint8Array>();
  const external: { file: string; sha256: string; bytes: number }[] = [];
  for (const location of outline.externalFiles) {
    const from = await externalPath(location, path);
    const bytes = await readFile(from).catch(() => {
      throw new VgrError(
        'MODEL_MISSING',
        `${quoted(path)} keeps weights in ${quoted(location)}, which is not beside it`,
        { hint: 'copy both files; they belong together' },
      );
    });
    contents.set(location, bytes);
    external.push({ file: basename(from), sha256: sha256Of(bytes), bytes: bytes.length });
  }
  const ready = embedded(file, outline, contents, path);
  return {
    path,
    outline,
    inputs,
    ready: toShared(ready),
    sha256: sha256Of(file),
    bytes: file.length,
    external,
    names: await namesOf(path, metadata),
    hub: await hubOf(path),
    modelType: await modelTypeOf(path),
    size: sizeOf(metadata.imgsz),
    licence: text(metadata.license),
    description: text(metadata.description),
  };
}

/** A model's name made of its file's: `YOLO11n.onnx` is `yolo11n`; `NAME/onnx/model.onnx`, as the hub has it, `NAME`. */
export function nameOfFile(path: string): string {
  const generic = /^(?:model|onnx|weights)(?:[_-]\w+)?$/i;
  let place = resolve(path).replace(/\.onnx$/i, '');
  while (generic.test(basename(place)) && dirname(place) !== place) place = dirname(place);
  const name = basename(place)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return name === '' ? 'model' : name;
}

function inputsOf(outline: OnnxOutline, path: string): GraphInputs {
  const inputs = readInputs(outline);
  if (typeof inputs !== 'string') return inputs;
  throw new VgrError('MODEL_INVALID', `${quoted(path)}: ${printable(inputs)}`, {
    hint: 'docs/models tells what each family takes',
  });
}

async function namesOf(
  path: string,
  { names }: OnnxOutline['metadata'],
): Promise<LabelNames | undefined> {
  const within = names === undefined ? undefined : parsePythonNames(names);
  if (within) return within;
  const config = await readBeside(path, 'config.json');
  // Anything may lie beside a model under that name.
  return config?.includes('"id2label"') ? parseLabelFile(config) : undefined;
}

async function modelTypeOf(path: string): Promise<string | undefined> {
  const config = await readBeside(path, 'config.json');
  try {
    const json: unknown = config === undefined ? undefined : JSON.parse(config);
    const type = (json as { readonly model_type?: unknown } | null | undefined)?.model_type;
    return typeof type === 'string' ? type : undefined;
  } catch {
    return undefined;
  }
}

async function hubOf(path: string): Promise<HubInput | undefined> {
  const config = await readBeside(path, 'preprocessor_config.json');
  if (config === undefined) return undefined;
  try {
    return parsePreprocessor(JSON.parse(config));
  } catch {
    return undefined;
  }
}

/** `[480, 640]`, height first. */
function sizeOf(imgsz: string | undefined): ImageSize | undefined {
  const sides = imgsz?.match(/\d+/g)?.map(Number) ?? [];
  const [height, width = height] = sides;
  return height && width ? { width, height } : undefined;
}

function text(value: string | undefined): string | undefined {
  const clean = value === undefined ? '' : printable(value).trim();
  return clean === '' ? undefined : clean;
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

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
function readInputs({ inputs }: Pick<OnnxOutline, 'inputs'>): GraphInputs | string {
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

/** What the files beside a model of the Hugging Face hub say of its input. */
export interface HubInput {
  readonly width?: number;
  readonly height?: number;
  /** Lengths that the shorter side is brought to and that the longer one keeps below, where the size hangs on the photo. */
  readonly sides?: { readonly shorter: number; readonly longer: number };
  /** As a card's `input` has them. */
  readonly scale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const size = z.int().positive();
const triple = z.tuple([z.number(), z.number(), z.number()]);

const preprocessor = z.object({
  size: z
    .union([
      size,
      z.object({
        width: size.optional(),
        height: size.optional(),
        shortest_edge: size.optional(),
        longest_edge: size.optional(),
      }),
    ])
    .optional(),
  do_rescale: z.boolean().optional(),
  rescale_factor: z.number().positive().optional(),
  do_normalize: z.boolean().optional(),
  image_mean: triple.optional(),
  image_std: triple.optional(),
});

/**
 * Size and normalisation in a `preprocessor_config.json`; undefined where it says nothing that can be read. A model that
 * takes the shorter side to a length is given a square of it.
 */
export function parsePreprocessor(json: unknown): HubInput | undefined {
  const result = preprocessor.safeParse(json);
  if (!result.success) return undefined;
  const { size, do_rescale, rescale_factor, do_normalize, image_mean, image_std } = result.data;
  const edge = typeof size === 'number' ? size : size?.shortest_edge;
  const width = typeof size === 'object' ? (size.width ?? edge) : edge;
  const height = typeof size === 'object' ? (size.height ?? edge) : edge;
  const sides =
    typeof size === 'object' ? sidesOf(size.shortest_edge, size.longest_edge) : undefined;
  const normalised = do_normalize !== false && image_mean !== undefined && image_std !== undefined;
  return {
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(sides && { sides }),
    scale: do_rescale === false ? 1 : (rescale_factor ?? 1 / 255),
    mean: normalised ? image_mean : [0, 0, 0],
    std: normalised ? image_std : [1, 1, 1],
  };
}

function sidesOf(shorter: number | undefined, longer: number | undefined): HubInput['sides'] {
  return shorter === undefined || longer === undefined ? undefined : { shorter, longer };
}
