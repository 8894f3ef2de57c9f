import type { BoxXyxy } from '../core/box.js';
import { VgrError } from '../core/error.js';
import { decisionOn } from '../core/iou.js';
import type {
  Answer,
  Candidate,
  Refinement,
  RefineRequest,
  Refiner,
  Thought,
} from '../refine/refiner.js';
import {
  type Chat,
  type ChatMessage,
  type Conversation,
  type Exchange,
  oneTurn,
  repairTurn,
  twoStages,
  type VlmMode,
  type VlmProtocol,
} from './conversation.js';
import {
  fromModelXyxy,
  gridSize,
  type ModelView,
  modelExtent,
  normalisedQuery,
  type PixelGrid,
  type PromptFacts,
  type PromptWriter,
  repairPrompt,
  type ShownTool,
  shownTools,
  toolBlock,
  toolResults,
} from './prompt.js';
import { answerText, formatTerm, lastPart } from './reply.js';
import { type ReplyAnswer, type ReplyNote, readAnswer } from './reply-boxes.js';

export interface VlmSettings {
  readonly chat: Chat;
  /** The server's name of the model. */
  readonly model: string;
  readonly protocol: VlmProtocol;
  /** Asked for before the first conversation. */
  readonly mode: () => Promise<VlmMode>;
  readonly prompt: PromptWriter;
  readonly grid: PixelGrid;
  /** Boxes of each tool that the model is shown, at least 1. */
  readonly boxesPerTool: number;
  /** Most tokens of each reply. */
  readonly maxTokens: number;
  /** By default 1.05, and only where the server continues messages: others may not know the field. */
  readonly repetitionPenalty?: number;
  /** Runs a conversation, by default at once. Open conversations are not held up by those that wait. */
  readonly admit?: <Result>(conversation: () => Promise<Result>) => Promise<Result>;
  /** Counted up as conversations go. */
  readonly tally: VlmTally;
}

/** @see VG-Refiner, arXiv 2512.06373, decoding */
const REPETITION_PENALTY = 1.05;

/**
 * The large refiner: a vision-language model behind a server. It thinks, is handed the tools' boxes, and answers with a box in
 * pixels of its own picture, which is mapped back. Requests go out side by side; the server's client bounds how many.
 * @see VG-Refiner, arXiv 2512.06373
 */
export function createVlmRefiner(settings: VlmSettings): Refiner {
  return {
    name: `vlm:${settings.model}`,
    refine: (requests, signal) =>
      Promise.all(requests.map((request) => converse(request, settings, signal))),
  };
}

/** One query's conversation with the model. */
interface Talk {
  readonly request: RefineRequest;
  readonly protocol: VlmProtocol;
  readonly view: ModelView;
  readonly tools: readonly ShownTool[];
  readonly tally: VlmTally;
}

/** @throws VgrError QUERY_INVALID where there is no photo to look at; of the photo; of the chat */
async function converse(
  request: RefineRequest,
  settings: VlmSettings,
  signal: AbortSignal | undefined,
): Promise<Refinement> {
  signal?.throwIfAborted();
  const { chat, maxTokens, grid, protocol, tally, admit = (begin) => begin() } = settings;
  if (!request.encodePhoto) {
    throw new VgrError(
      'QUERY_INVALID',
      'expected a photo for the vision-language model to look at, got a line without `image`',
      { hint: 'name the folder of the photos, and the photo in `image`' },
    );
  }
  const { url, photo, picture } = await request.encodePhoto((size) => gridSize(size, grid));
  const view: ModelView = { photo, picture, grid };
  const tools = shownTools(request, view, settings.boxesPerTool);
  const isPiter = protocol === 'piter';
  const mode = isPiter ? 'multi-turn' : await settings.mode();
  const byDefault = mode === 'continue' ? REPETITION_PENALTY : undefined;
  const repetitionPenalty = settings.repetitionPenalty ?? byDefault;
  const conversation: Conversation = { chat, mode, maxTokens, repetitionPenalty };
  const facts: PromptFacts = {
    query: normalisedQuery(request.query),
    picture,
    grid,
    tools: isPiter ? toolResults(tools) : undefined,
  };
  const opening: ChatMessage = {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: settings.prompt(facts) },
    ],
  };
  const talk: Talk = { request, protocol, view, tools, tally };
  return admit(async () => {
    const exchange = isPiter
      ? await oneTurn(conversation, opening)
      : await twoStages(conversation, opening, toolBlock(tools));
    let read = readIn(talk, exchange.last);
    if (read.kind === 'unreadable') {
      tally.repairs += 1;
      const repair = await repairTurn(conversation, exchange, repairPrompt(read.reason, facts));
      read = readIn(talk, repair.text);
      if (read.kind === 'unreadable') tally.fallbacks += 1;
    }
    tally.answered += 1;
    return { think: thoughtOf(talk, exchange), answer: answerOf(talk, exchange, read) };
  });
}

