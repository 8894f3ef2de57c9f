import type { PromptedCard, PromptedFamilyName } from '../formats/model-card.js';
import type { ImageSize } from '../geometry/box.js';
import type { RgbRaster } from '../geometry/raster.js';
import type { Detection } from './detection.js';
import type { DecodeOptions } from './family.js';
import { groundingDino } from './grounding-dino.js';
import { owl } from './owl.js';
import type { TokenizedPrompt } from './prompt.js';
import type { NamedTensors } from './tensor.js';

/**
 * How detectors of one architecture are asked in words. Pure. One photo a run, any number of prompts that the card allows.
 * Errors thrown: CardMismatch where raster or tensors are not what the card says.
 */
export interface PromptedFamily {
  /** The graph's inputs for one raster and its prompts. */
  pack(raster: RgbRaster, prompts: readonly TokenizedPrompt[], card: PromptedCard): NamedTensors;
  outputNames(card: PromptedCard): string[];
  /**
   * @param image size of the upright photo from which the raster was made
   * @returns what each prompt finds, best first
   */
  decode(
    outputs: NamedTensors,
    image: ImageSize,
    prompts: readonly TokenizedPrompt[],
    card: PromptedCard,
    options: DecodeOptions,
  ): Detection[][];
}

const FAMILIES: Readonly<Record<PromptedFamilyName, PromptedFamily>> = {
  'grounding-dino': groundingDino,
  owlv2: owl,
  owlvit: owl,
};

/** The family that the card of a detector names. */
export function promptedFamily(name: PromptedFamilyName): PromptedFamily {
  return FAMILIES[name];
}
