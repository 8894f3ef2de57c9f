import { type BoxXyxy, clipXyxy, type ImageSize, scaleXyxy } from '../core/box.js';
import { firstAnswer, singleBoxTools, toolAnswer } from '../refine/candidates.js';
import type { Candidate, RefineRequest } from '../refine/refiner.js';

/** What a prompt is made from. */
export interface PromptFacts {
  /** The expression, normalised. */
  readonly query: string;
  /** The picture as it is sent, pixels. */
  readonly picture: ImageSize;
  readonly grid: PixelGrid;
  /** What the tools found, in the form of the `<tool>` block without its tags; only where the first turn holds it. */
  readonly tools?: string;
}

/** Writes the first message of a conversation. */
export type PromptWriter = (facts: PromptFacts) => string;

/** How a model is told to write a box, and that there is none. Gemini knows this key and this order alone. */
const boxForm = ({ yFirst }: PixelGrid) =>
  yFirst
    ? { box: '{"box_2d": [ymin, xmin, ymax, xmax]}', none: '{"box_2d": null}' }
    : { box: '{"bbox_2d": [x1, y1, x2, y2]}', none: '{"bbox_2d": null}' };

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

/** Two stages: think without the tools, call for them, rethink, answer. */
export const twoStagePrompt: PromptWriter = (
  facts,
) => `One object in the image is meant by this expression: "${facts.query}". Find it.

Work in this order:
1. Between <think> and </think>, compare the objects that the expression could mean and choose one. State its box as ${boxForm(facts.grid).box}.
2. Then ask what other localisation tools found, by writing exactly ${FUNCTION_CALL} and nothing after it. Their boxes will be handed to you between <tool> and </tool>.
3. Between <rethink> and </rethink>, hold your choice against theirs. Where they differ, look at the image once more: they may be wrong, and so may you.
4. Give one final box as <answer>${boxForm(facts.grid).box}</answer>. If no object in the image fits, give <answer>${boxForm(facts.grid).none}</answer>.

${coordinates(facts)}`;

/** One turn, with the tools' boxes in it. @see VG-Refiner, arXiv 2512.06373, PiTER */
export const piterPrompt: PromptWriter = (
  facts,
) => `One object in the image is meant by this expression: "${facts.query}". Find it.

Other tools were asked the same. Their boxes:
${facts.tools ?? '{}'}
They may be wrong. Judge by the image: keep a box, draw it better, or choose another object.

Answer with a JSON list and nothing else: [${boxForm(facts.grid).box.slice(0, -1)}, "label": "what it is"}]. If no object in the image fits, answer [].

${coordinates(facts)}`;

/** The next turn on servers that cannot continue the assistant's own message. */
export const GO_ON =
  'These are the boxes of the other tools. Go on: <rethink> </rethink> first, then <answer> </answer>.';

/** Asks once more after an answer that cannot be read. @param reason the error in it, a clause */
export function repairPrompt(reason: string, facts: PromptFacts): string {
  const { box, none } = boxForm(facts.grid);
  return `Your answer cannot be used: ${reason}. Give the final box once more, as <answer>${box}</answer> with four numbers and nothing else, or <answer>${none}</answer> if no object fits. ${coordinates(facts)}`;
}

/** How the model asks for the tools' results. */
export const FUNCTION_CALL = '<function>get_extra_ref_result()</function>';

/** A tool's box with the numbers that the model is shown for it. */
export interface ShownBox {
  readonly candidate: Candidate;
  /** Whole numbers in the model's coordinates. */
  readonly writtenXyxy: BoxXyxy;
  /** The same as the model writes a box. */
  readonly text: string;
}

/** The boxes of one tool as the model sees them, best first; empty where it found nothing. */
export type ShownTool = readonly ShownBox[];

/**
 * What each tool shows: the one whose answer counts first, then the others in their order. Of every tool its answer, then
 * its next boxes up to `boxesPerTool`.
 */
export function shownTools(
  { query, candidates, tool, toolName }: RefineRequest,
  view: ModelView,
  boxesPerTool: number,
): readonly ShownTool[] {
  const names = [...new Set([toolName, ...candidates.map((candidate) => candidate.tool)])];
  const asked = singleBoxTools(query, candidates);
  const answerOf = (name: string, own: readonly Candidate[]): Candidate | null => {
    if (name === toolName) return tool;
    return asked.has(name) ? firstAnswer(own) : toolAnswer(query, own);
  };
  return names.map((name) => {
    const own = candidates.filter((candidate) => candidate.tool === name);
    const answer = answerOf(name, own);
    const rest = own.filter((candidate) => candidate !== answer).sort((a, b) => a.rank - b.rank);
    return [...(answer ? [answer] : []), ...rest].slice(0, boxesPerTool).map((candidate) => {
      const written = writtenXyxy(candidate.boxXyxy, view);
      return { candidate, writtenXyxy: written, text: boxText(written, view.grid) };
    });
  });
}

/** A box with whole numbers as the model writes it. */
export function boxText({ x1, y1, x2, y2 }: BoxXyxy, { yFirst }: PixelGrid): string {
  if (yFirst) return `{"box_2d": [${y1}, ${x1}, ${y2}, ${x2}]}`;
  return `{"bbox_2d": [${x1}, ${y1}, ${x2}, ${y2}]}`;
}

