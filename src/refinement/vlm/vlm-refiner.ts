import { VgrError } from '../../formats/fault.js';
import type { Candidate, Refinement, RefineRequest, Refiner } from '../refiner.js';
import type { Chat, ChatMessage } from './chat.js';
import {
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
  type PixelGrid,
} from './pixel-grid.js';
import { normalisedQuery, type PromptFacts, type PromptWriter, repairPrompt } from './prompt.js';
import { answerText } from './reply.js';
import { type ReplyAnswer, readAnswer } from './reply-boxes.js';
import { shownTools, toolBlock, toolResults } from './tool-block.js';
import { answerOf, type Talk, thoughtOf } from './vlm-answer.js';
import { countNotes, type VlmTally } from './vlm-tally.js';

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
  /** By default 1.05, and only where the server goes on with messages: others may not know the field. */
  readonly repetitionPenalty?: number;
  /** Has a conversation begin, and resolves with it; by default at once. Who has begun is not held up by who has not. */
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

/** One query's talk with the model. */
interface OpenTalk extends Talk {
  readonly conversation: Conversation;
  readonly facts: PromptFacts;
}

/** @throws VgrError QUERY_INVALID where there is no photo to look at; of the photo; of the chat */
async function converse(
  request: RefineRequest,
  settings: VlmSettings,
  signal: AbortSignal | undefined,
): Promise<Refinement> {
  signal?.throwIfAborted();
  const { chat, maxTokens, grid, protocol } = settings;
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
  const mode = protocol === 'piter' ? 'multi-turn' : await settings.mode();
  const penalty = settings.repetitionPenalty ?? (mode === 'continue' ? REPETITION_PENALTY : null);
  const talk: OpenTalk = {
    request,
    protocol,
    tally: settings.tally,
    conversation: {
      chat,
      mode,
      maxTokens,
      ...(penalty !== null && { repetitionPenalty: penalty }),
    },
    view,
    facts: {
      query: normalisedQuery(request.query),
      picture,
      grid,
      ...(protocol === 'piter' && { tools: toolResults(tools) }),
    },
    tools,
  };
  const opening: ChatMessage = {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text: settings.prompt(talk.facts) },
    ],
  };
  const { admit = (begin) => begin() } = settings;
  return admit(async () => {
    const exchange =
      protocol === 'piter'
        ? await oneTurn(talk.conversation, opening)
        : await twoStages(talk.conversation, opening, toolBlock(tools));
    const read = await readOrRepair(talk, exchange);
    settings.tally.answered += 1;
    return { think: thoughtOf(talk, exchange), answer: answerOf(talk, exchange, read) };
  });
}

/** The answer; where it cannot be read, that of one more turn. */
async function readOrRepair(talk: OpenTalk, exchange: Exchange): Promise<ReplyAnswer> {
  const { tally } = talk;
  const first = readIn(talk, exchange.last);
  if (first.kind !== 'unreadable') return first;
  tally.repairs += 1;
  const prompt = repairPrompt(first.reason, talk.facts);
  const { text } = await repairTurn(talk.conversation, exchange, prompt);
  const second = readIn(talk, text);
  if (second.kind === 'unreadable') tally.fallbacks += 1;
  return second;
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
