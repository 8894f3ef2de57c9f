/** One part of what a user says. */
export type ChatPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: { readonly url: string } };

/** One turn, as the Chat Completions API has it. */
export interface ChatMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string | readonly ChatPart[];
}

/** What a server is asked. Decoding is greedy. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** The reply ends before the first of these. */
  readonly stop?: readonly string[];
  /** Most tokens of the reply. */
  readonly maxTokens: number;
  /** The last message is the assistant's own and is gone on with, in place of a new turn. */
  readonly continues: boolean;
  /** For servers that know this field; the model's own default where it is absent. */
  readonly repetitionPenalty?: number;
}

/** What it answers. */
export interface ChatReply {
  readonly text: string;
  /** stop: the model, or a stop string, ended it. length: it was cut off. */
  readonly finish: 'stop' | 'length';
  /** Mean probability of the reply's tokens as exp(mean log-probability), 0..1; absent where the server gives none. */
  readonly confidence?: number;
}

/**
 * A server that can be asked. Retries, limits and the cache lie behind it.
 * @throws VgrError REFINEMENT_FAILED where the server refuses this request or fails on it again and again;
 *   SERVER_UNAVAILABLE, SERVER_REFUSED, BUDGET_SPENT where there is no use in asking more
 */
export type Chat = (request: ChatRequest) => Promise<ChatReply>;
