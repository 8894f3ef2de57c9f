import type { Expression, HeadNoun } from './expression.js';
import {
  labelNames,
  looksLikePerson,
  type Pointer,
  type PointerKind,
  pointersOf,
} from './lexicon.js';
import { singularOf } from './morphology.js';
import { labelsAskedFor } from './purpose.js';
import { Recent } from './recent.js';
import { isKnown } from './spelling.js';

/** How well a label of a detector names what an expression is about. */
interface Denotation {
  /** 0..1; 1 where the noun is the label itself. */
  readonly weight: number;
  readonly kind: PointerKind;
}

/** Label, as the detector writes it, to how well it names the head. Labels that do not fit are left out. */
export type Denotations = ReadonlyMap<string, Denotation>;

/** A kind stated by the noun, of which the label is only one sort: "car" where the label is "taxi". */
const NARROWER_LABEL = 0.8;
/** The noun's last word alone is the label: "race car" for "car", but "toy car" too. */
const LAST_WORD = 0.9;
/** "dog petter", "drummer": persons by the look of the word. */
const AGENT_WEIGHT = 0.4;

/** "Traffic_Light" and "traffic lights" are `traffic light`. */
function plainName(name: string): string {
  const words = name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .split(' ');
  return [...words.slice(0, -1), singularOf(words.at(-1) ?? '')].join(' ');
}

/** Pointers of the longest known name that ends the noun: "kitchen sink" points where "sink" does. */
function pointersByEnd(noun: string): readonly Pointer[] {
  const words = noun.split(' ');
  for (let from = 0; from < words.length; from++) {
    const pointers = pointersOf(words.slice(from).join(' '));
    if (pointers.length > 0) return pointers;
  }
  return looksLikePerson(words.at(-1) ?? '')
    ? [{ label: 'person', kind: 'hyponym', weight: AGENT_WEIGHT }]
    : [];
}

/** What a detector's label stands for in COCO's words: "sofa" is `couch` itself, "taxi" a kind of `car`. */
function labelPointer(label: string): Pointer | null {
  const clear = (pointers: readonly Pointer[]) =>
    pointers.find(({ weight, kind }) => weight >= 0.7 && kind !== 'worn');
  const words = label.split(' ');
  const whole = clear(pointersByEnd(label));
  if (whole !== undefined) return whole;
  // Tools that read expressions label boxes with pieces of them: "person bottom".
  return (
    words.map((word) => clear(pointersOf(word))).find((pointer) => pointer !== undefined) ?? null
  );
}

function throughLexicon(pointers: readonly Pointer[], target: Pointer | null): Denotation | null {
  if (target === null) return null;
  const pointer = pointers.find((candidate) => candidate.label === target.label);
  if (pointer === undefined) return null;
  const sameThing = target.kind === 'exact' || target.kind === 'synonym';
  if (sameThing) return { weight: pointer.weight, kind: pointer.kind };
  // Two sorts of one thing ("jeep", "taxi") exclude each other; the thing itself covers its sorts.
  const covers = pointer.kind === 'exact' || pointer.kind === 'synonym';
  return covers ? { weight: pointer.weight * NARROWER_LABEL, kind: 'hypernym' } : null;
}

/** What is known of a detector's label, whatever the noun. */
interface KnownLabel {
  readonly name: string;
  readonly target: Pointer | null;
}

/** Detectors have few labels; tools that read expressions make up new ones. */
const LABELS = new Recent<KnownLabel>(1024);

function knownLabel(label: string): KnownLabel {
  return LABELS.of(label, () => {
    const name = plainName(label);
    return { name, target: name === '' ? null : labelPointer(name) };
  });
}

function denote(noun: string, pointers: readonly Pointer[], label: string): Denotation | null {
  const { name, target } = knownLabel(label);
  if (name === '') return null;
  if (name === noun) return { weight: 1, kind: 'exact' };
  const known = throughLexicon(pointers, target);
  if (known !== null) return known;
  // A piece of the expression that the lexicon does not know: "left lion" is a lion.
  if (target === null && ` ${name} `.includes(` ${noun} `)) {
    return { weight: LAST_WORD, kind: 'exact' };
  }
  if (pointersOf(noun).length > 0) return null;
  const last = noun.split(' ').at(-1) ?? '';
  return last === name ? { weight: LAST_WORD, kind: 'hyponym' } : null;
}

/**
 * How well each label of a detector names the head noun. Any set of labels will do: equal names first, plural or not, then
 * the lexicon, then the noun's last word. Empty where there is no noun or it names nothing the detector knows; the caller
 * says so. For "the left jeep" and the labels `car`, `dog` it is `car` with weight 1, a hyponym.
 */
