import { z } from 'zod';
import { FUNCTION_CALL, GO_ON } from './prompt.js';

/** think-rethink: two stages. piter: one turn with the tools' boxes in the prompt. */
export type VlmProtocol = 'think-rethink' | 'piter';

/** continue: the server continues an assistant's message. multi-turn: the tool's result is the user's next turn. */
export type VlmMode = 'continue' | 'multi-turn';

/** The model that a conversation asks, and how. */
export interface Conversation {
  readonly chat: Chat;
  readonly mode: VlmMode;
  /** Most tokens of each reply. */
  readonly maxTokens: number;
  readonly repetitionPenalty?: number;
}

/** How a conversation went. */
export interface Exchange {
  /** The turns before the last reply, to go on from. */
  readonly messages: readonly ChatMessage[];
  /** What the model wrote before it saw the tools' boxes; empty in one turn. */
  readonly withoutTools: string;
  readonly last: ChatReply;
  /** Whether it asked for the tools' boxes by itself. */
  readonly called: boolean;
}

const STAGE_STOPS = ['</function>', '<tool>'];
/** The first stage ends here, whatever the server makes of stop strings. */
const STAGE_END = /<\s*(?:\/\s*function|tool|rethink|answer)\s*>/i;
/** Characters from the end of a long reply that a repair turn shows. */
const SHOWN_TAIL = 2000;

/**
 * Think, the tools' boxes, rethink. The first reply is stopped at the function call; where the model does not call, the call
 * is made for it, so that it always sees the boxes.
 * @param opening the first turn, with the image
 * @param tools the `<tool>` block
 */
export async function twoStages(
  conversation: Conversation,
  opening: ChatMessage,
  tools: string,
): Promise<Exchange> {
  const { mode } = conversation;
  const first = await ask(conversation, [opening], STAGE_STOPS);
  const { called, stage } = firstStage(first.text);
  const messages = withTools(mode, [opening, { role: 'assistant', content: stage }], tools);
  const second = await ask(conversation, messages, [], mode === 'continue');
  return {
    messages,
    // The next stage does not see what stands behind the end of this one, but the model's own answer may be there.
    withoutTools: first.text,
    last: second,
    called,
  };
}

/** One turn; the tools' boxes are in the prompt. */
export async function oneTurn(conversation: Conversation, opening: ChatMessage): Promise<Exchange> {
  const last = await ask(conversation, [opening]);
  return { messages: [opening], withoutTools: '', last, called: true };
}

/** The messages with the tools' boxes behind the first stage. */
export function withTools(
  mode: VlmMode,
  messages: readonly ChatMessage[],
  tools: string,
): readonly ChatMessage[] {
  if (mode === 'continue') return withReply(messages, tools);
  return [...messages, { role: 'user', content: `${tools}\n${GO_ON}` }];
}

/** The messages with more of the assistant: a message and its continuation are one turn. */
export function withReply(messages: readonly ChatMessage[], text: string): readonly ChatMessage[] {
  const end = messages.at(-1)!;
  if (end.role === 'user') return [...messages, { role: 'assistant', content: text }];
  return [...messages.slice(0, -1), { role: 'assistant', content: `${end.content}\n${text}` }];
}

/** Asks once more for an answer that can be read. */
export function repairTurn(
  conversation: Conversation,
  { messages, last }: Exchange,
  prompt: string,
): Promise<ChatReply> {
  const turns = withReply(messages, last.text.slice(-SHOWN_TAIL));
  return ask(conversation, [...turns, { role: 'user', content: prompt }]);
}

function ask(
  { chat, maxTokens, repetitionPenalty }: Conversation,
  messages: readonly ChatMessage[],
  stop: readonly string[] = [],
  continues = false,
): Promise<ChatReply> {
  return chat({ messages, stop, maxTokens, continues, repetitionPenalty });
}

/** The first reply, cut where the stage ends, and made whole: a thought that is closed, a call that is closed. */
function firstStage(text: string): { readonly called: boolean; readonly stage: string } {
  const end = text.search(STAGE_END);
  const kept = (end < 0 ? text : text.slice(0, end)).trim();
  const callAt = kept.search(/<\s*function\s*>/i);
  const thought = closed((callAt < 0 ? kept : kept.slice(0, callAt)).trimEnd());
  const call = callAt < 0 ? FUNCTION_CALL : `${kept.slice(callAt).trimEnd()}</function>`;
  return { called: callAt >= 0, stage: thought === '' ? call : `${thought}\n${call}` };
}

function closed(thought: string): string {
  const opens = /<\s*think\s*>/i.test(thought);
  return opens && !/<\s*\/\s*think\s*>/i.test(thought) ? `${thought}</think>` : thought;
}

/** One part of a user's message. */
export type ChatPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

/** One turn, as the Chat Completions API has it. */
export interface ChatMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string | readonly ChatPart[];
}

/** A question to a server. Decoding is greedy. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** The reply ends before the first of these. */
  readonly stop?: readonly string[];
  /** Most tokens of the reply. */
  readonly maxTokens: number;
  /** The last message is the assistant's own, and the reply continues it in place of a new turn. */
  readonly continues: boolean;
  /** For servers that know this field; the model's own default where it is absent. */
  readonly repetitionPenalty?: number;
  /** Asked once and not for long; that it fails says nothing about the server. */
  readonly isProbe?: boolean;
}

export const chatReply = z.object({
  text: z.string(),
  /** stop: the model, or a stop string, ended it. length: it was cut off, by a limit or otherwise. */
  finish: z.enum(['stop', 'length']),
  /** Mean probability of the reply's tokens as exp(mean log-probability), 0..1; absent where the server gives none. */
  confidence: z.number().min(0).max(1).optional(),
});

export type ChatReply = Readonly<z.infer<typeof chatReply>>;

/**
 * A server that can be asked. Retries, limits and the cache lie behind it.
 * @throws VgrError REFINEMENT_FAILED where the server refuses this request or fails on it again and again;
 *   SERVER_UNAVAILABLE, SERVER_REFUSED, BUDGET_SPENT where there is no use in asking more
 */
export type Chat = (request: ChatRequest) => Promise<ChatReply>;

const COUNT =
  'Write the whole numbers from 1 to 9 in order, separated by spaces, and nothing else.';
const BEGUN = '1 2 3 4';

/**
 * Finds out whether a server continues an assistant's message: it is asked to count, and the message holds the first four
 * numbers. One that continues it starts with 5; one that takes a new turn starts with 1; one that does not know the field
 * refuses, or fails in ways of its own: the first real request tells whether the server is there.
 */
export async function detectMode(chat: Chat): Promise<VlmMode> {
  try {
    const { text } = await chat({
      messages: [
        { role: 'user', content: COUNT },
        { role: 'assistant', content: BEGUN },
      ],
      maxTokens: 16,
      continues: true,
      isProbe: true,
    });
    return /^\D*5/.test(text) ? 'continue' : 'multi-turn';
  } catch {
    return 'multi-turn';
  }
}
