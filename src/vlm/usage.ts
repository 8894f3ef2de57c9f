import { VgrError } from '../core/error.js';
import type { ChatReply, ChatRequest } from './conversation.js';

/** Tokens of one request. */
export interface TokenUse {
  readonly prompt: number;
  readonly completion: number;
}

export interface ChatBudget {
  /** Most requests that go out, repeats among them; Infinity for no limit. */
  readonly maxRequests: number;
  /** Most tokens, in and out; Infinity for no limit. */
  readonly maxTokens: number;
  /** Money for a million tokens. */
  readonly pricePrompt?: number;
  readonly priceCompletion?: number;
}

/** What talking to the server took. */
export interface ChatReport {
  /** Requests that went out, repeats among them. */
  readonly requests: number;
  /** Requests that the cache answered. */
  readonly cached: number;
  /** Attempts after a first one. */
  readonly retries: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  /** Requests whose tokens the server did not count, so that they are estimated. */
  readonly estimated: number;
  /** In the money of the prices; absent without prices. */
  readonly cost?: number;
}

/** Keeps the books: requests, tokens, money, and what of the budget is left. */
export class ChatLedger {
  readonly #budget: ChatBudget;
  #requests = 0;
  #cached = 0;
  #retries = 0;
  #prompt = 0;
  #completion = 0;
  #estimated = 0;
  /** What was guessed of the requests that came back. */
  #guessed = 0;
  /** Tokens that requests under way are expected to take. */
  #reserved = 0;

  constructor(budget: ChatBudget) {
    this.#budget = budget;
  }

  /**
   * Enters a request that is about to go out.
   * @param guess its tokens, above 0; what came back tells how far guesses are off
   * @returns the tokens that are set aside for it
   * @throws VgrError BUDGET_SPENT where the budget does not hold it
   */
  open(guess: number): number {
    const { maxRequests, maxTokens } = this.#budget;
    const taken = this.#prompt + this.#completion;
    const reserve = this.#guessed > 0 ? guess * (taken / this.#guessed) : guess;
    if (this.#requests + 1 > maxRequests) throw spent('--max-requests', maxRequests, 'requests');
    if (taken + this.#reserved + reserve > maxTokens) {
      throw spent('--max-tokens', maxTokens, 'tokens');
    }
    this.#requests += 1;
    this.#reserved += reserve;
    return reserve;
  }

  /** Closes a request that never went out. */
  cancel(reserve: number): void {
    this.#reserved -= reserve;
    this.#requests -= 1;
  }

  /** Closes a request: what was guessed of it and what it took, or undefined where it failed. */
  close(
    { guess, reserve }: { readonly guess: number; readonly reserve: number },
    use: TokenUse | undefined,
    estimated: boolean,
  ): void {
    this.#reserved -= reserve;
    if (!use) return;
    this.#guessed += guess;
    this.#prompt += use.prompt;
    this.#completion += use.completion;
    if (estimated) this.#estimated += 1;
  }

  countCached(): void {
    this.#cached += 1;
  }

  countRetry(): void {
    this.#retries += 1;
  }

  report(): ChatReport {
    const { pricePrompt, priceCompletion } = this.#budget;
    const priced = pricePrompt !== undefined || priceCompletion !== undefined;
    const cost =
      (this.#prompt * (pricePrompt ?? 0) + this.#completion * (priceCompletion ?? 0)) / 1e6;
    return {
      requests: this.#requests,
      cached: this.#cached,
      retries: this.#retries,
      prompt_tokens: this.#prompt,
      completion_tokens: this.#completion,
      estimated: this.#estimated,
      ...(priced && { cost: Math.round(cost * 1e6) / 1e6 }),
    };
  }
}

function spent(flag: string, limit: number, what: string): VgrError {
  return new VgrError('BUDGET_SPENT', `the budget of ${limit} ${what} (\`${flag}\`) is spent`, {
    hint: 'a rerun with a higher limit goes on from here; what was answered is not asked again',
  });
}

const CHARACTERS_PER_TOKEN = 4;
/** Of a picture at the default size: one for each patch of 28 by 28 pixels. */
const TOKENS_PER_PICTURE = 1300;

/** What a request took, where the server does not count. */
export function estimatedUse(request: ChatRequest, { text }: ChatReply): TokenUse {
  return {
    prompt: estimatedPrompt(request),
    completion: Math.ceil(text.length / CHARACTERS_PER_TOKEN),
  };
}

/** Tokens of a request's messages. */
export function estimatedPrompt({ messages }: ChatRequest): number {
  let tokens = 0;
  for (const { content } of messages) {
    const parts =
      typeof content === 'string' ? [{ type: 'text', text: content } as const] : content;
    for (const part of parts) {
      tokens +=
        part.type === 'text'
          ? Math.ceil(part.text.length / CHARACTERS_PER_TOKEN)
          : TOKENS_PER_PICTURE;
    }
  }
  return tokens;
}
