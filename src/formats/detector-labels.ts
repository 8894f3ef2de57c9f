import { type Category, COCO_BY_ID, COCO_CATEGORIES } from './coco-categories.js';
import { isPromptedFamily } from './detector-outputs.js';
import type { DetectorCard, PromptedCard } from './model-card.js';

/**
 * The category of class index 0, 1, ...; undefined for an index that stands for nothing. `coco-91` numbers classes by COCO's
 * own ids, which have gaps.
 */
export function classesOf(card: DetectorCard): readonly (Category | undefined)[] {
  if (card.labels === 'coco-80') return COCO_CATEGORIES;
  if (card.labels === 'prompts') return [];
  return card.labels === 'coco-91' ? COCO_BY_ID : card.labels;
}

/** Everything that a detector can find; nothing by itself where it is asked in words. */
export function categoriesOf(card: DetectorCard): readonly Category[] {
  if (card.labels === 'prompts') return [];
  if (typeof card.labels === 'string') return COCO_CATEGORIES;
  return card.labels;
}

/** Whether a detector is asked in words. */
export function isPrompted(card: DetectorCard): card is PromptedCard {
  return isPromptedFamily(card.family) && card.input.text !== undefined;
}
