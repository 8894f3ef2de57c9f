import { sigmoid } from '../core/math.js';
import { type RgbRaster, rasterSize } from '../core/raster.js';
import { headFor, headOfPhoto, outputsFor, roleMismatch, unitBoxAt } from './heads.js';
import { packRasters } from './packing.js';
import { type PromptedFamily, packPrompts, type TokenizedPrompt, type Word } from './prompt.js';
import { finishProposals, type Proposal } from './proposal.js';

/** Upstream's threshold for the tokens of a label. */
const TEXT_SCORE = 0.25;

/** Signs between phrases, as the model's own text mask has them. */
const SEPARATOR = /^[.?]$/;

/**
 * Grounding DINO: `logits` [prompts, queries, tokens] hold how well each box fits each token of the prompt, `boxes` [prompts,
 * queries, 4] centre and size in units of the raster. A box of an expression has the score of its best token, and is called
 * by the words around it that reach `textScore`; in a list of names it has a score for each name, that of the name's best
 * token. The photo goes in once for each prompt, since the graph mixes text and photo from the start.
 * @see Liu et al., Grounding DINO, arXiv 2303.05499
 */
export const groundingDino: PromptedFamily = {
  pack(raster, prompts, card) {
    return {
      ...packRasters(new Array<RgbRaster>(prompts.length).fill(raster), card),
      ...packPrompts(prompts, card),
    };
  },

  outputNames: (card) => [...outputsFor(card, 'logits'), ...outputsFor(card, 'boxes')],

  decode(outputs, image, prompts, card, options) {
    const graph = { outputs, card, batch: prompts.length };
    const logits = headFor(graph, 'logits', [null, null]);
    const [, queries, tokens] = logits.dims as [number, number, number];
    const longest = prompts.reduce((most, { ids }) => Math.max(most, ids.length), 0);
    if (tokens < longest) {
      throw roleMismatch(graph, 'logits', `scores for ${longest} tokens`);
    }
    const boxes = headFor(graph, 'boxes', [queries, 4]);
    const raster = rasterSize(image, card.input);
    const textScore = card.decoding.textScore ?? TEXT_SCORE;
    return prompts.map((prompt, index) => {
      const values = headOfPhoto(logits, index);
      const sides = headOfPhoto(boxes, index);
      const proposals: Proposal[] = [];
      for (let query = 0; query < queries; query++) {
        const scores = values.subarray(query * tokens, query * tokens + prompt.ids.length);
        const named = scoredLabels(prompt, scores.map(sigmoid), options.minScore, textScore);
        for (const { classIndex, score, label } of named) {
          const boxXyxy = unitBoxAt(sides, query * 4, raster);
          proposals.push({ boxXyxy, score, classIndex, label });
        }
      }
      const categories = prompt.phrases.map(({ label, categoryId }) => ({
        id: categoryId,
        name: label,
      }));
      return finishProposals(proposals, image, card, options, categories);
    });
  },
};

/** What one box is, by the scores of all tokens of the prompt; nothing below `minScore`. A phrase is a class. */
function scoredLabels(
  { kind, phrases }: TokenizedPrompt,
  scores: Float32Array,
  minScore: number,
  textScore: number,
): Omit<Proposal, 'boxXyxy'>[] {
  if (kind === 'expression') {
    const score = highest(scores);
    if (score < minScore) return [];
    const label = bestSpan(phrases[0]!.words, scores, textScore);
    return [{ classIndex: 0, score, label }];
  }
  return phrases.flatMap(({ label, words }, classIndex) => {
    const own = words.filter(({ text }) => !SEPARATOR.test(text));
    const score = own.reduce((best, word) => Math.max(best, wordScore(word, scores)), 0);
    return score < minScore ? [] : [{ classIndex, score, label }];
  });
}

/** The best word with its neighbours that reach `textScore`, up to a sign that separates phrases. */
function bestSpan(words: readonly Word[], scores: Float32Array, textScore: number): string {
  const scored = words.map((word) => (SEPARATOR.test(word.text) ? -1 : wordScore(word, scores)));
  const best = scored.reduce((top, score, at) => (score > scored[top]! ? at : top), 0);
  let start = best;
  while (start > 0 && scored[start - 1]! >= textScore) start -= 1;
  let end = best + 1;
  while (end < words.length && scored[end]! >= textScore) end += 1;
  return words
    .slice(start, end)
    .map(({ text, glued }, at) => (glued || at === 0 ? text : ` ${text}`))
    .join('');
}

function wordScore({ start, end }: Word, scores: Float32Array): number {
  return highest(scores.subarray(start, end));
}

/** Not a number counts as 0. */
function highest(scores: Float32Array): number {
  return scores.reduce((best, score) => (score > best ? score : best), 0);
}
