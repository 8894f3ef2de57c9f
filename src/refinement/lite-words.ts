import type { Expression } from '../language/expression.js';

/** Rows of the embedding before those of known words: 0 for any word, then one a hash bucket. */
const BUCKETS = 32;
const FIRST_KNOWN = 1 + BUCKETS;

/** Longer expressions are read up to here. */
const WORD_LIMIT = 24;

/** Numbers a word beside its embedding. */
export const WORD_FEATURE_NAMES = [
  'head',
  'attribute',
  'selector',
  'relation',
  'landmark',
  'leftover',
  'position',
] as const;

/** The words of one expression as the policy takes them. */
export interface LiteWords {
  /** [w]: rows of the embedding. */
  readonly words: Int32Array;
  /** [w, {@link WORD_FEATURE_NAMES}], each 0..1. */
  readonly wordFeatures: Float32Array;
}

/** The words that a refiner knows one by one. All others share hash buckets. */
export class Vocabulary {
  /** Sorted. */
  readonly words: readonly string[];
  readonly #rows: ReadonlyMap<string, number>;

  constructor(words: Iterable<string>) {
    this.words = [...new Set(words)].sort();
    this.#rows = new Map(this.words.map((word, at) => [word, FIRST_KNOWN + at]));
  }

  /** Words that at least `least` of the expressions hold. */
  static of(expressions: Iterable<Expression>, least = 2): Vocabulary {
    const counts = new Map<string, number>();
    for (const { words } of expressions) {
      for (const word of new Set(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return new Vocabulary([...counts].filter(([, count]) => count >= least).map(([word]) => word));
  }

  /** Rows of the embedding. */
  get size(): number {
    return FIRST_KNOWN + this.words.length;
  }

  /** Row of a word, never 0. */
  rowOf(word: string): number {
    return this.#rows.get(word) ?? 1 + (hashOf(word) % BUCKETS);
  }
}

/** FNV-1a over UTF-16 units, 32 bits: the same on every machine. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < word.length; at++) {
    hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}

/** Rows and roles of the words of an expression. */
export function liteWords(expression: Expression, vocabulary: Vocabulary): LiteWords {
  const words = expression.words.slice(0, WORD_LIMIT);
  const roles = rolesOf(expression);
  const width = WORD_FEATURE_NAMES.length;
  const rows = new Int32Array(words.length);
  const wordFeatures = new Float32Array(words.length * width);
  for (const [at, word] of words.entries()) {
    rows[at] = vocabulary.rowOf(word);
    for (const [place, role] of roles.entries()) {
      wordFeatures[at * width + place] = role.has(word) ? 1 : 0;
    }
    wordFeatures[at * width + roles.length] = at / WORD_LIMIT;
  }
  return { words: rows, wordFeatures };
}

/** Words of each role, in the order of {@link WORD_FEATURE_NAMES}. */
function rolesOf(expression: Expression): readonly ReadonlySet<string>[] {
  const { head, attributes, selectors, relations, leftovers } = expression;
  return [
    wordsIn(head === null ? [] : [head.phrase]),
    wordsIn(attributes.flatMap(({ word, bearer }) => (bearer ? [word, bearer] : [word]))),
    wordsIn(selectors.map(({ words }) => words)),
    wordsIn(relations.map(({ words }) => words)),
    wordsIn(relations.flatMap(({ landmarks }) => landmarks.map(({ text }) => text))),
    wordsIn(leftovers),
  ];
}

function wordsIn(texts: readonly string[]): ReadonlySet<string> {
  const words = new Set<string>();
  for (const text of texts) for (const word of text.split(' ')) words.add(word);
  return words;
}
