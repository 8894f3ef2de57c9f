import {
  type ClosedFamilyName,
  type DetectorFamilyName,
  isPromptedFamily,
  isWritingFamily,
  type PromptedFamilyName,
} from '../formats/model-card.js';
import { centernet } from './centernet.js';
import { detr } from './detr.js';
import { CardMismatch, type DetectorFamily } from './family.js';
import { groundingDino } from './grounding-dino.js';
import { deim, ssd } from './listed-boxes.js';
import { owl } from './owl.js';
import { nanodetPlus, picodet } from './picodet.js';
import type { PromptedFamily } from './prompt.js';
import { yolo } from './yolo.js';
import { yolox } from './yolox.js';

const FAMILIES: Readonly<Record<ClosedFamilyName, DetectorFamily>> = {
  centernet,
  'nanodet-plus': nanodetPlus,
  picodet,
  yolox,
  yolo,
  detr,
  deim,
  ssd,
};

/**
 * The family that the card of a detector with labels of its own names.
 * @throws {CardMismatch} for a family that is asked in words
 */
export function detectorFamily(name: DetectorFamilyName): DetectorFamily {
  if (isPromptedFamily(name) || isWritingFamily(name))
    throw new CardMismatch(`family ${name} is asked in words`);
  return FAMILIES[name];
}

/** Families that are asked in words. */
export const PROMPTED_FAMILIES: Readonly<Record<PromptedFamilyName, PromptedFamily>> = {
  'grounding-dino': groundingDino,
  owlv2: owl,
  owlvit: owl,
};
