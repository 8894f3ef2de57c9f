import { sigmoid } from '../core/math.js';
import { headFor, outputsFor, unitBoxAt } from './heads.js';
import { packRasters } from './packing.js';
import { type PromptedFamily, packPrompts } from './prompt.js';
import { finishProposals, type Proposal } from './proposal.js';

/**
 * OWL-ViT and OWLv2: `logits` [1, patches, prompts] hold how well the box of each patch fits each prompt, `boxes` [1, patches, 4]
 * centre and size in units of the raster. The photo goes through the graph once for all prompts of a run. Each prompt is one
 * name or one expression, which its boxes are called by.
 * @see Minderer et al., Simple Open-Vocabulary Object Detection with Vision Transformers, arXiv 2205.06230
 * @see Minderer et al., Scaling Open-Vocabulary Object Detection, arXiv 2306.09683
 */
export const owl: PromptedFamily = {
  pack(raster, prompts, card) {
    const { prompts: fixed } = card.input.text;
    const rows = fixed === 'any' ? prompts.length : fixed;
    return { ...packRasters([raster], card), ...packPrompts(prompts, card, rows) };
  },

  outputNames: (card) => [...outputsFor(card, 'logits'), ...outputsFor(card, 'boxes')],

  decode(outputs, image, prompts, card, options) {
    const { prompts: fixed } = card.input.text;
    const columns = fixed === 'any' ? prompts.length : fixed;
    const graph = { outputs, card, batch: 1 };
    const logits = headFor(graph, 'logits', [null, columns]);
    const patches = logits.dims[1]!;
    const boxes = headFor(graph, 'boxes', [patches, 4]);
    return prompts.map(({ phrases }, column) => {
      const proposals: Proposal[] = [];
      for (let patch = 0; patch < patches; patch++) {
        const score = sigmoid(logits.data[patch * columns + column]!);
        // Not a number is below any score.
        if (!(score >= options.minScore)) continue;
        const boxXyxy = unitBoxAt(boxes.data, patch * 4, card.input);
        proposals.push({ boxXyxy, score, classIndex: 0 });
      }
      const { label, categoryId } = phrases[0]!;
      return finishProposals(proposals, image, card, options, [{ id: categoryId, name: label }]);
    });
  },
};
