import { readFileSync } from 'node:fs';
import { type DetectorCard, parseModelCard } from '../../src/formats/model-card.js';

/** The card of a detector that comes with the program. */
export function shippedCard(name: string): DetectorCard {
  const url = new URL(`../../models/${name}/card.json`, import.meta.url);
  const result = parseModelCard(JSON.parse(readFileSync(url, 'utf8')));
  if (!result.ok || result.card.kind !== 'detector') throw new Error(`${name} is no detector`);
  return result.card;
}
