import type { WritingFamilyName } from '../formats/model-card.js';
import type { WritingFamily } from './writing.js';

/** Families of models that write their answer; each is loaded where a card names it. */
export const WRITING: Readonly<Record<WritingFamilyName, () => Promise<WritingFamily>>> = {
  'florence-2': async () => (await import('./florence-2.js')).florence2,
};
