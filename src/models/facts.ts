import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import type { ImageSize } from '../core/box.js';
import { printable, quoted, VgrError } from '../core/error.js';
import { isFile } from '../core/files.js';
import { parsedJson, sha256Of } from '../core/text.js';
import type { DetectorCard, ModelCard } from '../formats/model-card.js';
import { besidePath, externalPath, type OnnxFile, readOnnx } from '../runtime/model-store.js';
import { type LabelFile, parseLabelFile } from './label-list.js';

/** A graph's file, read whole. */
export interface GraphFile extends OnnxFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly sha256: string;
  /** Files to which it moved weights: as a card names them, and as the graph does. */
  readonly external: readonly {
    readonly pinned: NonNullable<ModelCard['external']>[number];
    readonly location: string;
    readonly content: Uint8Array;
  }[];
}

/** What a model's file and the files beside it say, whatever its kind. */
export interface ModelFacts extends GraphFile {
  /** Names of its labels: of the graph's metadata, else of `config.json`. */
  readonly names?: LabelFile;
  /** Of `preprocessor_config.json`. */
  readonly hub?: ReturnType<typeof parsePreprocessor>;
  /** `model_type` of `config.json`. */
  readonly modelType?: string;
  /** Of the raster, where the exporter wrote it into the graph. */
  readonly size?: ImageSize;
  readonly licence?: string;
  readonly description?: string;
}

/** Names of the image tower in a folder of the hub's layout, the likeliest first. */
const IMAGE_TOWERS = [
  'vision_model.onnx',
  'onnx/vision_model.onnx',
  'model.onnx',
  'onnx/model.onnx',
];

/**
 * The file that a path means: itself, or the image tower in a folder of the hub's layout.
 * @throws VgrError MODEL_MISSING for a folder without one
 */
export async function modelFileAt(path: string): Promise<string> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  if (!isFolder || path.endsWith('.onnx')) return path;
  const found = IMAGE_TOWERS.map((name) => join(path, name)).find(isFile);
  if (found) return found;
  throw new VgrError(
    'MODEL_MISSING',
    `${quoted(path)}: expected an ONNX file, or a folder with ${IMAGE_TOWERS.slice(0, 2).join(' or ')}, got neither`,
  );
}

/** @throws VgrError MODEL_MISSING, MODEL_CORRUPT */
export async function readModelFacts(path: string): Promise<ModelFacts> {
  const graph = await readGraph(path);
  const { metadata } = graph.outline;
  const config = `${(await readBeside(path, 'config.json')) ?? ''}`;
  const hub = `${(await readBeside(path, 'preprocessor_config.json')) ?? ''}`;
  const type = (parsedJson(config) as { readonly model_type?: unknown } | null | undefined)
    ?.model_type;
  const written = metadata.names ?? metadata.class_names;
  const names = written === undefined ? undefined : parseLabelFile(written);
  // Any file may be beside a model under that name.
  const beside = config.includes('"id2label"') ? parseLabelFile(config) : undefined;
  return {
    ...graph,
    names: names ?? beside,
    hub: parsePreprocessor(parsedJson(hub)),
    modelType: typeof type === 'string' ? type : undefined,
    size: sizeOf(metadata.imgsz),
    licence: text(metadata.license),
    description: text(metadata.description),
  };
}

/** The content of a file beside a model or one folder above it; undefined where none can be read. */
export async function readBeside(weights: string, name: string): Promise<Buffer | undefined> {
  const path = besidePath(weights, name);
  return path === undefined ? undefined : readFile(path).catch(() => undefined);
}

/** @throws VgrError MODEL_MISSING, MODEL_CORRUPT */
export async function readGraph(path: string): Promise<GraphFile> {
  const missing = (why: string, cause?: unknown): VgrError =>
    new VgrError('MODEL_MISSING', `${quoted(path)}: ${why}`, {
      hint: 'name the ONNX file, or a folder with vision_model.onnx: `vgr models add FILE`',
      cause,
    });
  // A pipe would be waited for.
  const there = await stat(path).catch(() => undefined);
  if (there?.isFile() === false) throw missing('expected a file, got something else');
  const content = await readFile(path).catch((thrown: NodeJS.ErrnoException) => {
    const { code, message } = thrown;
    throw missing(code === 'ENOENT' ? 'no such file' : printable(message), thrown);
  });
  const { outline, embed } = await readOnnx(content, path);
  const external: GraphFile['external'][number][] = [];
  for (const location of outline.externalFiles) {
    const from = await externalPath(location, path);
    const moved = await readFile(from).catch(() => {
      throw new VgrError(
        'MODEL_MISSING',
        `${quoted(path)} keeps weights in ${quoted(location)}, which is not beside it`,
        { hint: 'copy both files; they belong together' },
      );
    });
    const pinned = { file: basename(from), sha256: sha256Of(moved), bytes: moved.length };
    external.push({ pinned, location, content: moved });
  }
  return { path, outline, embed, content, sha256: sha256Of(content), external };
}

/** A model's name from its file's: `YOLO11n.onnx` is `yolo11n`; `NAME/onnx/model.onnx`, as on the hub, is `NAME`. */
export function nameOfFile(path: string): string {
  const generic = /^(?:model|vision_model|onnx|weights)(?:[_-]\w+)?$/i;
  let at = resolve(path).replace(/\.onnx$/i, '');
  while (generic.test(basename(at)) && dirname(at) !== at) at = dirname(at);
  const name = basename(at)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return name === '' ? 'model' : name;
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

const side = z.int().positive();
const triple = z.tuple([z.number(), z.number(), z.number()]);

const preprocessor = z.object({
  size: z
    .union([
      side,
      z.object({
        width: side.optional(),
        height: side.optional(),
        shortest_edge: side.optional(),
        longest_edge: side.optional(),
      }),
    ])
    .optional(),
  do_rescale: z.boolean().optional(),
  rescale_factor: z.number().positive().optional(),
  do_normalize: z.boolean().optional(),
  image_mean: triple.optional(),
  image_std: triple.optional(),
});

const AS_THEY_ARE: Pick<DetectorCard['input'], 'mean' | 'std'> = {
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

/**
 * Size and normalisation in a `preprocessor_config.json`; undefined where it cannot be read. A model that scales the shorter
 * side to a length gets a square of it.
 */
export function parsePreprocessor(json: unknown) {
  const result = preprocessor.safeParse(json);
  if (!result.success) return undefined;
  const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = result.data;
  const { size: given = {} } = result.data;
  const size = typeof given === 'number' ? { shortest_edge: given } : given;
  const { shortest_edge: shorter, longest_edge: longer } = size;
  const { width = shorter, height = shorter } = size as Partial<ImageSize>;
  const normalised = do_normalize !== false && image_mean && image_std;
  return {
    width,
    height,
    /** Where the size depends on the photo: length of the shorter side, and limit of the longer one, pixels. */
    sides: shorter === undefined || longer === undefined ? undefined : { shorter, longer },
    scale: do_rescale === false ? 1 : (rescale_factor ?? 1 / 255),
    ...(normalised ? { mean: image_mean, std: image_std } : AS_THEY_ARE),
  };
}
