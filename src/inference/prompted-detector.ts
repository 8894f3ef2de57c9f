import type { Detection } from '../detection/detection.js';
import type { TokenizedPrompt } from '../detection/prompt.js';
import type { PromptName, PromptTokenizer } from '../detection/prompt-tokenizer.js';
import { VgrError } from '../formats/fault.js';
import type { PromptedCard } from '../formats/model-card.js';
import type { Detector, OpenedPhoto, PromptAnswers } from '../pipeline/ports.js';
import type { DetectAsking } from './job.js';
import type { SessionPool } from './pool.js';
import type { PooledDetectorOptions } from './pooled-detector.js';

/**
 * Expressions that one run of OWL-ViT takes. A run that has fewer is filled up, so that what an expression finds does not hang
 * on which others were there; the photo costs about a hundred times as much as one of them (ViT-B/32 at 768 x 768: 110 GFLOP
 * against 1.2).
 */
const EXPRESSIONS_A_RUN = 8;

/** Names that one run of OWL-ViT takes. */
const NAMES_A_RUN = 128;

export interface PromptedDetectorOptions extends PooledDetectorOptions {
  /** Told how many of the prompts of one call are longer than the model reads. */
  readonly onCut: (count: number) => void;
}

/**
 * A detector that is asked in words, whose sessions live in the pool. The model must be loaded there under the card's name. With
 * `classes` it looks for these names in every photo, and is a detector like any other; without, it is asked expressions.
 */
export function promptedDetector(
  pool: SessionPool,
  card: PromptedCard,
  tokenizer: PromptTokenizer,
  { batchSize, classes, onCut, ...wanted }: PromptedDetectorOptions,
): Detector {
  const asking: DetectAsking = {
    model: card.name,
    card,
    options: wanted,
    batchLimit: 1,
  };
  const shared = { name: card.name, spec: card.input };
  const run = async (
    { raster, size: image }: OpenedPhoto,
    prompts: readonly TokenizedPrompt[],
  ): Promise<PromptAnswers> => {
    // The pixels move to the worker; other prompts of the photo need them too.
    const copy = { ...raster, data: raster.data.slice() };
    const { answers, ms } = await pool.detect(asking, { raster: copy, image, prompts });
    return { answers: answers!, ms };
  };
  if (classes) {
    const categories = classes.map((name, index): PromptName => ({ id: index + 1, name }));
    const prompts = tokenizer.names(categories);
    const cut = prompts.filter((prompt) => prompt.cut).length;
    if (cut > 0) onCut(cut);
    const runs = partsOf(prompts, promptsARun(card, batchSize, NAMES_A_RUN));
    return {
      ...shared,
      calibration: card.decoding.calibration,
      categories,
      detect: async (photo) => {
        const all: (readonly Detection[])[] = [];
        let time = 0;
        for (const part of runs) {
          const { answers, ms } = await run(photo, part);
          all.push(...answers);
          time += ms;
        }
        return { detections: bestOf(all, wanted.maxDetections), raster: photo.raster, ms: time };
      },
    };
  }
  const perRun = promptsARun(card, batchSize, EXPRESSIONS_A_RUN);
  return {
    ...shared,
    categories: [],
    detect: () => Promise.reject(new VgrError('INTERNAL', `${card.name} is asked in words`)),
    prompted: {
      promptsARun: perRun,
      ask: async (photo, expressions) => {
        const prompts = expressions.map((text) => tokenizer.expression(text));
        const said = prompts.filter((prompt) => prompt !== undefined);
        const cut = said.filter((prompt) => prompt.cut).length;
        if (cut > 0) onCut(cut);
        if (said.length === 0) return { answers: expressions.map(() => []), ms: 0 };
        const { answers, ms } = await run(photo, filled(said, card, perRun));
        const found = [...answers];
        return { answers: prompts.map((prompt) => (prompt ? found.shift()! : [])), ms };
      },
    },
  };
}

/** Where the photo goes in once for each prompt, prompts are the batch; else they share it. */
function promptsARun(card: PromptedCard, batchSize: number, shared: number): number {
  if (card.family === 'grounding-dino') return card.input.batch === 'any' ? batchSize : 1;
  return card.input.text.prompts === 'any' ? shared : card.input.text.prompts;
}

/** Prompts that share the photo's features, as many in every run. */
function filled(
  prompts: readonly TokenizedPrompt[],
  { family }: PromptedCard,
  perRun: number,
): readonly TokenizedPrompt[] {
  if (family === 'grounding-dino') return prompts;
  return Array.from({ length: perRun }, (_, place) => prompts[place] ?? prompts.at(-1)!);
}

function partsOf<Item>(items: readonly Item[], length: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / length) }, (_, part) =>
    items.slice(part * length, (part + 1) * length),
  );
}

/** Best first; equal scores by rising category, then in their order. */
function bestOf(answers: readonly (readonly Detection[])[], most: number): Detection[] {
  return answers
    .flat()
    .sort((a, b) => b.score - a.score || a.categoryId - b.categoryId)
    .slice(0, most);
}
