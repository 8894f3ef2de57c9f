import type { PREPOSITIONS } from './vocabulary.js';

/**
 * A referring expression taken apart. Everything is data: who holds boxes decides what it means for them. Words are lower
 * case; every content word of the text is in exactly one of head, attributes, selectors, relations, count, denied kinds or leftovers.
 */

/** The noun that names what is meant. "2 fire engines": phrase `fire engines`, lemma `fire engine`, plural. */
export interface HeadNoun {
  /** As written, lower case. */
  readonly phrase: string;
  /** Singular; the longest name the lexicon knows, else the last word of the noun phrase. */
  readonly lemma: string;
  readonly plural: boolean;
}

/**
 * Where on the thing an attribute shows. `whole`: all of it ("red car"). `worn`: on a person, it is not known where ("man in
 * red"). `upper`: torso ("red shirt"). `lower`: legs and feet ("blue jeans"). `head`: hair, hat, face.
 */
export type AttributePart = 'whole' | 'worn' | 'upper' | 'lower' | 'head';

/** `colour`: a basic colour term. `size`: "big", "tiny", "tall". `pattern`: "striped", "plaid". `other`: any other word. */
export type AttributeKind = 'colour' | 'size' | 'pattern' | 'other';

export interface Attribute {
  readonly kind: AttributeKind;
  /**
   * Lower case. Colours come as one of the basic terms (see `colour.ts`): "navy" is `blue`; sizes as `big` or `small`;
   * others as written.
   */
  readonly value: string;
  /** The word as written: "navy". */
  readonly word: string;
  readonly part: AttributePart;
  /** The noun it stands with where that is not the head: `shirt` in "man in a red shirt". */
  readonly owner: string | null;
  /** "light", "dark" or "bright" before a colour. */
  readonly shade: 'light' | 'dark' | 'bright' | null;
  readonly negated: boolean;
}

/** `x`: left to right. `y`: top to bottom. `size`: area. `height`: extent from top to bottom. `depth`: near to far. */
export type SelectorAxis = 'x' | 'y' | 'size' | 'height' | 'depth';

/**
 * A choice among things of one kind by order along an axis. `end` is where counting starts: `min` is left, top, smallest,
 * shortest or nearest; `max` is right, bottom, largest, tallest or farthest; `middle` is the centre.
 * "left": x min, rank null. "leftmost", "far left": x min, rank 1. "second from the right": x max, rank 2.
 */
export interface Selector {
  readonly axis: SelectorAxis;
  readonly end: 'min' | 'max' | 'middle';
  /** Place counted from `end`, from 1; null where the words only lean that way ("on the left"). */
  readonly rank: number | null;
  /** True where the words give an ordinal but no direction ("third person"), and reading order is assumed. */
  readonly assumed: boolean;
  readonly negated: boolean;
  /** The words that say so. */
  readonly words: string;
}

/** `other`: a verb or preposition that is none of the rest: "eating", "made of". The words tell. */
export type RelationKind = keyof typeof PREPOSITIONS;

/** "next to the bench": how what is meant stands to another thing. */
export interface Relation {
  readonly kind: RelationKind;
  /** The words that say so: "standing next to". */
  readonly words: string;
  /** One landmark; two for "between A and B"; none for a verb that stands alone ("sitting"). */
  readonly landmarks: readonly Expression[];
  readonly negated: boolean;
}

/**
 * How many things are asked for. `sure` is false where only a bare plural ("kids on the left") or a loose word says so: people
 * often write those for one box.
 */
export type Quantity =
  | { readonly kind: 'one' }
  | { readonly kind: 'all'; readonly sure: boolean }
  | { readonly kind: 'count'; readonly n: number; readonly sure: boolean };

export interface Expression {
  /** Lower case, single spaces, without punctuation. */
  readonly text: string;
  readonly words: readonly string[];
  /** Null where nothing is named: "the one in red", "far left", "2nd from right". */
  readonly head: HeadNoun | null;
  /** Of the thing itself and of what it wears. Attributes of landmarks are on the landmarks. */
  readonly attributes: readonly Attribute[];
  readonly selectors: readonly Selector[];
  readonly relations: readonly Relation[];
  /** "two dogs" is 2; null where none is said. */
  readonly count: number | null;
  readonly quantity: Quantity;
  /**
   * Of several that are asked for, those left out: "all cups except the leftmost", "everyone but the child". One without a
   * noun of its own has the head of the expression. What is left out of a choice of one is negated instead.
   */
  readonly exceptions: readonly Expression[];
  /** What the thing is said not to be: `car` in "vehicle that is not a car", `dog` in "any animal but the dog". */
  readonly deniedKinds: readonly HeadNoun[];
  /** Content words that none of the parts above explains, in order. */
  readonly leftovers: readonly string[];
  /** Spelling slips that were repaired; `words` holds the repaired ones. */
  readonly corrections: ReadonlyArray<{ readonly from: string; readonly to: string }>;
  /** Words of a prompt around the expression, which are not in `words`: "please find", "<image>". */
  readonly promptWords: readonly string[];
  /** Content words that no dictionary of English lists. */
  readonly unknownWords: readonly string[];
}
