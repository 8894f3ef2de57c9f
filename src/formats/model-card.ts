import { z } from 'zod';
import { type Category, COCO_CATEGORIES } from './coco-categories.js';

/** Families whose input packing and output decoding are known, with the outputs that decoding reads, by role. */
const FAMILY_ROLES = {
  centernet: ['scores', 'sides'],
  'nanodet-plus': ['predictions'],
  picodet: ['scores', 'distances'],
  yolox: ['predictions'],
} as const;

export type DetectorFamilyName = keyof typeof FAMILY_ROLES;

const FAMILY_NAMES = Object.keys(FAMILY_ROLES) as DetectorFamilyName[];

const text = z.string().min(1);
const positiveInteger = z.int().positive();
const fraction = z.number().min(0).max(1);
const triple = z.tuple([z.number(), z.number(), z.number()]);

/** Where the weights come from: a file of an npm package, from which the build makes them, or an address to load them from. */
const source = z.union([
  z.strictObject({ package: text, version: text, path: text }),
  z.strictObject({ url: z.url({ protocol: /^https$/ }), revision: text }),
]);

/**
 * What the graph takes. A value that goes in is `(pixel * scale - mean[c]) / std[c]`, with channel c in the order of
 * `channels`; a graph of type `uint8` takes pixels as they are.
 */
const input = z.strictObject({
  name: text,
  type: z.enum(['uint8', 'float32']),
  layout: z.enum(['nhwc', 'nchw']),
  width: positiveInteger,
  height: positiveInteger,
  /** `any`: the batch dimension is free; 1: one photo a run. */
  batch: z.union([z.literal('any'), z.literal(1)]),
  fit: z.enum(['stretch', 'letterbox', 'letterbox-centre']),
  fill: z.int().min(0).max(255),
  channels: z.enum(['rgb', 'bgr']),
  scale: z.number().positive(),
  mean: triple,
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
});

const decoding = z.strictObject({
  /** Lowest score that counts unless the user says otherwise. */
  minScore: fraction,
  maxDetections: positiveInteger,
  /** IoU from which the weaker of two boxes of one label is dropped; null where the family needs no suppression. */
  nmsIou: fraction.nullable(),
  /** Input pixels per cell of each head, in the order of the outputs. */
  strides: z.array(positiveInteger).min(1),
});

const labels = z.union([
  z.literal('coco-80'),
  z.array(z.strictObject({ id: z.int().min(0), name: text })).min(1),
]);

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const detectorCard = z
  .strictObject({
    schema: z.literal(1),
    kind: z.literal('detector'),
    /** The folder's name, and what `--detector` takes. */
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
    family: z.enum(FAMILY_NAMES),
    title: text,
    /** File name of the weights, inside the card's folder. */
    file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
    sha256,
    bytes: positiveInteger,
    /** Other exports of the same weights with the same inputs and outputs, which are taken as well. */
    alternates: z.array(z.strictObject({ sha256, publisher: text })).optional(),
    licence: text,
    citation: text,
    source,
    input,
    /** Names of the graph's outputs by what they hold; which roles there are is the family's matter. */
    outputs: z.record(z.string(), z.array(text).min(1)),
    decoding,
    labels,
  })
  .superRefine(({ family, outputs }, context) => {
    for (const role of FAMILY_ROLES[family]) {
      if (role in outputs) continue;
      context.addIssue({
        code: 'custom',
        path: ['outputs', role],
        message: `names of outputs, as family ${family} reads them`,
      });
    }
  });

const modelCard = z.discriminatedUnion('kind', [detectorCard]);

/** A detector's `card.json`. */
export type DetectorCard = Readonly<z.output<typeof detectorCard>>;
export type ModelCard = Readonly<z.output<typeof modelCard>>;

/** One thing that is wrong with a card. */
export interface CardFault {
  /** Where, such as `input.mean[2]`; empty for the card as a whole. */
  readonly path: string;
  readonly expected: string;
  /** The value there, as JSON of at most 60 characters, or `nothing`. */
  readonly got: string;
}

export type CardResult =
  | { readonly ok: true; readonly card: ModelCard }
  | { readonly ok: false; readonly faults: readonly CardFault[] };

/** Reads a card from its parsed JSON. Never throws. */
export function parseModelCard(json: unknown): CardResult {
  const parsed = modelCard.safeParse(json, { reportInput: true });
  if (parsed.success) return { ok: true, card: parsed.data };
  return { ok: false, faults: parsed.error.issues.flatMap((issue) => faultsOf(issue, json, [])) };
}

/** Whether a file with this checksum holds the card's weights. */
export function holdsWeightsOf(card: ModelCard, checksum: string): boolean {
  return (
    card.sha256 === checksum || (card.alternates ?? []).some(({ sha256 }) => sha256 === checksum)
  );
}

/** The label set of a detector: the category of class index 0, 1, ... */
export function categoriesOf(card: DetectorCard): readonly Category[] {
  return card.labels === 'coco-80' ? COCO_CATEGORIES : card.labels;
}

type Path = readonly PropertyKey[];

/** A union that no member fits is told by the member that got furthest; where none accepts the type, by all of them. */
function faultsOf(issue: z.core.$ZodIssue, json: unknown, above: Path): CardFault[] {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inside = issue.errors.filter((member) => member.every(({ path }) => path.length > 0));
    const nearest = inside.toSorted((a, b) => a.length - b.length)[0];
    if (nearest) return nearest.flatMap((inner) => faultsOf(inner, json, path));
    const expected = issue.errors.flat().filter((inner) => inner.path.length === 0);
    return [fault(path, [...new Set(expected.map(expectation))].join(' or '), json)];
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => fault([...path, key], 'no such field', json));
  }
  return [fault(path, expectation(issue), json)];
}

function fault(path: Path, expected: string, json: unknown): CardFault {
  return { path: pathText(path), expected, got: valueText(valueAt(json, path)) };
}

function pathText(path: Path): string {
  return path.reduce<string>((whole, part) => {
    if (typeof part === 'number') return `${whole}[${part}]`;
    return whole === '' ? String(part) : `${whole}.${String(part)}`;
  }, '');
}

function valueAt(json: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
    json,
  );
}

function valueText(value: unknown): string {
  if (value === undefined) return 'nothing';
  const whole = JSON.stringify(value) ?? typeof value;
  return whole.length <= 60 ? whole : `${whole.slice(0, 57)}...`;
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'int'
        ? 'an integer'
        : `${article(issue.expected)}${issue.expected}`;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_union':
      return issue.discriminator === 'kind' ? '"detector"' : 'another form';
    case 'too_small':
      return `${bounded(issue.origin)} ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `${bounded(issue.origin)} of at most ${issue.maximum}`;
    case 'invalid_format':
      return issue.format === 'url'
        ? 'an https address'
        : `text like ${issue.pattern ?? issue.format}`;
    case 'custom':
      return issue.message;
    default:
      return 'another value';
  }
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? 'an ' : 'a ';
}

function bounded(origin: string): string {
  if (origin === 'string') return 'text of a length';
  if (origin === 'array') return 'a list of a length';
  return 'a number';
}
