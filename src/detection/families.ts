import type { DetectorFamilyName } from '../formats/model-card.js';
import { centernet } from './centernet.js';
import { deim } from './deim.js';
import { detr } from './detr.js';
import type { DetectorFamily } from './family.js';
import { nanodetPlus } from './nanodet-plus.js';
import { picodet } from './picodet.js';
import { ssd } from './ssd.js';
import { yolo } from './yolo.js';
import { yolox } from './yolox.js';

const FAMILIES: Readonly<Record<DetectorFamilyName, DetectorFamily>> = {
  centernet,
  'nanodet-plus': nanodetPlus,
  picodet,
  yolox,
  yolo,
  detr,
  deim,
  ssd,
};

/** The family that a detector's card names. */
export function detectorFamily(name: DetectorFamilyName): DetectorFamily {
  return FAMILIES[name];
}
