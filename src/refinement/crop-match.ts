import type { BoxXyxy } from '../geometry/box.js';

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