export function denotationsOf(
  expression: Pick<Expression, 'head' | 'deniedKinds' | 'exceptions'>,
  labels: Iterable<string>,
): Denotations {
  const { head } = expression;
  if (head === null) return new Map();
  const found = namedBy(head, labels);
  const denied = labelsDenied(expression, found.keys());
  if (denied.size === 0) return found;
  return new Map([...found].filter(([label]) => !denied.has(label)));
}

function namedBy(head: HeadNoun, labels: Iterable<string>): Map<string, Denotation> {
  const found = new Map<string, Denotation>();
  const noun = plainName(head.lemma);
  const pointers = pointersByEnd(head.lemma);
  for (const label of labels) {
    const denotation = denote(noun, pointers, label);
    if (denotation !== null) found.set(label, denotation);
  }
  return found;
}

/** A noun that may mean a label among others does not deny it: "not a bat" is no word on birds. */
const DENYING_WEIGHT = 0.5;

/**
 * Labels that the expression says its thing is not: `car` for "vehicle that isn't a car". Empty where that would leave none of
 * them: labels cannot tell "the person who is not a child".
 */
export function labelsDenied(
  expression: Pick<Expression, 'deniedKinds' | 'exceptions'>,
  labels: Iterable<string>,
): ReadonlySet<string> {
  const deniedKinds = [...expression.deniedKinds, ...expression.exceptions.flatMap(wholeKind)];
  if (deniedKinds.length === 0) return NONE;
  const all = [...labels];
  const denied = deniedKinds.flatMap((kind) =>
    [...namedBy(kind, all)].filter(([, { weight }]) => weight >= DENYING_WEIGHT),
  );
  const found = new Set(denied.map(([label]) => label));
  return found.size < all.length ? found : NONE;
}

/** "everything but the birds" leaves out a kind; "everything but the red birds" some of it. */
function wholeKind({ head, attributes, selectors, relations }: Expression): HeadNoun[] {
  const closer = attributes.length + selectors.length + relations.length > 0;
  return head === null || closer ? [] : [head];
}

const NONE: ReadonlySet<string> = new Set();

/**
 * The same, and for a question that names nothing the labels that it may ask for: "What can I sit on?" is `chair`, `bench`,
 * `couch`. A tool that looks for named things cannot be asked so; {@link denotationsOf} is what it is held to.
 */
export function meaningsOf(expression: Expression, labels: Iterable<string>): Denotations {
  if (expression.head !== null) return denotationsOf(expression, labels);
  const asked = labelsAskedFor(expression);
  if (asked.size === 0) return new Map();
  const found = new Map<string, Denotation>();
  for (const label of labels) {
    const weight = asked.get(knownLabel(label).target?.label ?? '');
    if (weight !== undefined) found.set(label, { weight, kind: 'hypernym' });
  }
  return found;
}

/**
 * What is known of the noun that names the thing. `unnamed`: there is none. `named`: a label says the same. `narrower`: it is a
 * sort of what the label says ("jeep" of car). `wider`: it holds the label and others ("vehicle"). `worn`: only a garment or part
 * that points at who has it. `other-kind`: English for a thing that no label names. `no-word`: no English word.
 */
export interface HeadKnowledge {
  readonly kind: 'unnamed' | 'named' | 'narrower' | 'wider' | 'worn' | 'other-kind' | 'no-word';
  /** The label that the noun names best; null where none does. */
  readonly label: string | null;
  /** How well, 0..1. */
  readonly weight: number;
}

const KNOWLEDGE_OF: Readonly<Record<PointerKind, HeadKnowledge['kind']>> = {
  exact: 'named',
  synonym: 'named',
  hyponym: 'narrower',
  hypernym: 'wider',
  worn: 'worn',
};

/** How the head noun stands to the labels that a detector can give (COCO's by default), whatever it found in a photo. */
export function headKnowledge(
  { head }: Pick<Expression, 'head'>,
  labels?: Iterable<string>,
): HeadKnowledge {
  if (head === null) return { kind: 'unnamed', label: null, weight: 0 };
  if (labels !== undefined) return knowledgeAmong(head, labels);
  return KNOWLEDGE.of(head.lemma, () => knowledgeAmong(head, labelNames()));
}

/** Of COCO's labels, by lemma. */
const KNOWLEDGE = new Recent<HeadKnowledge>(4096);

function knowledgeAmong(head: HeadNoun, labels: Iterable<string>): HeadKnowledge {
  const named = [...namedBy(head, labels)].sort(([, a], [, b]) => b.weight - a.weight)[0];
  if (named !== undefined) {
    const [label, { kind, weight }] = named;
    return { kind: KNOWLEDGE_OF[kind], label, weight };
  }
  const known = head.lemma.split(' ').every(isKnown);
  return { kind: known ? 'other-kind' : 'no-word', label: null, weight: 0 };
}
