import { type Category, COCO_BY_ID, COCO_CATEGORIES } from './coco-categories.js';
import type { DetectorCard } from './model-card.js';

/**
 * The category of class index 0, 1, ...; undefined for an index that stands for nothing. `coco-91` numbers classes by COCO's
 * own ids, which have gaps.
 */
export function classesOf(card: DetectorCard): readonly (Category | undefined)[] {
  if (card.labels === 'coco-80') return COCO_CATEGORIES;
  return card.labels === 'coco-91' ? COCO_BY_ID : card.labels;
}

/** Everything that a detector can find. */
export function categoriesOf(card: DetectorCard): readonly Category[] {
  if (typeof card.labels === 'string') return COCO_CATEGORIES;
  return card.labels;
}
