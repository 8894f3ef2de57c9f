/** A piece of a text: one word, number or sign. */
export interface Word {
  readonly text: string;
  /** Whether no space stands before it: "man's" is three pieces. */
  readonly glued: boolean;
  /** Its tokens: places in the prompt's ids from `start` up to `end`. */
  readonly start: number;
  readonly end: number;
}

/** What a box of a prompt can be called. */
export interface Phrase {
  readonly label: string;
  readonly categoryId: number;
  /** By rising place; at least one. */
  readonly words: readonly Word[];
}

/** A text as a model takes it. */
export interface TokenizedPrompt {
  /** Token ids with the special ones, no padding. */
  readonly ids: readonly number[];
  /**
   * Of an expression one phrase, whose boxes are called by the part of it that they answer to; of a list of names one phrase a
   * name, whose boxes are called by that name.
   */
  readonly kind: 'expression' | 'names';
  readonly phrases: readonly Phrase[];
}
