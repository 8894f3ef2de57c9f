import type { PromptedCard } from '../formats/model-card.js';
import { CardMismatch } from './family.js';
import type { TokenizedPrompt } from './prompt.js';
import type { NamedTensors, Tensor } from './tensor.js';

/**
 * Prompts as the graph's text inputs, one row each, filled up to the card's length or the longest of them.
 * @param rows of the tensors; those beyond the prompts repeat the last one, so that no row is empty
 * @throws {CardMismatch} where there is no prompt, or one is longer than the graph takes
 */
export function packPrompts(
  prompts: readonly TokenizedPrompt[],
  { name, input: { text } }: PromptedCard,
  rows = prompts.length,
): NamedTensors {
  const longest = prompts.reduce((most, { ids }) => Math.max(most, ids.length), 0);
  if (longest === 0 || longest > text.length) {
    throw new CardMismatch(
      `${name}: expected prompts of 1 to ${text.length} tokens, got ${longest}`,
    );
  }
  const length = text.padded ? text.length : longest;
  const dims = [rows, length];
  const ids = new Array<number>(rows * length).fill(text.pad);
  const mask = new Array<number>(rows * length).fill(0);
  for (let row = 0; row < rows; row++) {
    const prompt = prompts[Math.min(row, prompts.length - 1)]!;
    for (const [place, id] of prompt.ids.entries()) {
      ids[row * length + place] = id;
      mask[row * length + place] = 1;
    }
  }
  const tensor = (values: readonly number[]): Tensor => ({
    type: text.type,
    data: text.type === 'int64' ? BigInt64Array.from(values, BigInt) : Int32Array.from(values),
    dims,
  });
  return {
    [text.ids]: tensor(ids),
    [text.mask]: tensor(mask),
    ...(text.types !== undefined && { [text.types]: tensor(mask.map(() => 0)) }),
  };
}
