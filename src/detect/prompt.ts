import type { ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import type { ScoringCard } from '../formats/model-card.js';
import {
  CardMismatch,
  type DecodeOptions,
  type Detection,
  type NamedTensors,
  type Tensor,
} from './family.js';
import { numbersOf } from './packing.js';

/** A piece of a text: one word, number or sign. */
export interface Word {
  readonly text: string;
  /** Whether no space stands before it: "man's" is three pieces. */
  readonly glued: boolean;
  /** Its tokens: indices in the prompt's ids from `start` up to `end`. */
  readonly start: number;
  readonly end: number;
}

/** What a box of a prompt can be called. */
export interface Phrase {
  readonly label: string;
  readonly categoryId: number;
  /** In their order; at least one. */
  readonly words: readonly Word[];
  /** Those of an expression that name what is meant; absent where none do. */
  readonly head?: readonly Word[];
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

/**
 * How detectors of one architecture are asked in words. Pure. One photo a run, any number of prompts that the card allows.
 * Errors thrown: CardMismatch where raster or tensors are not what the card says.
 */
export interface PromptedFamily {
  /** The graph's inputs for one raster and its prompts. */
  pack(raster: RgbRaster, prompts: readonly TokenizedPrompt[], card: ScoringCard): NamedTensors;
  outputNames(card: ScoringCard): string[];
  /**
   * @param image size of the upright photo from which the raster was made
   * @returns what each prompt finds, best first
   */
  decode(
    outputs: NamedTensors,
    image: ImageSize,
    prompts: readonly TokenizedPrompt[],
    card: ScoringCard,
    options: DecodeOptions,
  ): Detection[][];
}

/**
 * Prompts as the graph's text inputs, one row each, filled up to the card's length or the longest of them.
 * @param rows of the tensors; those beyond the prompts repeat the last one, so that no row is empty
 * @throws {CardMismatch} where there is no prompt, or one is longer than the graph takes
 */
export function packPrompts(
  prompts: readonly TokenizedPrompt[],
  { name, input: { text } }: ScoringCard,
  rows = prompts.length,
): NamedTensors {
  const longest = prompts.reduce((most, { ids }) => Math.max(most, ids.length), 0);
  if (longest === 0 || longest > text.length) {
    throw new CardMismatch(
      `${name}: expected prompts of 1 to ${text.length} tokens, got ${longest}`,
    );
  }
  const length = text.padded ? text.length : longest;
  const dims = [rows, length];
  const ids = new Array<number>(rows * length).fill(text.pad);
  const mask = new Array<number>(rows * length).fill(0);
  for (let row = 0; row < rows; row++) {
    const prompt = prompts[Math.min(row, prompts.length - 1)]!;
    for (const [column, id] of prompt.ids.entries()) {
      ids[row * length + column] = id;
      mask[row * length + column] = 1;
    }
  }
  const tensor = (values: readonly number[]): Tensor => ({
    type: text.type,
    data: numbersOf(text.type, values),
    dims,
  });
  return {
    [text.ids]: tensor(ids),
    [text.mask]: tensor(mask),
    ...(text.types !== undefined && { [text.types]: tensor(mask.map(() => 0)) }),
  };
}
