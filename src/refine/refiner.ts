import type { BoxXyxy, ImageSize } from '../core/box.js';
import type { RgbRaster } from '../core/raster.js';
import type { ScoreCalibration } from '../formats/model-card.js';

/** One box that some tool proposes for a query. */
export interface Candidate {
  /** Absolute pixels of the upright photo. */
  readonly boxXyxy: BoxXyxy;
  /** Name of the tool that proposes it: the detector's model name, or a key of `tools` on the query line. */
  readonly tool: string;
  /** Index among the boxes of the same tool, best first, from 0. */
  readonly rank: number;
  /** The tool's confidence, 0..1; absent where the tool gives none. */
  readonly score?: number;
  readonly label?: string;
  /** Whether the tool lists objects of its labels, and was not asked the expression. */
  readonly listed?: true;
  /** Whether the tool was asked the expression, and may list several boxes that fit it: the one of rank 0 is its answer. */
  readonly read?: true;
  /** What the score is worth; absent where nothing is known of the tool. */
  readonly calibration?: ScoreCalibration;
}

/** A detector that lists objects of its labels. */
export interface Lister {
  readonly name: string;
  readonly labels: readonly string[];
}

/** What the photo itself shows; absent where a query line brings its own boxes and no image. */
export interface PhotoEvidence {
  /** The whole photo at the detector's input size; `fit` as the detector's card says. */
  readonly raster: RgbRaster;
  /** The photo's own rectangle inside the raster, raster pixels (all of it where the fit is `stretch`). */
  readonly contentXyxy: BoxXyxy;
}

/** The photo as a picture for a server. */
export interface EncodedPhoto {
  /** `data:image/jpeg;base64,...` or `data:image/png;base64,...` */
  readonly url: string;
  /** Size of the upright photo, pixels. */
  readonly photo: ImageSize;
  /** Size of the picture, pixels. */
  readonly picture: ImageSize;
}

/**
 * Makes a picture of the request's photo.
 * @param fit the picture's size for a photo's, pixels
 * @throws VgrError with a code of kind item, as when the photo is decoded
 */
export type EncodePhoto = (fit: (photo: ImageSize) => ImageSize) => Promise<EncodedPhoto>;

/** How an image-text encoder makes a score of a cosine: `scale * cosine + bias`. */
export interface MatchScale {
  /** Above 0. */
  readonly scale: number;
  /** Null where scores are only compared with each other, as CLIP's are. */
  readonly bias: number | null;
}

/** Compares crops of one photo with texts. */
export interface CropMatcher extends MatchScale {
  /**
   * Cosines between crops and texts, one row a text, [boxes] each, -1..1. A text gives the same number whatever it is asked
   * together with, and so does a box.
   * @param boxes absolute pixels of the upright photo
   * @throws VgrError with a code of kind item where the photo cannot be read
   */
  match(boxes: readonly BoxXyxy[], texts: readonly string[]): Promise<readonly Float32Array[]>;
}

/** The turn of a request in the order of the input, for decisions that depend on earlier requests. */
export interface Turn {
  /** Resolves when every earlier request has taken its turn or has ended. */
  readonly come: Promise<void>;
  /** Lets the next one have its turn. May be called again. */
  take(): void;
}

/** One query with everything that may be known when it is answered. */
export interface RefineRequest {
  /** The expression as the user wrote it. */
  readonly query: string;
  readonly imageSize: ImageSize;
  /** All boxes of all tools. May be empty. */
  readonly candidates: readonly Candidate[];
  /** Whose answer counts as the tool's: one of `candidates[].tool`. */
  readonly toolName: string;
  /** The tool's answer, one of `candidates`; null where the tool found nothing. */
  readonly tool: Candidate | null;
  /** Detectors that looked for objects of their labels, those among them that found none; absent where none did. */
  readonly listers?: readonly Lister[];
  readonly evidence?: PhotoEvidence;
  /** For refiners that look at the photo itself; absent where the line has none. */
  readonly encodePhoto?: EncodePhoto;
  /** For refiners that hold crops of the photo against words; absent where the line has no photo. */
  readonly crops?: CropMatcher;
  /**
   * What a model that is asked in words finds, best first; absent where no such model is at hand, or the line has no photo.
   * @throws VgrError with a code of kind item
   */
  readonly ground?: (expression: string) => Promise<readonly Candidate[]>;
  /** Absent outside a run, where requests are decided as they come. */
  readonly turn?: Turn;
}

/** The refiner's own answer, formed without the tool's. */
export interface Thought {
  readonly boxXyxy: BoxXyxy | null;
  /** 0..1 */
  readonly score: number;
  /** One sentence that a person can check against the photo. */
  readonly text: string;
}

/**
 * confirm: the tool's box stands. correct: another object. adjust: the same object, a better box. fallback: the refiner
 * could not answer and the tool's box stands. none: nothing in the image fits.
 */
export type Decision = 'confirm' | 'correct' | 'adjust' | 'fallback' | 'none';

export interface Answer {
  /** Null if and only if the decision is `none`, or `fallback` without a tool's box. */
  readonly boxXyxy: BoxXyxy | null;
  /** 0..1 */
  readonly score: number;
  readonly decision: Decision;
  readonly text: string;
  /** Format term of the reward: whether the reply had all its parts; absent where no text was written. */
  readonly format?: 0 | 1;
  /** All boxes of an answer that may list several, best first; the first one is `boxXyxy`. Scores are 0..1. */
  readonly boxes?: readonly { readonly boxXyxy: BoxXyxy; readonly score: number }[];
  /** Of a cascade: how sure the small refiner was, 0..1, and whether the large one was asked. */
  readonly cascade?: { readonly confidence: number; readonly asked: boolean };
}

export interface Refinement {
  readonly think: Thought;
  readonly answer: Answer;
  /** Boxes that the refiner found itself, best first: the first one is its answer. */
  readonly candidates?: readonly Candidate[];
}

/** Thinks, sees the tool's answer, rethinks. */
export interface Refiner {
  readonly name: string;
  refine(request: RefineRequest): Promise<Refinement>;
}
