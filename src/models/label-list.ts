import { parse as parseYaml } from 'yaml';
import { printable } from '../core/error.js';
import { parsedJson } from '../core/text.js';
import { type Category, COCO_BY_ID, COCO_CATEGORIES } from '../formats/coco.js';
import type { DetectorCard } from '../formats/model-card.js';

/** Names of classes 0, 1, ... in order; undefined where a number stands for nothing. */
export type LabelNames = readonly (string | undefined)[];

/** What a label file says. */
export interface LabelFile {
  /** In the order of their numbers, or of the file where it has none. */
  readonly names: LabelNames;
  /** The number of each name, rising; absent where the file lists names alone. */
  readonly numbers?: readonly number[];
  /** Whether the numbers are those of a COCO file's categories: a graph may count by them, or by their order. */
  readonly isCoco?: boolean;
}

/** Names that other label sets have for COCO's categories, as in the VOC spelling of Hugging Face's configurations. */
const COCO_ALIASES: Readonly<Record<string, string>> = {
  aeroplane: 'airplane',
  motorbike: 'motorcycle',
  sofa: 'couch',
  tvmonitor: 'tv',
  hairdryer: 'hairdrier',
};
const MAX_NUMBER = 99_999;

/**
 * Reads a label file: JSON (a list of names, an object from number to name, `{"id2label": ...}` as in a `config.json`, or a COCO
 * file with its `categories`), the same as a Python literal, YAML with `names` (Ultralytics' data.yaml), TensorFlow's pbtxt,
 * lines such as `7 cat`, or one name a line.
 * @returns undefined where there are no names
 */
export function parseLabelFile(file: string): LabelFile | undefined {
  // Editors of Windows put a mark of the byte order first.
  const text = file.replace(/^\uFEFF/, '');
  const json = parsedJson(text);
  if (json !== undefined) return inData(json);
  if (/^\s*[{[]/.test(text)) return inPython(text);
  if (/^\s*item\s*\{/m.test(text)) return inPbtxt(text);
  if (/^names\s*:/m.test(text)) return inYaml(text);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  const entries = lines.filter(Boolean).map((line) => /^(\d{1,5})\s*[\s:,;]\s*(\S.*)$/.exec(line));
  const numbers = new Set(entries.map((entry) => entry?.[1]));
  if (entries.length > 1 && !numbers.has(undefined) && numbers.size === entries.length) {
    return numbered(entries.map((entry) => [Number(entry![1]), entry![2]!]));
  }
  return listed(lines);
}

/** The names in a Python dict or list literal, as Ultralytics writes them into a graph: `{0: 'person', 1: 'bicycle'}`. */
function inPython(text: string): LabelFile | undefined {
  const entry = /(?:(\d{1,5})\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/gs;
  const entries = [...text.matchAll(entry)].map(
    ([, number, single, double]): [number | undefined, string] => [
      number === undefined ? undefined : Number(number),
      (single ?? double ?? '').replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))/gis, unescaped),
    ],
  );
  return entries.every(([number]) => number === undefined)
    ? listed(entries.map(([, name]) => name))
    : numbered(entries.filter((each): each is [number, string] => each[0] !== undefined));
}

const unescaped = (_: string, byte?: string, unit?: string, character = ''): string => {
  if (byte ?? unit) return String.fromCharCode(Number.parseInt((byte ?? unit)!, 16));
  return { n: '\n', t: '\t', r: '\r' }[character] ?? character;
};

function inPbtxt(text: string): LabelFile | undefined {
  const entries = [...text.matchAll(/item\s*\{([^{}]*)\}/g)].map(([, item]): [number, string] => {
    const field = (name: string) =>
      new RegExp(`\\b${name}\\s*:\\s*(?:"([^"]*)"|'([^']*)'|(\\d+))`).exec(item!)?.slice(1);
    const name = field('display_name') ?? field('name');
    return [Number(field('id')?.find(Boolean) ?? -1), name?.find(Boolean) ?? ''];
  });
  return numbered(entries);
}

function inYaml(text: string): LabelFile | undefined {
  try {
    return inData((parseYaml(text) as { names?: unknown } | null)?.names);
  } catch {
    return undefined;
  }
}

function inData(data: unknown): LabelFile | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { id2label, categories, names } = data as Record<string, unknown>;
  if (Array.isArray(data)) {
    const isCategories = data.length > 0 && data.every((item) => Number.isInteger(item?.id));
    return isCategories ? inCategories(data) : listed(data.map(nameOf));
  }
  if (Array.isArray(categories)) return inCategories(categories);
  if (typeof names === 'object') return inData(names);
  const entries = Object.entries(id2label ?? data).filter(
    (entry): entry is [string, string] =>
      /^\d{1,5}$/.test(entry[0]) && typeof entry[1] === 'string',
  );
  return numbered(entries.map(([number, name]) => [Number(number), name]));
}

