import type { BoxXyxy } from '../../geometry/box.js';
import type { Candidate, RefineRequest } from '../refiner.js';
import { firstAnswer, grounders, toolAnswer } from '../tool-answer.js';
import { type ModelView, writtenXyxy } from './pixel-grid.js';

/** How the model asks for the tools' results. */
export const FUNCTION_CALL = '<function>get_extra_ref_result()</function>';

/** A tool's box with the numbers that the model is shown for it. */
export interface ShownBox {
  readonly candidate: Candidate;
  /** Whole numbers in the model's coordinates. */
  readonly writtenXyxy: BoxXyxy;
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
  const asked = grounders(query, candidates);
  const answerOf = (name: string, own: readonly Candidate[]): Candidate | null => {
    if (name === toolName) return tool;
    return asked.has(name) ? firstAnswer(own) : toolAnswer(query, own);
  };
  return names.map((name) => {
    const own = candidates.filter((candidate) => candidate.tool === name);
    const answer = answerOf(name, own);
    const rest = own.filter((candidate) => candidate !== answer).sort((a, b) => a.rank - b.rank);
    return [...(answer ? [answer] : []), ...rest]
      .slice(0, boxesPerTool)
      .map((candidate) => ({ candidate, writtenXyxy: writtenXyxy(candidate.boxXyxy, view) }));
  });
}

/** `{"reftool_1": "[{\"bbox_2d\": [1, 2, 3, 4]}]"}`: each tool's list is a string of JSON in itself. */
export function toolResults(tools: readonly ShownTool[]): string {
  const entries = tools.map((boxes, index) => {
    const list = boxes.map(({ writtenXyxy: { x1, y1, x2, y2 } }) => {
      return `{"bbox_2d": [${x1}, ${y1}, ${x2}, ${y2}]}`;
    });
    return `"reftool_${index + 1}": ${JSON.stringify(`[${list.join(', ')}]`)}`;
  });
  return `{${entries.join(', ')}}`;
}

/** The block that answers the function call. */
export function toolBlock(tools: readonly ShownTool[]): string {
  return `<tool>${toolResults(tools)}</tool>`;
}
