import type { ImageSize } from '../../geometry/box.js';
import type { PixelGrid } from './pixel-grid.js';
import { FUNCTION_CALL } from './tool-block.js';

/** What a prompt is made from. */
export interface PromptFacts {
  /** The expression, normalised. */
  readonly query: string;
  /** The picture as it is sent, pixels. */
  readonly picture: ImageSize;
  readonly grid: PixelGrid;
  /** What the tools found, in the form of the `<tool>` block without its tags; only where it is told at once. */
  readonly tools?: string;
}

/** Writes the first message of a conversation. */
export type PromptWriter = (facts: PromptFacts) => string;

const BOX = '{"bbox_2d": [x1, y1, x2, y2]}';
const NO_BOX = '{"bbox_2d": null}';

/** Lower case, without spaces and `. " ? !` at the ends: the form that the models were trained on. */
export function normalisedQuery(query: string): string {
  return query.toLowerCase().replace(/^[\s."?!]+|[\s."?!]+$/g, '');
}

function coordinates({ picture, grid }: PromptFacts): string {
  const unit =
    grid.scale === undefined
      ? `in pixels; the image is ${picture.width} wide and ${picture.height} high`
      : `on a scale from 0 to ${grid.scale} along either side of the image`;
  return `Coordinates start at the top left corner, x to the right and y downwards, ${unit}.`;
}

/** Two stages: think blind, call for the tools, rethink, answer. */
export const twoStagePrompt: PromptWriter = (
  facts,
) => `One object in the image is meant by this expression: "${facts.query}". Find it.

Work in this order:
1. Between <think> and </think>, compare the objects that the expression could mean and choose one. State its box as ${BOX}.
2. Then ask what other localisation tools found, by writing exactly ${FUNCTION_CALL} and nothing after it. Their boxes will be handed to you between <tool> and </tool>.
3. Between <rethink> and </rethink>, hold your choice against theirs. Where they differ, look at the image once more: they may be wrong, and so may you.
4. Give one final box as <answer>${BOX}</answer>. If no object in the image fits, give <answer>${NO_BOX}</answer>.

${coordinates(facts)}`;

/** One turn, with the tools' boxes in it. @see VG-Refiner, arXiv 2512.06373, PiTER */
export const piterPrompt: PromptWriter = (
  facts,
) => `One object in the image is meant by this expression: "${facts.query}". Find it.

Other tools were asked the same. Their boxes:
${facts.tools ?? '{}'}
They may be wrong. Judge by the image: keep a box, draw it better, or choose another object.

Answer with a JSON list and nothing else: [{"bbox_2d": [x1, y1, x2, y2], "label": "what it is"}]. If no object in the image fits, answer [].

${coordinates(facts)}`;

/** Takes the place of going on with the assistant's own message, for servers that cannot. */
export const GO_ON =
  'These are the boxes of the other tools. Go on: <rethink> </rethink> first, then <answer> </answer>.';

/** Asks once more after an answer that cannot be read. @param reason what is wrong with it, a clause */
export function repairPrompt(reason: string, facts: PromptFacts): string {
  return `Your answer cannot be used: ${reason}. Give the final box once more, as <answer>${BOX}</answer> with four numbers and nothing else, or <answer>${NO_BOX}</answer> if no object fits. ${coordinates(facts)}`;
}
