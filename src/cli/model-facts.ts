import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { type GraphInputs, readInputs } from '../detection/graph-inputs.js';
import { printable, quoted, VgrError } from '../formats/fault.js';
import { type HubInput, parsePreprocessor } from '../formats/hub-config.js';
import { type LabelNames, parseLabelFile, parsePythonNames } from '../formats/label-list.js';
import type { ModelCard } from '../formats/model-card.js';
import type { OnnxOutline } from '../formats/onnx-outline.js';
import type { ImageSize } from '../geometry/box.js';
import { readBeside } from '../io/model-install.js';
import { embedded, externalPath, readOutline, toShared } from '../io/model-weights.js';

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
