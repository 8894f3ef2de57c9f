import type { PromptedFamilyName } from '../formats/detector-outputs.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { ImageSize } from '../geometry/box.js';
import { type DraftFacts, draftInput, habitualSize } from './card-draft.js';
import type { TextInputs } from './graph-inputs.js';
import type { ObservedOutput } from './recognition.js';

/** Most tokens that upstream's models read. */
const LENGTHS: Readonly<Record<PromptedFamilyName, number>> = {
  'grounding-dino': 256,
  owlv2: 16,
  owlvit: 16,
};

/** Sides of the photos that Grounding DINO was trained on. */
const SIDES = { shorter: 800, longer: 1333 };

/** What is known of a graph that is asked in words. */
export interface PromptedFacts extends Omit<DraftFacts, 'size'> {
  readonly text: TextInputs;
  /** Where anything tells it. */
  readonly size: ImageSize | undefined;
  /** `model_type` of the configuration beside the file. */
  readonly modelType: string | undefined;
  /** The token that fills. */
  readonly pad: number;
}

/** The family by what the graph takes: segments of text are Grounding DINO's; the OWL models are told apart by name or size. */
export function promptedFamilyOf({ text, size, modelType }: PromptedFacts): PromptedFamilyName {
  if (text.types !== undefined) return 'grounding-dino';
  if (modelType === 'owlvit' || modelType === 'owlv2') return modelType;
  return size?.width === habitualSize('owlvit') ? 'owlvit' : 'owlv2';
}

/** The `input` of a card without the names of the tokeniser's files. */
export function draftPromptedInput(
  facts: PromptedFacts,
  family: PromptedFamilyName,
): DetectorCard['input'] {
  const { text, inputs, hub } = facts;
  const side = habitualSize(family);
  const recognised = { family, classes: undefined, outputs: {} };
  // Where the graph leaves the size open, Grounding DINO keeps the photo's own proportions.
  const isOpen = family === 'grounding-dino' && facts.size === undefined;
  const sides = hub?.sides ?? SIDES;
  const size = isOpen
    ? { width: sides.longer, height: sides.shorter }
    : (facts.size ?? { width: side, height: side });
  const { extra, ...input } = draftInput({ ...facts, inputs, size }, recognised);
  const { prompts, length, ...names } = text;
  return {
    ...input,
    ...(isOpen && { fit: 'shorter-side' as const }),
    ...(extra && {
      extra: extra.map((one) =>
        isOpen && one.holds === 'ones' ? { ...one, holds: 'pixel-mask' as const, dims: [] } : one,
      ),
    }),
    text: {
      ...names,
      length: length ?? LENGTHS[family],
      padded: length !== undefined || family !== 'grounding-dino',
      pad: facts.pad,
      prompts: family === 'grounding-dino' ? 'any' : (prompts ?? 'any'),
      tokenizer: 'tokenizer.json',
    },
  };
}

/**
 * Which outputs hold what, after one run.
 * @param prompts that went in
 * @returns undefined where the shapes are not the family's
 */
export function recognisePrompted(
  family: PromptedFamilyName,
  outputs: readonly ObservedOutput[],
  prompts: number,
): DetectorCard['outputs'] | undefined {
  const lists = outputs.filter(({ tensor }) => tensor.dims.length === 3);
  const boxes = lists.find(({ name, tensor }) => tensor.dims[2] === 4 && /box/i.test(name));
  const rows = boxes?.tensor.dims[1];
  const logits = lists.find(
    ({ name, tensor }) => tensor.dims[1] === rows && /logit/i.test(name) && !/object/i.test(name),
  );
  if (!boxes || !logits) return undefined;
  const perPrompt = family === 'grounding-dino' ? logits.tensor.dims[0] : logits.tensor.dims[2];
  return perPrompt === prompts ? { logits: [logits.name], boxes: [boxes.name] } : undefined;
}
