import {
  type ClosedFamilyName,
  type DetectorFamilyName,
  isPromptedFamily,
} from '../formats/detector-outputs.js';
import { centernet } from './centernet.js';
import { deim } from './deim.js';
import { detr } from './detr.js';
import { CardMismatch, type DetectorFamily } from './family.js';
import { nanodetPlus } from './nanodet-plus.js';
import { picodet } from './picodet.js';
import { ssd } from './ssd.js';
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
  if (isPromptedFamily(name)) throw new CardMismatch(`family ${name} is asked in words`);
  return FAMILIES[name];
}
