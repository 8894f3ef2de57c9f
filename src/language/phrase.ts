import type { Attribute, HeadNoun } from './expression.js';
import { isAdjective, isAnimate, isPerson, isVerb, isWorn, pointersOf } from './lexicon.js';
import { singularNoun, singularOf } from './morphology.js';
import {
  COLOURS,
  DETERMINERS,
  FUNCTION_WORDS,
  isContentWord,
  NOT_VERBS,
  NUMBERS,
  PARTITIVES,
  PATTERNS,
  PORTIONS,
  POSTURES,
  SHADES,
  SIZES,
  wordSet,
} from './vocabulary.js';
import type { Token } from './words.js';

/** The longest name at the end of the nouns that the lexicon knows, else the last word. */
export function headOf(nouns: readonly Token[]): { head: HeadNoun; modifiers: Token[] } | null {
  const last = nouns.at(-1);
  if (last === undefined) return null;
  for (let from = Math.max(0, nouns.length - 3); from < nouns.length; from++) {
    const run = nouns.slice(from);
    const before = run.slice(0, -1);
    if (before.some((token) => token.possessive)) continue;
    const phrase = run.map((token) => token.word).join(' ');
    const whole = wholeOf(run);
    if (whole !== null) {
      return { head: { ...headNoun(phrase), lemma: whole }, modifiers: nouns.slice(0, from) };
    }
    if (before.some((token) => isFreeWord(token.word))) continue;
    if (run.length > 1 && pointersOf(phrase).length === 0) continue;
    return { head: headNoun(phrase), modifiers: nouns.slice(0, from) };
  }
  return null;
}

/** "pizza slices" are pizza; null for what is no portion of a known thing. */
function wholeOf(run: readonly Token[]): string | null {
  if (run.length < 2 || !PORTIONS.has(singularOf(run.at(-1)!.word))) return null;
  const before = run.slice(0, -1).map(({ word }) => word);
  const lemma = singularNoun(before.join(' '));
  return pointersOf(lemma).length > 0 && !isPerson(lemma) && !isWorn(lemma) ? lemma : null;
}

/** "fire engines" gives the lemma `fire engine`, plural. */
export function headNoun(phrase: string): HeadNoun {
  const lemma = singularNoun(phrase);
  return { phrase, lemma, plural: lemma !== phrase };
}

/** "red shirt guy": nouns before the head that are worn or held by it, else plain words. */
export function modifierRole(
  modifier: Token,
  head: HeadNoun,
): 'possessor' | 'worn' | 'thing' | 'word' {
  if (modifier.possessive) return 'possessor';
  if (!isPerson(head.lemma)) return 'word';
  if (isWorn(modifier.word)) return 'worn';
  return pointersOf(modifier.word).length > 0 && !isPerson(modifier.word) ? 'thing' : 'word';
}

/** A describing word before it is known what it describes. */
export type Description = Omit<Attribute, 'part' | 'owner'>;

/** A noun phrase: describing words and at most one run of nouns. */
export class Chunk {
  readonly descriptions: Description[] = [];
  readonly nouns: Token[] = [];
  readonly leftovers: string[] = [];
  count: number | null = null;
  /** What "not" says of the noun itself: "not a car" is something else, "no car" is without one. */
  denial: 'other-kind' | 'absence' | null = null;

  constructor(
    /** True where "and" or a pause stands before it. */
    readonly joined = false,
    /** True where a determiner or a selector stands before it, after a noun. */
    readonly apart = false,
  ) {}

  /** Of the noun that it names; undefined where it names nothing. */
  get lemma(): string | undefined {
    return headOf(this.nouns)?.head.lemma;
  }
}

/** What a chunk is built from: words, and null where a selector was taken out. */
export type PhraseItem = (Token & { readonly negated: boolean }) | null;

/** Endings that make adjectives of words no lexicon lists: "baldish", "friendliest". */
const ADJECTIVE_ENDING = /(?:ish|less|ful|ous|iest|est)$/;
/** "The bottle that is not orange": a word behind these describes. */
const PREDICATIVE = new Set(['is', 'are', 'was', 'not', 'isnt', 'arent', 'neither', 'nor']);
const CONNECTIVES = new Set([',', 'and', 'or', 'nor', 'but']);
/** "baby zebra" is a zebra, though a baby is a person. */
const YOUNG_OR_PARENT = wordSet(
  'baby infant mother mom mommy momma mama father dad daddy papa parent adult male female boy girl child',
);

