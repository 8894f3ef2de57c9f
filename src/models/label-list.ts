import { printable } from '../core/error.js';
import { parsedJson } from '../core/text.js';
import { type Category, COCO_BY_ID, COCO_CATEGORIES } from '../formats/coco.js';
import type { DetectorCard } from '../formats/model-card.js';

/** Names of classes 0, 1, ... in order; undefined where a number stands for nothing. */
export type LabelNames = readonly (string | undefined)[];

/** Names that other label sets have for COCO's categories, as in the VOC spelling of Hugging Face's configurations. */
const COCO_ALIASES: Readonly<Record<string, string>> = {
  aeroplane: 'airplane',
  motorbike: 'motorcycle',
  sofa: 'couch',
  tvmonitor: 'tv',
  hairdryer: 'hairdrier',
};

/**
 * The names in the text of a label file: JSON (a list of names, an object from number to name, `{"id2label": ...}` as in a
 * `config.json`, or the `categories` of a COCO file), the same as a Python literal, or one name a line.
 * @returns undefined where there are none
 */
export function parseLabelFile(file: string): LabelNames | undefined {
  // Editors of Windows put a mark of the byte order first.
  const text = file.replace(/^\uFEFF/, '');
  const json = parsedJson(text);
  if (json !== undefined) return namesInJson(json);
  if (/^\s*[{[]/.test(text)) return parsePythonNames(text);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  return tidied(lines);
}

/**
 * The names in a Python dict or list literal, as Ultralytics writes them into a graph: `{0: 'person', 1: 'bicycle'}`.
 * @returns undefined where there are none
 */
export function parsePythonNames(text: string): LabelNames | undefined {
  const names: (string | undefined)[] = [];
  const entry = /(?:(\d{1,5})\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/gs;
  for (const [, number, single, double] of text.matchAll(entry)) {
    const name = (single ?? double ?? '').replace(/\\(.)/gs, '$1');
    names[number === undefined ? names.length : Number(number)] = name;
  }
  return tidied(names);
}

function namesInJson(json: unknown): LabelNames | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { id2label, categories } = json as { id2label?: unknown; categories?: unknown };
  const list: unknown = Array.isArray(json) ? json : categories;
  if (Array.isArray(list)) {
    // Names, or COCO categories, whose ids `labelsField` gives again.
    return tidied(list.map((item) => (typeof item === 'string' ? item : item?.name?.toString())));
  }
  const names: (string | undefined)[] = [];
  for (const [key, name] of Object.entries(id2label ?? json)) {
    if (/^\d{1,5}$/.test(key) && typeof name === 'string') names[Number(key)] = name;
  }
  return tidied(names);
}

function tidied(names: readonly (string | undefined)[]): LabelNames | undefined {
  // A number without a name is a hole, which map() would skip.
  const clean = Array.from(names, (name) => {
    const text = name === undefined ? '' : printable(name).trim();
    return text === '' || /^n\/?a$/i.test(text) ? undefined : text;
  });
  return clean.some((name) => name !== undefined) ? clean : undefined;
}

/**
 * The `labels` of a card for these names: COCO's sets by their short names, others listed with ids from 1 on. A number that
 * stands for nothing is named after itself.
 */
export function labelsField(names: LabelNames): DetectorCard['labels'] {
  if (areNamesOf(names, COCO_CATEGORIES)) return 'coco-80';
  if (areNamesOf(names, COCO_BY_ID)) return 'coco-91';
  return Array.from(names, (name, index) => ({ id: index + 1, name: name ?? `class ${index}` }));
}

function areNamesOf(names: LabelNames, categories: readonly (Category | undefined)[]): boolean {
  const fits = (category: Category | undefined, index: number): boolean =>
    bare(category?.name) === bare(names[index]);
  return names.length === categories.length && categories.every(fits);
}

function bare(name: string | undefined): string {
  const letters = (name ?? '').toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return COCO_ALIASES[letters] ?? letters;
}
