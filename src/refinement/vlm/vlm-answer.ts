import type { BoxXyxy } from '../../geometry/box.js';
import { iouXyxy } from '../../geometry/overlap.js';
import type { Answer, Candidate, RefineRequest, Thought } from '../refiner.js';
import type { Exchange, VlmProtocol } from './conversation.js';
import { fromModelXyxy, type ModelView, modelExtent } from './pixel-grid.js';
import { formatTerm, lastPart } from './reply.js';
import { type ReplyAnswer, readAnswer } from './reply-boxes.js';
import type { ShownTool } from './tool-block.js';
import type { VlmTally } from './vlm-tally.js';

/** What is needed to understand what a model says about one query. */
export interface Talk {
  readonly request: RefineRequest;
  readonly protocol: VlmProtocol;
  readonly view: ModelView;
  readonly tools: readonly ShownTool[];
  /** Counted up. */
  readonly tally: VlmTally;
}

/** Boxes overlap this much (IoU) where they show the same object. */
const SAME_OBJECT_IOU = 0.5;
/** The score of a model that tells no probabilities. */
const STATED = 1;
/** Characters of a thought that a result holds. */
const MAX_TEXT = 4000;

/** What the model thought before it saw the tools' boxes. */
export function thoughtOf({ view, protocol }: Talk, { blind, confidence }: Exchange): Thought {
  if (protocol === 'piter') {
    return { boxXyxy: null, score: 0, text: 'asked in one turn, with the boxes of the tools' };
  }
  const text = lastPart(blind, 'think') ?? '';
  const own = readAnswer(lastPart(blind, 'answer') ?? text, modelExtent(view));
  const box = own.kind === 'boxes' ? fromModelXyxy(own.boxesXyxy.at(-1)!, view) : null;
  return {
    boxXyxy: box,
    score: box ? (confidence ?? STATED) : 0,
    text: text.slice(0, MAX_TEXT),
  };
}

/** What its answer comes to. @param read the answer in pixels of the photo */
export function answerOf(talk: Talk, exchange: Exchange, read: ReplyAnswer): Answer {
  const { request, protocol, tally } = talk;
  const twoStage = protocol !== 'piter';
  const format = formatTerm(`${exchange.blind}\n${exchange.last}`);
  if (twoStage && format === 0) tally.unformatted += 1;
  if (!exchange.called) tally.uncalled += 1;
  const said = lastPart(exchange.last, 'rethink') ?? '';
  const text = said.slice(0, MAX_TEXT);
  const base = twoStage ? { format } : {};
  const score = exchange.confidence ?? STATED;
  if (read.kind === 'none') {
    return {
      ...base,
      boxXyxy: null,
      score,
      decision: 'none',
      text: text || 'the model finds nothing in the image that fits',
    };
  }
  if (read.kind !== 'boxes') {
    return {
      ...base,
      boxXyxy: request.tool?.boxXyxy ?? null,
      score: request.tool?.score ?? 0,
      decision: 'fallback',
      text: "the model's answer cannot be read, the tool's box stands",
    };
  }
  const boxes = read.boxesXyxy.map((box) => copiedBox(box, talk) ?? box);
  const box = boxes[0]!;
  const decision = decisionOn(box, request.tool);
  return {
    ...base,
    boxXyxy: box,
    score,
    decision,
    text: text || DEFAULT_TEXT[decision],
    // Two stages end in one box; the one turn may list several.
    ...(!twoStage && boxes.length > 1 && { boxes: boxes.map((boxXyxy) => ({ boxXyxy, score })) }),
  };
}

const DEFAULT_TEXT = {
  confirm: "the model keeps the tool's box",
  correct: "the model chooses another object than the tool's",
  adjust: 'the model draws another box around the same object',
} as const;

/**
 * The tool's own box where the model wrote the very numbers that it was shown: what it kept must not move by rounding.
 */
function copiedBox(box: BoxXyxy, { tools, view }: Talk): BoxXyxy | undefined {
  for (const { candidate, writtenXyxy } of tools.flat()) {
    const shown = fromModelXyxy(writtenXyxy, view);
    const moved = Math.max(
      Math.abs(box.x1 - shown.x1),
      Math.abs(box.y1 - shown.y1),
      Math.abs(box.x2 - shown.x2),
      Math.abs(box.y2 - shown.y2),
    );
    if (moved < 1e-6) return candidate.boxXyxy;
  }
  return undefined;
}

/** What an answer makes of the tool's box. */
export function decisionOn(box: BoxXyxy, tool: Candidate | null): 'confirm' | 'correct' | 'adjust' {
  if (tool === null) return 'correct';
  const { x1, y1, x2, y2 } = tool.boxXyxy;
  if (box.x1 === x1 && box.y1 === y1 && box.x2 === x2 && box.y2 === y2) return 'confirm';
  return iouXyxy(box, tool.boxXyxy) >= SAME_OBJECT_IOU ? 'adjust' : 'correct';
}
