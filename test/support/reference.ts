import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedTensors } from '../../src/detect/family.js';
import type { ModelCard } from '../../src/formats/model-card.js';
import {
  findModel,
  furtherFiles,
  jsonObject,
  readFurther,
  readGraph,
  readVerified,
} from '../../src/runtime/model-store.js';
import { Sessions } from '../../src/runtime/sessions.js';

/** Models and expected numbers of `npm run reference`: the committed ones, or those that it has just made. */
export const REFERENCE = process.env.REFERENCE_MODELS ?? 'fixtures/reference';

/** Numbers as `scripts/reference/common.py` writes them. */
export interface Golden {
  readonly type: 'uint8' | 'float32' | 'int64';
  readonly dims: readonly number[];
  /** Base64 of little-endian bytes. */
  readonly data: string;
}

export function numbersOf({ type, data }: Golden): Uint8Array | Float32Array | BigInt64Array {
  const bytes = Uint8Array.from(Buffer.from(data, 'base64'));
  if (type === 'uint8') return bytes;
  return type === 'float32' ? new Float32Array(bytes.buffer) : new BigInt64Array(bytes.buffer);
}

/** How far lists of numbers are apart. @throws where they are of other lengths */
export function difference(
  a: ArrayLike<number | bigint>,
  b: ArrayLike<number | bigint>,
): { readonly most: number; readonly mean: number } {
  if (a.length !== b.length) throw new Error(`${a.length} numbers beside ${b.length}`);
  let most = 0;
  let sum = 0;
  for (let at = 0; at < a.length; at++) {
    const apart = Math.abs(Number(a[at]) - Number(b[at]));
    // Not a number is far from everything.
    most = apart <= most ? most : apart;
    sum += apart;
  }
  return { most, mean: sum / a.length };
}

/** The expected numbers of a model. */
export function goldenOf<Content>(name: string): Content {
  return JSON.parse(readFileSync(join(REFERENCE, name, 'golden.json'), 'utf8')) as Content;
}

/** A model of the reference with its sessions in this thread. */
export interface OpenedReference {
  readonly card: ModelCard;
  /** The file of the card; and another one of its files. */
  readonly run: (feeds: NamedTensors) => Promise<NamedTensors>;
  readonly runFile: (file: string, feeds: NamedTensors) => Promise<NamedTensors>;
  /** Content of `tokenizer.json`, where there is one. */
  readonly json: object;
}

/** Opens a model as a run does: verified, and written again. */
export async function openReference(name: string): Promise<OpenedReference> {
  const model = await findModel(join(REFERENCE, name));
  const { card } = model;
  const sessions = new Sessions();
  const load = async (file: string, bytes: SharedArrayBuffer): Promise<void> => {
    await sessions.load({ model: file, bytes, device: { name: 'cpu' }, threads: 1 });
  };
  await load(card.file, (await readVerified(model)).bytes);
  const files = furtherFiles(card).map(({ file }) => file);
  for (const file of files.filter((one) => one.endsWith('.onnx'))) {
    await load(file, (await readGraph(model, file)).bytes);
  }
  const hasTokens = files.includes('tokenizer.json');
  return {
    card,
    run: (feeds) => sessions.run(card.file, feeds),
    runFile: (file, feeds) => sessions.run(file, feeds),
    json: hasTokens ? jsonObject(await readFurther(model, 'tokenizer.json')) : {},
  };
}
