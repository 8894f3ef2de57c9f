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

/** An expression means one box or a few; the others are for a refiner to choose from. */
const BEST_OF_EXPRESSION = 10;

/**
 * Grounding DINO: `logits` [prompts, queries, tokens] hold how well each box fits each token of the prompt, `boxes` [prompts,
 * queries, 4] centre and size in units of the raster. A box of an expression has the score of its head noun ("bush" of "the bush
 * behind the woman", whose landmark fits a box of its own), or of its best token where nothing is named; equal ones go by their
 * best token. It is called by the words around that noun that reach `textScore`. In a list of names a box has a score for each
 * name, that of the name's best token. The photo goes in once for each prompt, since the graph mixes text and photo from the
 * start.
 * @see Liu et al., Grounding DINO, arXiv 2303.05499; IDEA-Research/GroundingDINO issues 44 and 161 on landmarks
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
      const proposals: (Proposal & { readonly best: number })[] = [];
      for (let query = 0; query < queries; query++) {
        const scores = values.subarray(query * tokens, query * tokens + prompt.ids.length);
        const fits = scores.map(sigmoid);
        const best = highest(fits);
        for (const named of scoredLabels(prompt, fits, options.minScore, textScore)) {
          proposals.push({ ...named, best, boxXyxy: unitBoxAt(sides, query * 4, raster) });
        }
      }
      const isExpression = prompt.kind === 'expression';
      // Equal scores keep this order.
      if (isExpression) proposals.sort((a, b) => b.best - a.best);
      const most = isExpression ? BEST_OF_EXPRESSION : options.maxDetections;
      const wanted = { ...options, maxDetections: Math.min(options.maxDetections, most) };
      const categories = prompt.phrases.map(({ label, categoryId }) => ({
        id: categoryId,
        name: label,
      }));
      return finishProposals(proposals, image, card, wanted, categories);
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
    const { words, head } = phrases[0]!;
    const score = head === undefined ? highest(scores) : bestScore(head, scores);
    if (score < minScore) return [];
    return [{ classIndex: 0, score, label: spanAround(head ?? words, words, scores, textScore) }];
  }
  return phrases.flatMap(({ label, words }, classIndex) => {
    const own = words.filter(({ text }) => !SEPARATOR.test(text));
    const score = bestScore(own, scores);
    return score < minScore ? [] : [{ classIndex, score, label }];
  });
}

/**
 * The best of the words that may be meant, with its neighbours that reach `textScore`, up to a sign that separates phrases.
 * @param words of the whole phrase
 */
function spanAround(
  meant: readonly Word[],
  words: readonly Word[],
  scores: Float32Array,
  textScore: number,
): string {
  const scored = words.map((word) => (SEPARATOR.test(word.text) ? -1 : bestScore([word], scores)));
  const best = meant.reduce((top, word) => {
    const at = words.indexOf(word);
    return top < 0 || scored[at]! > scored[top]! ? at : top;
  }, -1);
  let start = best;
  while (start > 0 && scored[start - 1]! >= textScore) start -= 1;
  let end = best + 1;
  while (end < words.length && scored[end]! >= textScore) end += 1;
  return words
    .slice(start, end)
    .map(({ text, glued }, at) => (glued || at === 0 ? text : ` ${text}`))
    .join('');
}

/** The score of the best of their tokens. */
function bestScore(words: readonly Word[], scores: Float32Array): number {
  return words.reduce(
    (most, { start, end }) => Math.max(most, highest(scores.subarray(start, end))),
    0,
  );
}

/** Not a number counts as 0. */
function highest(scores: Float32Array): number {
  return scores.reduce((best, score) => (score > best ? score : best), 0);
}