const AGES = wordSet('young old older younger elderly');

function isDescribing(word: string, next: string | undefined): boolean {
  if (SHADES.has(word) && isContentWord(next) && word !== 'baby') return true;
  if (AGES.has(word)) return isContentWord(next);
  if (pointersOf(word).length > 0) return false;
  if (isAdjective(word) || ADJECTIVE_ENDING.test(word)) return true;
  if (NOT_VERBS.has(word)) return false;
  return /(?:ing|ed)$/.test(word) && (next !== undefined || POSTURES.has(word));
}

/** Words before a noun that keep their meaning inside a name: "young man" is a man who is young. */
const isFreeWord = (word: string): boolean =>
  COLOURS.has(word) || SIZES.has(word) || AGES.has(word) || PATTERNS.has(word);

/** Cuts a run of words into chunks, left to right. */
class Chunker {
  readonly #chunks: Chunk[] = [];
  #chunk = new Chunk();
  #lacking = false;
  /** A word like "light" right before a colour. */
  #shade: string | null = null;

  constructor(
    private readonly items: readonly PhraseItem[],
    private readonly allowColourNoun: boolean,
  ) {}

  run(): Chunk[] {
    for (let at = 0; at < this.items.length; ) at += this.#take(at);
    this.#cut(false);
    return this.#chunks;
  }

