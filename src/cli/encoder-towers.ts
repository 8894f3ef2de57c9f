import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ENCODER_FAMILIES, type EncoderCard } from '../formats/encoder-card.js';
import { quoted, VgrError } from '../formats/fault.js';
import type { OnnxOutline } from '../formats/onnx-outline.js';
import { externalPath, readOutline } from '../io/model-weights.js';
import { fileExists } from '../io/text-file.js';
import { sha256Of } from './versions.js';

/** A graph with its file. */
export interface Tower {
  readonly path: string;
  readonly outline: OnnxOutline;
  readonly sha256: string;
  readonly bytes: number;
}

/** Names of the image tower in a folder of the hub's layout, the likeliest first. */
const IMAGE_TOWERS = [
  'vision_model.onnx',
  'onnx/vision_model.onnx',
  'model.onnx',
  'onnx/model.onnx',
];

/**
 * The image tower that a path means: the file itself, or the one in a folder of the hub's layout. Undefined where it is no
 * image-text encoder.
 * @throws VgrError MODEL_MISSING for a folder without one, MODEL_CORRUPT
 */
export async function encoderAt(
  path: string,
  { family }: { readonly family?: string | undefined },
): Promise<Tower | undefined> {
  if (path.endsWith('.onnx')) {
    const tower = await readTower(path);
    const claimed = ENCODER_FAMILIES.some((each) => each === family);
    return tower && (claimed || looksLikeEncoder(tower)) ? tower : undefined;
  }
  if (!(await isFolder(path))) return undefined;
  const found = IMAGE_TOWERS.map((name) => join(path, name)).find(fileExists);
  if (found) return readTower(found);
  throw new VgrError(
    'MODEL_MISSING',
    `${quoted(path)}: expected an ONNX file, or a folder with ${IMAGE_TOWERS.slice(0, 2).join(' or ')}, got neither`,
  );
}

async function isFolder(path: string): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  return there?.isDirectory() ?? false;
}

async function readTower(path: string): Promise<Tower | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) return undefined;
  return {
    path,
    outline: readOutline(bytes, path),
    sha256: sha256Of(bytes),
    bytes: bytes.length,
  };
}

/** Detectors that are asked in words give embeddings too, beside their boxes. */
function looksLikeEncoder({ path, outline: { outputs } }: Tower): boolean {
  const names = new Set(outputs.map(({ name }) => name));
  if (names.has('pred_boxes')) return false;
  return names.has('image_embeds') || /^vision_model/.test(basename(path));
}

/**
 * The tower that reads texts: `text_model_quantized.onnx` beside `vision_model_quantized.onnx`.
 * @throws VgrError MODEL_MISSING, MODEL_CORRUPT
 */
export async function textTower({ path }: Tower): Promise<Tower> {
  const name = basename(path).replace(/^(?:vision_)?model/, 'text_model');
  const tower = await readTower(join(dirname(path), name));
  if (tower) return tower;
  throw missingBeside(path, name);
}

/** Says that a file of the encoder is not beside its image tower. */
export function missingBeside(path: string, name: string): VgrError {
  return new VgrError('MODEL_MISSING', `${quoted(name)} is not beside ${quoted(path)}`, {
    hint: 'an encoder is vision_model.onnx, text_model.onnx and tokenizer.json of one export',
  });
}

/** The files to which the towers moved weights. @throws VgrError MODEL_MISSING */
export async function externalFiles(
  towers: readonly Tower[],
): Promise<NonNullable<EncoderCard['external']>> {
  const found: { file: string; sha256: string; bytes: number }[] = [];
  for (const { path, outline } of towers) {
    for (const location of outline.externalFiles) {
      const bytes = await readFile(await externalPath(location, path)).catch(() => undefined);
      if (bytes === undefined) throw missingBeside(path, location);
      found.push({ file: basename(location), sha256: sha256Of(bytes), bytes: bytes.length });
    }
  }
  return found;
}
