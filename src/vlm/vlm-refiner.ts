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
  type ChatReply,
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
  type ShownBox,
  type ShownTool,
  shownTools,
  toolBlock,
  toolResults,
} from './prompt.js';
import { type ReplyAnswer, readAnswer, readReply } from './reply-boxes.js';
import { formatTerm, lastPart } from './reply-parts.js';
import { splitThoughts } from './thoughts.js';

export interface VlmSettings {
  readonly chat: Chat;
  /** Name of the model on the server. */
  readonly model: string;
  readonly protocol: VlmProtocol;
  /** Not called with the protocol `piter`. */
  readonly mode: () => Promise<VlmMode>;
  readonly prompt: PromptWriter;
  readonly grid: PixelGrid;
  /** Boxes of each tool that the model is shown, at least 1. */
  readonly boxesPerTool: number;
  /** Maximum length of each reply, tokens. */
  readonly maxTokens: number;
  /** By default 1.05, and only where the server continues messages: others may not know the field. */
  readonly repetitionPenalty?: number;
  /** Runs a conversation when there is room for it; by default at once. */
  readonly admit?: <Result>(conversation: () => Promise<Result>) => Promise<Result>;
  readonly tally: VlmTally;
}

/** @see VG-Refiner, arXiv 2512.06373, decoding */
const REPETITION_PENALTY = 1.05;

/**
 * The large refiner: a vision-language model behind a server. It thinks, gets the tools' boxes, and answers with a box in
 * pixels of its picture, which is mapped back.
 * @see VG-Refiner, arXiv 2512.06373
 */
export function createVlmRefiner(settings: VlmSettings): Refiner {
  return {
    name: `vlm:${settings.model}`,
    refine: (request) => converse(request, settings),
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
async function converse(request: RefineRequest, settings: VlmSettings): Promise<Refinement> {
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
      read = readIn(talk, repair);
      if (read.kind === 'unreadable') tally.fallbacks += 1;
    }
    tally.answered += 1;
    return { think: thoughtOf(talk, exchange), answer: answerOf(talk, exchange, read) };
  });
}

const answerForm = (view: ModelView) => ({
  extent: modelExtent(view),
  layout: view.grid.yFirst ? ('yxyx' as const) : undefined,
});

/** What an answer says, in photo pixels; a point means the candidate around it. */
function readIn(talk: Talk, reply: ChatReply): Exclude<ReplyAnswer, { kind: 'point' }> {
  const { request, view, tally, protocol } = talk;
  const read = readReply(reply, answerForm(view), protocol === 'think-rethink');
  if (read.kind === 'boxes') {
    for (const note of read.notes) tally[note] += 1;
    return { ...read, boxesXyxy: read.boxesXyxy.map((box) => boxOf(box, talk)) };
  }
  if (read.kind !== 'point') return read;
  const { x, y } = read;
  const { x1, y1 } = fromModelXyxy({ x1: x, y1: y, x2: x, y2: y }, view);
  const around = candidateAround(request, x1, y1);
  if (!around) return { kind: 'unreadable', reason: 'it holds a point in place of a box' };
  tally.point += 1;
  return { kind: 'boxes', boxesXyxy: [around.boxXyxy], notes: [] };
}

/**
 * A box of the model in photo pixels. One with the very numbers of a box that the model was shown is that box: what the model
 * kept must not move by rounding.
 */
function boxOf(box: BoxXyxy, { tools, view }: Talk): BoxXyxy {
  const isShown = ({ writtenXyxy: { x1, y1, x2, y2 } }: ShownBox) =>
    [box.x1 - x1, box.y1 - y1, box.x2 - x2, box.y2 - y2].every((by) => Math.abs(by) < 1e-6);
  return tools.flat().find(isShown)?.candidate.boxXyxy ?? fromModelXyxy(box, view);
}