/** An answer in photo pixels. A point stands for the candidate around it. */
function readIn({ request, view, tally }: Talk, text: string): ReplyAnswer {
  const read = readAnswer(answerText(text), modelExtent(view));
  if (read.kind === 'boxes') {
    countNotes(tally, read.notes);
    return { ...read, boxesXyxy: read.boxesXyxy.map((box) => fromModelXyxy(box, view)) };
  }
  if (read.kind !== 'point') return read;
  const { x, y } = read;
  const { x1, y1 } = fromModelXyxy({ x1: x, y1: y, x2: x, y2: y }, view);
  const around = candidateAround(request, x1, y1);
  if (!around) return { kind: 'unreadable', reason: 'it holds a point in place of a box' };
  countNotes(tally, ['point']);
  return { kind: 'boxes', boxesXyxy: [around.boxXyxy], notes: ['point'] };
}

/** The candidate that holds the point and has its centre nearest to it, in sizes of the box. */
function candidateAround({ candidates }: RefineRequest, x: number, y: number): Candidate | null {
  let best: Candidate | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const { x1, y1, x2, y2 } = candidate.boxXyxy;
    const away = Math.max(
      Math.abs(x - (x1 + x2) / 2) / (x2 - x1),
      Math.abs(y - (y1 + y2) / 2) / (y2 - y1),
    );
    if (away <= 0.5 && away < least) {
      least = away;
      best = candidate;
    }
  }
  return best;
}

/** The score of a model that tells no probabilities. */
const STATED = 1;
/** Characters of a thought that a result holds. */
const MAX_TEXT = 4000;

/** What the model thought before it saw the tools' boxes. */
function thoughtOf({ view, protocol }: Talk, { withoutTools, confidence }: Exchange): Thought {
  if (protocol === 'piter') {
    return { boxXyxy: null, score: 0, text: 'asked in one turn, with the boxes of the tools' };
  }
  const text = lastPart(withoutTools, 'think') ?? '';
  const own = readAnswer(lastPart(withoutTools, 'answer') ?? text, modelExtent(view));
  const box = own.kind === 'boxes' ? fromModelXyxy(own.boxesXyxy.at(-1)!, view) : null;
  return {
    boxXyxy: box,
    score: box ? (confidence ?? STATED) : 0,
    text: text.slice(0, MAX_TEXT),
  };
}

/** The refiner's answer. @param read the model's, in pixels of the photo */
function answerOf(talk: Talk, exchange: Exchange, read: ReplyAnswer): Answer {
  const { request, protocol, tally } = talk;
  const isTwoStage = protocol !== 'piter';
  const format = isTwoStage ? formatTerm(`${exchange.withoutTools}\n${exchange.last}`) : undefined;
  if (format === 0) tally.unformatted += 1;
  if (!exchange.called) tally.uncalled += 1;
  const text = (lastPart(exchange.last, 'rethink') ?? '').slice(0, MAX_TEXT);
  const score = exchange.confidence ?? STATED;
  if (read.kind === 'none') {
    return {
      format,
      boxXyxy: null,
      score,
      decision: 'none',
      text: text || 'the model finds nothing in the image that fits',
    };
  }
  if (read.kind !== 'boxes') {
    return {
      format,
      boxXyxy: request.tool?.boxXyxy ?? null,
      score: request.tool?.score ?? 0,
      decision: 'fallback',
      text: "the model's answer cannot be read, the tool's box stands",
    };
  }
  const boxes = read.boxesXyxy.map((box) => copiedBox(box, talk) ?? box);
  const decision = decisionOn(boxes[0]!, request.tool?.boxXyxy);
  // Two stages end in one box; the one turn may list several.
  const isList = !isTwoStage && boxes.length > 1;
  return {
    format,
    boxXyxy: boxes[0]!,
    score,
    decision,
    text: text || DEFAULT_TEXT[decision],
    boxes: isList ? boxes.map((boxXyxy) => ({ boxXyxy, score })) : undefined,
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

/** How often conversations went otherwise than they should. */
export type VlmTally = Record<keyof typeof NO_TALLY, number>;

const NO_TALLY = {
  /** Conversations that came to an answer. */
  answered: 0,
  /** Repair turns. */
  repairs: 0,
  /** Answers that stayed unreadable after it: the tool's box stands. */
  fallbacks: 0,
  /** Replies that did not call for the tools' boxes; the call was made for them. */
  uncalled: 0,
  /** Replies without all of think, rethink and answer. */
  unformatted: 0,
  /** Corners in the wrong order. */
  swapped: 0,
  /** Boxes that reached over the border. */
  clamped: 0,
  /** Coordinates told as shares of the side. */
  unit: 0,
  /** A point in place of a box; the candidate around it was taken. */
  point: 0,
};

export function emptyTally(): VlmTally {
  return { ...NO_TALLY };
}

function countNotes(tally: VlmTally, notes: readonly ReplyNote[]): void {
  for (const note of notes) tally[note] += 1;
}