  #word(at: number): string | undefined {
    return this.items[at]?.word;
  }

  get #hasNoun(): boolean {
    return this.#chunk.nouns.length > 0;
  }

  #cut(joined: boolean, apart = false): void {
    const last = this.#chunks.at(-1);
    const { nouns, descriptions, leftovers, count, denial } = this.#chunk;
    if (last !== undefined && describesNext(last, this.#chunk)) {
      last.nouns.push(...nouns);
      last.descriptions.push(...descriptions);
      last.leftovers.push(...leftovers);
      last.count ??= count;
      last.denial = denial;
    } else if (nouns.length + descriptions.length + leftovers.length > 0) {
      this.#chunks.push(this.#chunk);
    }
    this.#chunk = new Chunk(joined, apart);
  }

  #cutAfterNoun(joined = false, apart = false): void {
    if (this.#hasNoun) this.#cut(joined, apart);
  }

  /** Takes the item at `at`; returns how many items it takes. */
  #take(at: number): number {
    const item = this.items[at] ?? null;
    const word = item?.word ?? '';
    if (item === null) this.#cutAfterNoun(false, true);
    else if (CONNECTIVES.has(word)) this.#cutAfterNoun(true);
    else if (DETERMINERS.has(word)) {
      if (!this.#chunk.nouns.at(-1)?.possessive) this.#cutAfterNoun(false, true);
    } else if (NUMBERS.has(word) || /^\d+$/.test(word)) this.#takeNumber(word, at);
    else if (word === 'no') {
      // "dog no collar": what follows is another thing, and it is not there.
      this.#cutAfterNoun(false, true);
      this.#lacking = true;
    } else if (!FUNCTION_WORDS.has(word)) return this.#takeContent(item, item.negated, at);
    return 1;
  }

  #takeNumber(word: string, at: number): void {
    const next = this.#word(at + 1);
    if (word === 'one' && !isContentWord(next)) return;
    const value = NUMBERS.get(word) ?? Number(word);
    this.#cutAfterNoun();
    if (isContentWord(next) && this.#chunk.count === null && value <= 20) this.#chunk.count = value;
    else this.#chunk.leftovers.push(word);
  }

  #takeContent(token: Token, negated: boolean, at: number): number {
    const { word } = token;
    const next = this.#word(at + 1);
    const name = this.#nameAt(at);
    if (name > 1) {
      const words = this.items.slice(at, at + name).map((_, offset) => this.#word(at + offset));
      this.#takeNoun({ word: words.join(' '), possessive: false }, negated);
      return name;
    }
    if (SHADES.has(word) && next !== undefined && COLOURS.has(next)) {
      this.#cutAfterNoun();
      this.#shade = word;
      return 1;
    }
    const description = this.#describe(word, negated, at);
    if (description !== null) {
      this.#cutAfterNoun();
      this.#chunk.descriptions.push(description);
    } else if (/ly$/.test(word) && pointersOf(word).length === 0) this.#chunk.leftovers.push(word);
    else if (this.#isStrayVerb(word, at)) this.#chunk.leftovers.push(word);
    else this.#takeNoun(token, negated);
    return 1;
  }

  /** "can see the cat" holds a stray verb; "a design", "faded paint" do not. */
  #isStrayVerb(word: string, at: number): boolean {
    if (!isVerb(word) || pointersOf(word).length > 0 || PARTITIVES.has(word)) return false;
    // Things do nothing: "tv stand", "bike rack".
    const last = this.#chunk.nouns.at(-1)?.word;
    const thing = last === this.#word(at - 1) ? pointersOf(last ?? '')[0] : undefined;
    if (thing !== undefined && thing.kind !== 'worn' && !isAnimate(thing.label)) return false;
    const introduced =
      this.#chunk.descriptions.length > 0 || DETERMINERS.has(this.#word(at - 1) ?? '');
    return this.#hasNoun || !introduced || isContentWord(this.#word(at + 1));
  }

  #describe(word: string, negated: boolean, at: number): Description | null {
    const next = this.#word(at + 1);
    const colourNext = next === 'and' && COLOURS.has(this.#word(at + 2) ?? '');
    const isFruit =
      this.allowColourNoun &&
      word === 'orange' &&
      !this.#hasNoun &&
      !PREDICATIVE.has(this.#word(at - 1) ?? '') &&
      (!isContentWord(next) || PORTIONS.has(singularOf(next))) &&
      !colourNext;
    if (isFruit) return null;
    const shadeWord = this.#shade;
    this.#shade = null;
    const said = shadeWord === null ? word : `${shadeWord} ${word}`;
    const shade = SHADES.get(shadeWord ?? word) ?? null;
    const colour = COLOURS.get(word);
    if (colour !== undefined) return { kind: 'colour', value: colour, word: said, shade, negated };
    const size = SIZES.get(word);
    if (size !== undefined) return { kind: 'size', value: size, word: said, shade: null, negated };
    if (PATTERNS.has(word)) {
      return { kind: 'pattern', value: word, word: said, shade: null, negated };
    }
    if (!isDescribing(word, next)) return null;
    return { kind: 'other', value: word, word, shade: SHADES.get(word) ?? null, negated };
  }

  /** Length of the longest name of the lexicon that starts here: 2 for "hot dog", else 1. */
  #nameAt(at: number): number {
    const first = this.#word(at) as string;
    if (isFreeWord(first)) return 1;
    for (const length of [3, 2]) {
      const words = Array.from({ length }, (_, offset) => this.#word(at + offset));
      if (words.some((word) => !isContentWord(word))) continue;
      if (pointersOf(words.join(' ')).length > 0) return length;
    }
    return 1;
  }

  #takeNoun(token: Token, negated: boolean): void {
    const last = this.#chunk.nouns.at(-1);
    if (last !== undefined && startsAnother(last, token.word)) this.#cut(false);
    this.#chunk.nouns.push(token);
    if (negated) this.#chunk.denial = this.#lacking ? 'absence' : 'other-kind';
    this.#lacking = false;
  }
}

/** "tennis player" and "baby zebra" are one thing; "guy hat" is a guy, and a hat. */
function startsAnother(last: Token, word: string): boolean {
  if (last.possessive || !isPerson(last.word) || isPerson(word)) return false;
  return !(YOUNG_OR_PARENT.has(last.word) && isAnimate(word));
}

/** "vintage white car": a noun that names nothing known, with a known thing right behind it, describes that thing. */
function describesNext({ nouns }: Chunk, next: Chunk): boolean {
  const names = ({ word, possessive }: Token) => possessive || pointersOf(word).length > 0;
  const known = pointersOf(next.nouns.at(-1)?.word ?? '').some(({ kind }) => kind !== 'worn');
  return known && !next.joined && !next.apart && nouns.length > 0 && !nouns.some(names);
}

/**
 * Cuts a run of words into noun phrases: "guy blue shirt white shorts" is three, "red shirt guy" one. A new phrase starts at
 * a determiner, a pause, "and", a describing word after a noun, and where a selector stood after a noun. `allowColourNoun`:
 * a lone "orange" is a fruit here.
 */
export function chunksOf(items: readonly PhraseItem[], allowColourNoun: boolean): Chunk[] {
  return new Chunker(items, allowColourNoun).run();
}
