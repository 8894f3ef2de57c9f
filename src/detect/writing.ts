import type { ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import type { WritingCard } from '../formats/model-card.js';
import type { DecodeOptions, Detection, NamedTensors } from './family.js';
import type { Disagreement, GraphSignature } from './signature.js';

/**
 * Runs one of the model's graphs.
 * @param graph `photo` for the graph that takes the photo, else a role of the card's `graphs`
 * @param fetches outputs to bring back; all where it is absent
 */
export type RunGraph = (
  graph: string,
  feeds: NamedTensors,
  fetches?: readonly string[],
) => Promise<NamedTensors>;

/** What graphs take and give, by the names that {@link RunGraph} takes. */
export type Signatures = Readonly<Record<string, GraphSignature>>;

/** The graphs of a model as a thread has them. */
export interface Graphs {
  readonly run: RunGraph;
  readonly signatures: Signatures;
  /**
   * Whether what a graph gives for one row depends on the rows beside it, as with weights whose inputs are quantised while it
   * runs, by the range of the whole batch. Expressions are then asked one by one, so that no answer depends on the others.
   */
  readonly mixesRows: boolean;
}

/** A tokeniser as the makers of prompts use it. */
export interface TextTokens {
  /** Tokens of a text, without special ones, whatever stands in it. */
  encode(text: string): readonly number[];
  /** Special tokens before and after a text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Number of the token that is written so; undefined where there is none. */
  added(text: string): number | undefined;
}

/** An expression as a model takes it; what else it holds is the family's own. */
export interface WritingPrompt {
  /** What its boxes are called by. */
  readonly label: string;
  /** Token ids of the request and of what the answer begins with. */
  readonly ids: readonly number[];
  readonly answer: readonly number[];
  /** Whether words were cut off. */
  readonly cut: boolean;
}

/** Tokens that stand for places, one after the other: `first` for the start of a side. */
export interface PlaceTokens {
  readonly first: number;
  /** How many there are: the parts that a side is divided into. */
  readonly bins: number;
}

/** Expressions that are answered together, and what is known of their photo. */
export interface WritingJob {
  readonly features: NamedTensors;
  /** Size of the upright photo. */
  readonly image: ImageSize;
  readonly prompts: readonly WritingPrompt[];
  readonly places: PlaceTokens;
  readonly card: WritingCard;
  readonly options: DecodeOptions;
}

/**
 * How detectors of one architecture are asked that have several graphs and write their answer token by token. The photo is
 * encoded once for all its expressions. Errors thrown: CardMismatch where tensors are not what the card says.
 */
export interface WritingFamily {
  /** Where card and graphs differ, beside the photo's input. */
  disagreements(card: WritingCard, signatures: Signatures): Disagreement[];
  /** @throws Error where the tokeniser has no such tokens */
  places(tokens: TextTokens): PlaceTokens;
  /** @returns undefined for an expression that says nothing */
  prompt(text: string, tokens: TextTokens, card: WritingCard): WritingPrompt | undefined;
  /** What is known of the photo, to be kept for all its expressions. */
  encode(raster: RgbRaster, card: WritingCard, run: RunGraph): Promise<NamedTensors>;
  /** Expressions that one call of `answer` takes at most without holding more memory. */
  readonly promptsARun: number;
  /** @returns what each prompt finds, best first */
  answer(job: WritingJob, graphs: Graphs): Promise<readonly (readonly Detection[])[]>;
}
