import { isAdjective, pointersOf } from './lexicon.js';
import type { PhraseItem } from './phrase.js';
import { matchRelation, type RelationPhrase } from './relation.js';
import { matchSelector, type SelectorMatch } from './selector.js';
import { COLOURS, DETERMINERS, FUNCTION_WORDS, NEGATIONS, PATTERNS, SIZES } from './vocabulary.js';
import type { Token } from './words.js';

/** A selector with what the words around it say. */
export interface SegmentSelector extends SelectorMatch {
  readonly negated: boolean;
  /** True for words right before a noun, which they belong to: "left", "the biggest". */
  readonly ofNoun: boolean;
}

/** A stretch of the text: what a relation phrase opens, or the words before the first one. */
export interface Segment {
  readonly relationPhrase: RelationPhrase | null;
  /** True where "not" or "without" stands before the relation phrase, or "no" right after it. */
  negated: boolean;
  /** True where a pause or "and" stands before the relation phrase. */
  readonly joined: boolean;
  readonly items: PhraseItem[];
  readonly selectors: SegmentSelector[];
  /** The words behind the relation phrase. */
  readonly tokens: Token[];
}

const open = (
  relationPhrase: RelationPhrase | null,
  negated: boolean,
  joined: boolean,
): Segment => ({ relationPhrase, negated, joined, items: [], selectors: [], tokens: [] });

const NO_NOUNS: ReadonlyArray<{ has(word: string): boolean }> = [
  FUNCTION_WORDS,
  DETERMINERS,
  COLOURS,
  SIZES,
  PATTERNS,
];

/** A word that can be what a phrase is about; describing words and function words cannot. */
function isNounLike({ word }: Token): boolean {
  if (pointersOf(word).length > 0) return true;
  return !NO_NOUNS.some((words) => words.has(word)) && !isAdjective(word);
}

/** "the boy and not" is `boy`. */
function withoutLooseEnds(tokens: readonly Token[]): Token[] {
  const holds = ({ word }: Token) => !FUNCTION_WORDS.has(word) && !DETERMINERS.has(word);
  const first = tokens.findIndex(holds);
  return first < 0 ? [] : tokens.slice(first, tokens.findLastIndex(holds) + 1);
}

const CONJUNCTIONS = new Set(['and', 'but', ',']);
/** Words that end the reach of a "not". */
const NEGATION_ENDS = new Set(['and', 'but', 'who', 'that', 'which']);
/** Words that carry it on: "not wearing a hat or holding a trophy". */
const DENIES_ON = new Set(['or', 'nor', 'neither', 'not']);
const isNoun = (item: PhraseItem) => item !== null && isNounLike(item);

/** Walks the words once, left to right. */
class Segmenter {
  readonly #words: readonly string[];
  readonly #done: Segment[] = [];
  #segment = open(null, false, false);
  /** The phrase at hand has its noun. */
  #afterNoun = false;
  /** Some noun was seen. */
  #named = false;
  #denied = false;
  /** What "not" denies was said: "not wearing a hat", "not black". */
  #denialMet = false;
  /** Where the words of the last selector end: "top left" is one corner. */
  #selectorEnd = -1;

  constructor(private readonly tokens: readonly Token[]) {
    this.#words = tokens.map((token) => token.word);
  }

  run(): Segment[] {
    for (let at = 0; at < this.tokens.length; ) at += this.#take(at);
    return [...this.#done, this.#segment].map((segment) => ({
      ...segment,
      tokens: withoutLooseEnds(segment.tokens),
    }));
  }

  /** Takes what starts at word `at`; returns the number of words. */
  #take(at: number): number {
    const before = this.#words[at - 1] ?? '';
    const around = {
      before: before === ',' ? '' : before,
      afterNoun: this.#afterNoun,
      named: this.#named,
    };
    const rest = this.#words.slice(at);
    const text = rest.join(' ');
    const selector = matchSelector(text, around);
    const relationPhrase = matchRelation(rest, text, around);
    const corner = selector !== null && at === this.#selectorEnd;
    if ((selector !== null || relationPhrase !== null) && !corner) this.#endDenial(before);
    if (selector !== null && selector.length >= (relationPhrase?.length ?? 0)) {
      this.#segment.selectors.push({
        ...selector,
        negated: this.#denied,
        ofNoun: selector.prenominal && !this.#afterNoun,
      });
      this.#segment.items.push(null);
      this.#segment.tokens.push(...this.tokens.slice(at, at + selector.length));
      this.#selectorEnd = at + selector.length;
      this.#denialMet ||= this.#denied && !selector.prenominal;
      return selector.length;
    }
    if (relationPhrase !== null) {
      this.#done.push(this.#segment);
      const joined = CONJUNCTIONS.has(before) || NEGATIONS.has(before);
      this.#segment = open(relationPhrase, this.#denied, joined);
      this.#afterNoun = false;
      return relationPhrase.length;
    }
    this.#takeWord(this.tokens[at] as Token);
    return 1;
  }

  /** "not wearing a hat on the left", "not black on the left": on the left it is. "not the man on the left": it is not. */
  #endDenial(before: string): void {
    if (!this.#denialMet || DENIES_ON.has(before)) return;
    this.#denied = false;
    this.#denialMet = false;
  }

  #takeWord(token: Token): void {
    const { word } = token;
    this.#denialMet = this.#meetsDenial(token);
    if (NEGATIONS.has(word)) this.#denied = true;
    else if (NEGATION_ENDS.has(word)) this.#denied = false;
    const isFirst = this.#segment.relationPhrase !== null && this.#segment.items.length === 0;
    if ((word === 'no' || word === 'neither') && isFirst) {
      this.#segment.negated = !this.#segment.negated;
      this.#denied = false;
    }
    // What denies the relation phrase leaves the words behind it as they are: "not wearing white pants".
    const negated = this.#denied && !this.#segment.negated;
    this.#segment.items.push({ ...token, negated });
    this.#segment.tokens.push(token);
    if (word === ',') this.#pause();
    else if (isNounLike(token) && !NEGATIONS.has(word)) {
      this.#afterNoun = true;
      this.#named = true;
    }
  }

  #meetsDenial(token: Token): boolean {
    if (!this.#denied || NEGATIONS.has(token.word)) return false;
    if (this.#denialMet) return true;
    if (this.#segment.negated) return isNounLike(token);
    const before = this.#segment.tokens.at(-1)?.word ?? '';
    return NEGATIONS.has(before) && !FUNCTION_WORDS.has(token.word) && !isNounLike(token);
  }

  /** "on the table, the cup": after a pause the words are about the thing itself, if it has no name yet. */
  #pause(): void {
    const named = [...this.#done, this.#segment].some(
      (segment) => segment.relationPhrase === null && segment.items.some(isNoun),
    );
    if (this.#segment.relationPhrase !== null && !named && this.#afterNoun) {
      this.#done.push(this.#segment);
      this.#segment = open(null, false, true);
    }
    this.#afterNoun = false;
  }
}

/** Cuts the words at relators, takes selectors out, and carries negations to what they deny. */
export function segmentsOf(tokens: readonly Token[]): Segment[] {
  return new Segmenter(tokens).run();
}