/** The boxes of one tool as a list of JSON. */
export function boxList(tool: ShownTool): string {
  return `[${tool.map(({ text }) => text).join(', ')}]`;
}

/** `{"reftool_1": "[{\"bbox_2d\": [1, 2, 3, 4]}]"}`: each tool's list is a string of JSON in itself. */
export function toolResults(tools: readonly ShownTool[]): string {
  const entries = tools.map(
    (boxes, index) => `"reftool_${index + 1}": ${JSON.stringify(boxList(boxes))}`,
  );
  return `{${entries.join(', ')}}`;
}

/** The block that answers the function call. */
export function toolBlock(tools: readonly ShownTool[]): string {
  return `<tool>${toolResults(tools)}</tool>`;
}

/** How a vision-language model cuts a photo into patches, and in which coordinates it writes boxes. */
export interface PixelGrid {
  /** Sides of the picture are multiples of this, pixels. */
  readonly step: number;
  /** Fewest and most pixels of the picture. */
  readonly minPixels: number;
  readonly maxPixels: number;
  /** Both sides run from 0 to this number in the model's coordinates; absent where its coordinates are pixels of the picture. */
  readonly scale?: number;
  /** Whether lists of four numbers have the rows first: ymin, xmin, ymax, xmax. */
  readonly yFirst?: boolean;
}

/**
 * Grids by model family. Sides and least pixels are those of the models' own image processors, so that a server leaves the
 * picture as it comes; the most pixels are lower than theirs, since a picture of 1280 patches shows what a box needs.
 * @see Qwen2-VL, arXiv 2409.12191 (coordinates from 0 to 1000); Qwen2.5-VL, arXiv 2502.13923 (pixels); Qwen3-VL, arXiv
 *   2511.21631 (patches of 32, coordinates from 0 to 1000); InternVL 2.5, arXiv 2412.05271 (12 tiles of 448); Gemini's
 *   documentation of bounding boxes (0 to 1000, rows first)
 */
export const GRIDS = {
  'qwen2-vl': { step: 28, minPixels: 56 * 56, maxPixels: 1280 * 28 * 28, scale: 1000 },
  'qwen2.5-vl': { step: 28, minPixels: 56 * 56, maxPixels: 1280 * 28 * 28 },
  'qwen3-vl': { step: 32, minPixels: 256 * 256, maxPixels: 1280 * 32 * 32, scale: 1000 },
  internvl: { step: 1, minPixels: 1, maxPixels: 12 * 448 * 448, scale: 1000 },
  gemini: { step: 1, minPixels: 1, maxPixels: 1536 * 1536, scale: 1000, yFirst: true },
} as const satisfies Record<string, PixelGrid>;

export type GridName = keyof typeof GRIDS;

/**
 * The size at which the model sees a photo: both sides rounded to the grid; where that leaves too many or too few pixels,
 * scaled by one factor and rounded down or up. A photo of 640 by 480 is 644 by 476 on a grid of 28. A size that this
 * function gives stays as it is.
 * @see smart_resize of Qwen2-VL's image processor
 */
export function gridSize({ width, height }: ImageSize, grid: PixelGrid): ImageSize {
  const { step, minPixels, maxPixels } = grid;
  const nearest = (side: number): number => Math.max(step, halfEven(side / step) * step);
  const size = { width: nearest(width), height: nearest(height) };
  const pixels = size.width * size.height;
  if (pixels > maxPixels) {
    const shrink = Math.sqrt((width * height) / maxPixels);
    const down = (side: number): number => Math.max(step, Math.floor(side / shrink / step) * step);
    return { width: down(width), height: down(height) };
  }
  if (pixels < minPixels) {
    const stretch = Math.sqrt(minPixels / (width * height));
    const up = (side: number): number => Math.ceil((side * stretch) / step) * step;
    return { width: up(width), height: up(height) };
  }
  return size;
}

/** Python's `round`: halves go to the even neighbour. */
function halfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** A photo as a model sees it. */
export interface ModelView {
  /** The upright photo, pixels. */
  readonly photo: ImageSize;
  /** The picture that is sent, pixels. */
  readonly picture: ImageSize;
  readonly grid: PixelGrid;
}

/** Width and height of the photo in the model's coordinates. */
export function modelExtent({ picture, grid: { scale } }: ModelView): ImageSize {
  return scale === undefined ? picture : { width: scale, height: scale };
}

/** A box of the photo in the model's coordinates, not rounded. */
export function toModelXyxy(box: BoxXyxy, view: ModelView): BoxXyxy {
  const { width, height } = modelExtent(view);
  return scaleXyxy(box, width / view.photo.width, height / view.photo.height);
}

/** The same as it is written for the model: whole numbers inside the picture. */
export function writtenXyxy(box: BoxXyxy, view: ModelView): BoxXyxy {
  const { x1, y1, x2, y2 } = toModelXyxy(box, view);
  const rounded = {
    x1: Math.round(x1),
    y1: Math.round(y1),
    x2: Math.round(x2),
    y2: Math.round(y2),
  };
  return clipXyxy(rounded, modelExtent(view));
}

/** A box in the model's coordinates, converted to pixels of the photo; the inverse of {@link toModelXyxy}. */
export function fromModelXyxy(box: BoxXyxy, view: ModelView): BoxXyxy {
  const { width, height } = modelExtent(view);
  return scaleXyxy(box, view.photo.width / width, view.photo.height / height);
}