/** The candidate that holds the point and has its centre nearest to it, in sizes of the box. */
function candidateAround({ candidates }: RefineRequest, x: number, y: number) {
  const distanceTo = ({ boxXyxy: { x1, y1, x2, y2 } }: Candidate): number =>
    Math.max(Math.abs(x - (x1 + x2) / 2) / (x2 - x1), Math.abs(y - (y1 + y2) / 2) / (y2 - y1));
  return candidates
    .filter((candidate) => distanceTo(candidate) <= 0.5)
    .sort((a, b) => distanceTo(a) - distanceTo(b))[0];
}

/** The score of a model that gives no probabilities. */
const STATED = 1;
/** Characters of a thought that a result holds. */
const MAX_TEXT = 4000;

/** What the model thought before it saw the tools' boxes. */
function thoughtOf({ view, protocol }: Talk, { withoutTools, last }: Exchange): Thought {
  if (protocol === 'piter') {
    return { boxXyxy: null, score: 0, text: 'asked in one turn, with the boxes of the tools' };
  }
  const { thought, said } = splitThoughts(withoutTools);
  const text = lastPart(withoutTools, 'think') ?? thought;
  const own = readAnswer(lastPart(said, 'answer') ?? text, answerForm(view));
  const box = own.kind === 'boxes' ? fromModelXyxy(own.boxesXyxy[0]!, view) : null;
  return {
    boxXyxy: box,
    score: box ? (last.confidence ?? STATED) : 0,
    text: text.slice(0, MAX_TEXT),
  };
}

/** The refiner's answer. @param read what the model's says */
function answerOf(
  { request, protocol, tally }: Talk,
  exchange: Exchange,
  read: ReturnType<typeof readIn>,
): Answer {
  const isTwoStage = protocol !== 'piter';
  const format = isTwoStage
    ? formatTerm(`${exchange.withoutTools}\n${exchange.last.text}`)
    : undefined;
  if (format === 0) tally.unformatted += 1;
  if (!exchange.called) tally.uncalled += 1;
  if (read.kind === 'unreadable') {
    return {
      format,
      boxXyxy: request.tool?.boxXyxy ?? null,
      score: request.tool?.score ?? 0,
      decision: 'fallback',
      text: "the model's answer cannot be read, the tool's box stands",
    };
  }
  const boxesXyxy = read.kind === 'boxes' ? read.boxesXyxy : [];
  const [boxXyxy = null] = boxesXyxy;
  const score = exchange.last.confidence ?? STATED;
  const decision = boxXyxy ? decisionOn(boxXyxy, request.tool?.boxXyxy) : 'none';
  const text = (lastPart(exchange.last.text, 'rethink') ?? '').slice(0, MAX_TEXT);
  // Two stages end in one box; the one turn may list several.
  const isList = !isTwoStage && boxesXyxy.length > 1;
  return {
    format,
    boxXyxy,
    score,
    decision,
    text: text || DEFAULT_TEXT[decision],
    boxes: isList ? boxesXyxy.map((each) => ({ boxXyxy: each, score })) : undefined,
  };
}

const DEFAULT_TEXT = {
  confirm: "the model keeps the tool's box",
  correct: "the model chooses another object than the tool's",
  adjust: 'the model draws another box around the same object',
  none: 'the model finds nothing in the image that fits',
} as const;

/** Counts of conversations and of what went wrong in them. */
export type VlmTally = ReturnType<typeof emptyTally>;

export const emptyTally = () => ({
  /** Conversations that ended, with an answer or a fallback. */
  answered: 0,
  /** Repair turns. */
  repairs: 0,
  /** Answers that stayed unreadable after it, so that the tool's box is the answer. */
  fallbacks: 0,
  /** Replies that did not call for the tools' boxes; the call was made for them. */
  uncalled: 0,
  /** Replies without all of think, rethink and answer. */
  unformatted: 0,
  /** Corners in the wrong order. */
  swapped: 0,
  /** Boxes that reached over the border. */
  clamped: 0,
  /** Coordinates as shares of the side. */
  unit: 0,
  /** A point in place of a box; the candidate around it is the answer. */
  point: 0,
});