const nameOf = (item: unknown): string | undefined =>
  typeof item === 'string' ? item : (item as { name?: unknown } | null)?.name?.toString();

function inCategories(categories: readonly unknown[]): LabelFile | undefined {
  const entries = categories.map((item): [number, string] => [
    Number((item as { id?: unknown } | null)?.id ?? -1),
    nameOf(item) ?? '',
  ]);
  const read = numbered(entries);
  return read && { ...read, isCoco: true };
}

function numbered(entries: readonly (readonly [number, string])[]): LabelFile | undefined {
  const known = entries
    .filter(([number]) => Number.isInteger(number) && number >= 0 && number <= MAX_NUMBER)
    .toSorted(([a], [b]) => a - b);
  const read = listed(known.map(([, name]) => name));
  return read && { ...read, numbers: known.map(([number]) => number) };
}

function listed(names: readonly (string | undefined)[]): LabelFile | undefined {
  const clean = names.map((name) => {
    const text = name === undefined ? '' : printable(name).trim();
    return text === '' || /^n\/?a$/i.test(text) ? undefined : text;
  });
  return clean.some((name) => name !== undefined) ? { names: clean } : undefined;
}

/** The names by their numbers, from 0; undefined for numbers that have none. */
export function namesByNumber({ names, numbers }: LabelFile): LabelNames {
  if (!numbers) return names;
  const placed: (string | undefined)[] = [];
  numbers.forEach((number, index) => {
    placed[number] = names[index];
  });
  return Array.from(placed);
}

/** How a graph numbers its classes. */
export interface ClassCount {
  /** By the shape of the outputs; undefined where these list finished boxes. */
  readonly classes: number | undefined;
  /** Where the names of such outputs tell. */
  readonly countsFrom?: 0 | 1;
  /** Whether each class has a logit of its own, of which some may stand for nothing. */
  readonly hasSpareLogits?: boolean;
}

/** Names of classes from `firstClass` on. */
export interface ClassNames {
  readonly names: LabelNames;
  readonly firstClass?: 1;
}

/**
 * Which class has which name. RF-DETR counts by the ids of its data set or from 1, YOLO and others from 0 in the order of the ids,
 * TensorFlow and torchvision from 1.
 * @returns undefined where the numbers of names and classes do not go together; `ambiguous` where both 0 and 1 may be the first
 */
export function classNames(
  file: LabelFile,
  count: ClassCount,
): ClassNames | 'ambiguous' | undefined {
  const { names, numbers, isCoco = false } = file;
  const { classes, countsFrom, hasSpareLogits = false } = count;
  const placed = namesByNumber(file);
  if (classes === undefined) {
    if (numbers && (!isCoco || countsFrom === 1)) return { names: placed };
    const isFromOne = countsFrom === 1 && !/^_*background_*$/i.test(names[0] ?? 'background');
    return isFromOne ? { names, firstClass: 1 } : { names };
  }
  if (classes === names.length && (isCoco || !numbers || placed.length > classes)) return { names };
  if (numbers && placed.length <= classes) return { names: filled(placed, classes) };
  if (!hasSpareLogits || numbers) return undefined;
  if (classes === names.length + 1) return 'ambiguous';
  return classes === names.length + 2
    ? { names: filled([undefined, ...names], classes) }
    : undefined;
}

function filled(names: LabelNames, length: number): LabelNames {
  return Array.from({ length }, (_, index) => names[index]);
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
