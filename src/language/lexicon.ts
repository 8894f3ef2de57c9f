import { lazy } from '../core/lru.js';
import { WordFilter } from '../core/word-filter.js';
import { lexiconJson } from './lexicon.generated.js';
import { singularNoun } from './morphology.js';
import { wordSet } from './vocabulary.js';

/**
 * How a noun stands to a label. `exact`: the label itself. `synonym`: another word for it. `hyponym`: a kind of it ("jeep"
 * of car). `hypernym`: a class that holds it ("vehicle" of car). `worn`: a part or garment that points at its owner.
 */
export type PointerKind = 'exact' | 'synonym' | 'hyponym' | 'hypernym' | 'worn';

/** "`label` may be meant": weight 0..1, 1 where the noun can mean nothing else. */
export interface Pointer {
  readonly label: string;
  readonly kind: PointerKind;
  readonly weight: number;
}

interface LexiconFile {
  readonly labels: readonly string[];
  readonly steps: number;
  readonly groups: ReadonlyArray<
    readonly [ReadonlyArray<readonly [number, PointerKind, number]>, string]
  >;
  /** Single words that people use for things in photos. */
  readonly common: string;
  readonly adjectives: string;
  readonly verbs: string;
  readonly falseAgents: string;
  /** Bloom filter of English words, base64. */
  readonly words: string;
}

/** Unpacked on first use: about 15 ms that commands without expressions do not pay. */
const lexicon = lazy(() => {
  const { labels, steps, groups, words, ...lists } = JSON.parse(lexiconJson) as LexiconFile;
  const names = new Map<string, readonly Pointer[]>();
  for (const [packed, members] of groups) {
    const pointers = packed.map(([at, kind, weight]) => ({
      label: labels[at]!,
      kind,
      weight: weight / steps,
    }));
    for (const name of members.split('|')) names.set(name, pointers);
  }
  return {
    labels,
    names,
    common: lists.common.split('|'),
    adjectives: wordSet(lists.adjectives, '|'),
    verbs: wordSet(lists.verbs, '|'),
    falseAgents: wordSet(lists.falseAgents, '|'),
    words: new WordFilter(Buffer.from(words, 'base64')),
  };
});

/** The labels of COCO-80. */
export const labelNames = (): readonly string[] => lexicon().labels;

/** Single words that people call things in photos by: the words of the labels and of their everyday names. */
export const commonNames = (): readonly string[] => lexicon().common;

/**
 * Labels of COCO-80 that a noun may denote, heaviest first; empty where it denotes none of them. Lower case, singular or
 * plural, one to three words: "fire engines" points at truck.
 */
export function pointersOf(noun: string): readonly Pointer[] {
  const { names } = lexicon();
  return names.get(noun) ?? names.get(singularNoun(noun)) ?? [];
}

/** True where the word is an adjective at least as often as a noun. */
export const isAdjective = (word: string): boolean => lexicon().adjectives.has(word);

/** True where the word in its base form is a verb at least as often as a noun. */
export const isVerb = (word: string): boolean => lexicon().verbs.has(word);

/** True for what WordNet lists as a word, of any part of speech, in its base form. One other string in 300 passes too. */
export const isListed = (word: string): boolean => lexicon().words.has(word);

const AGENT_ENDING = /(?:[^aeiou](?:er|or)|ist)$/;

/** True for words no dictionary lists that look like who does something: "petter". "water" is listed, and no person. */
export function looksLikePerson(word: string): boolean {
  return AGENT_ENDING.test(word) && word.length > 4 && !lexicon().falseAgents.has(word);
}

/** True for "man", "skier", "crowd". */
export function isPerson(noun: string): boolean {
  const first = pointersOf(noun)[0];
  return first?.label === 'person' && first.kind !== 'worn' && first.weight >= 0.5;
}

const ANIMALS = wordSet(
  'person,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,teddy bear',
  ',',
);

/** True for persons and animals: what can hold, ride, look and wear. */
export function isAnimate(noun: string): boolean {
  const first = pointersOf(noun)[0];
  return first !== undefined && first.kind !== 'worn' && ANIMALS.has(first.label);
}

/** True for what is worn or part of a body: "shirt", "beard". */
export function isWorn(noun: string): boolean {
  return pointersOf(noun)[0]?.kind === 'worn';
}
