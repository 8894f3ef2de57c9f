import { quoted, VgrError } from '../formats/fault.js';
import type { Query } from '../formats/query-line.js';
import { type Bbox2d, parseOutputLine, type ResultLine } from '../formats/result-line.js';
import { type BoxXyxy, xywhToXyxy } from '../geometry/box.js';
import { iouXyxy, isCorrect } from '../geometry/overlap.js';
import { readLines } from '../io/line-reader.js';
import type { Candidate, RefineRequest } from '../refinement/refiner.js';
import { firstAnswer } from '../refinement/tool-answer.js';

/** The rewards of trainers compare one box with one. @throws VgrError QUERY_INVALID where the line has none, or several */
export function truthOf({ truthsXywh, line }: Query): BoxXyxy {
  const [truth, ...others] = truthsXywh ?? [];
  if (truth && others.length === 0) return xywhToXyxy(truth);
  const got = truth ? `${truthsXywh!.length} boxes` : 'none';
  throw new VgrError(
    'QUERY_INVALID',
    `line ${line}: expected the ground truth in \`bbox\`, got ${got}`,
    {
      hint: 'rows for trainers hold one box each: leave out lines that mean several objects or none',
    },
  );
}

/** @throws VgrError QUERY_INVALID */
export function imageOf({ image, line }: Query): string {
  if (image !== undefined) return image;
  throw new VgrError('QUERY_INVALID', `line ${line}: expected \`image\`, got none`);
}

/** Whether the answer of a run hits the ground truth: there is nothing to learn from the thoughts of another. */
export function isRight({ answer: { bbox_2d: box } }: ResultLine, truth: BoxXyxy): boolean {
  return box !== null && isCorrect(iouXyxy(xyxyOf(box), truth));
}

/** Whether it holds what a large refiner thought before and after it saw the tools' boxes: nobody else tells the format. */
export function hasThoughts({ answer }: ResultLine): boolean {
  return answer.format !== undefined && answer.decision !== 'fallback';
}

/**
 * A request as the large refiner gets it: the tools of the line; where a run brought another one's answer, that one first.
 * @throws VgrError QUERY_INVALID where the tool is not there
 */
export function requestOf(
  { query, tools, line }: Query,
  image: { readonly width: number; readonly height: number },
  {
    result,
    toolName,
  }: { readonly result: ResultLine | undefined; readonly toolName: string | undefined },
): RefineRequest {
  const brought = tools.flatMap(({ name, boxes }) =>
    boxes.map((box, rank): Candidate => ({ ...box, tool: name, rank })),
  );
  const ran = result && !tools.some(({ name }) => name === result.tool.name) ? ranTool(result) : [];
  const name = toolName ?? result?.tool.name ?? tools[0]?.name;
  const candidates = [...ran, ...brought];
  const known = name === result?.tool.name || tools.some((tool) => tool.name === name);
  if (name === undefined || !known) {
    throw new VgrError(
      'QUERY_INVALID',
      `line ${line}: expected boxes of ${toolName === undefined ? 'a tool' : quoted(toolName)}, got none`,
      { hint: 'give them on the line in `tools`, or let `vgr refine` bring them: `--results`' },
    );
  }
  const tool = firstAnswer(candidates.filter((candidate) => candidate.tool === name));
  return { query, image, candidates, toolName: name, tool };
}

function ranTool({ tool: { name, bbox_2d: box, score, label } }: ResultLine): Candidate[] {
  if (!box) return [];
  return [
    {
      boxXyxy: xyxyOf(box),
      tool: name,
      rank: 0,
      ...(score !== undefined && { score }),
      ...(label !== undefined && { label }),
    },
  ];
}

/** The answers of a run by id; undefined where none are named. @throws VgrError INPUT_MISSING, INPUT_INVALID */
export async function resultsById(
  file: string | undefined,
): Promise<ReadonlyMap<string, ResultLine> | undefined> {
  if (file === undefined) return undefined;
  const results = new Map<string, ResultLine>();
  for await (const item of readLines(file)) {
    if ('fault' in item) throw item.fault;
    const line = parseOutputLine(item.text, `${file}:${item.number}`);
    if (line.type === 'result') results.set(line.id, line);
  }
  return results;
}

function xyxyOf([x1, y1, x2, y2]: Bbox2d): BoxXyxy {
  return { x1, y1, x2, y2 };
}
