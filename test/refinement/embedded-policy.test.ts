import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseModelCard } from '../../src/formats/model-card.js';
import type { RefinerCard } from '../../src/formats/refiner-card.js';
import { litePolicySettings } from '../../src/refinement/lite-example.js';
import { Vocabulary } from '../../src/refinement/lite-words.js';
import { packPolicyBatch, unpackActions } from '../../src/refinement/policy-batch.js';
import { randomExample } from '../support/policy-example.js';
import { openModel } from '../training/graph-session.js';

const FOLDER = 'models/lite-refiner';
const OUTPUTS = [
  ['think', 1],
  ['rethink', 2],
  ['score', 2],
] as const;

it('the embedded refiner answers a query alike to the last bit, wherever in whichever batch it stands', async () => {
  const parsed = parseModelCard(JSON.parse(readFileSync(`${FOLDER}/card.json`, 'utf8')));
  if (!parsed.ok) throw new Error('the card does not parse');
  const card = parsed.card as RefinerCard;
  const settings = litePolicySettings(card.policy, new Vocabulary(card.vocabulary));
  const session = await openModel(readFileSync(`${FOLDER}/${card.file}`), {
    graphOptimizationLevel: 'all',
  });
  const numbers = async (seeds: readonly number[], candidates: number) => {
    const examples = seeds.map((seed) => randomExample(seed, 3 + (seed % 5), 5, settings));
    const sizes = { batch: 8, candidates, words: 8 };
    const replies = await session.run(packPolicyBatch(settings, examples, sizes));
    return examples.map((example, row) =>
      OUTPUTS.map(([name, extra]) => {
        const dims = [8, candidates + extra];
        const tensor = { type: 'float32' as const, data: replies[name]!, dims };
        return unpackActions(tensor, row, example.thinkMask.length, extra);
      }),
    );
  };
  const seeds = Array.from({ length: 8 }, (_, at) => at + 1);
  for (const candidates of [8, 16]) {
    const together = await numbers(seeds, candidates);
    for (let shift = 1; shift < 8; shift++) {
      const turned = await numbers([...seeds.slice(shift), ...seeds.slice(0, shift)], candidates);
      expect(turned).toEqual([...together.slice(shift), ...together.slice(0, shift)]);
    }
    for (const [at, seed] of seeds.entries()) {
      expect((await numbers([seed], candidates))[0]).toEqual(together[at]);
    }
  }
  await session.close();
});
