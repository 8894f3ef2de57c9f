import { VgrError } from '../core/error.js';
import type { ChatReply, ChatRequest } from './conversation.js';

/** Tokens of one request. */
export interface TokenUse {
  readonly prompt: number;
  readonly completion: number;
}

export interface UsageLimits {
  /** Maximum number of requests, retries included; Infinity for no limit. */
  readonly maxRequests: number;
  /** Maximum number of tokens of prompts and replies; Infinity for no limit. */
  readonly maxTokens: number;
  /** Prices of a million tokens, in any currency. */
  readonly pricePrompt?: number;
  readonly priceCompletion?: number;
}

/** What the requests of a run took. */
export type UsageReport = Readonly<ReturnType<typeof noUsage>> & {
  /** In the currency of the prices; absent without prices. */
  readonly cost?: number;
};

const noUsage = () => ({
  /** Requests that went out, retries included. */
  requests: 0,
  /** Requests that the cache answered. */
  cached: 0,
  /** Attempts after a first one. */
  retries: 0,
  prompt_tokens: 0,
  completion_tokens: 0,
  /** Requests whose tokens are estimated, since the server did not count them. */
  estimated: 0,
});

/** Tokens that a request under way holds. */
export interface Reservation {
  /** Estimate from the request alone. */
  readonly estimate: number;
  /** The same, corrected by the error of earlier estimates. */
  readonly tokens: number;
}

/** Counts requests, tokens and cost, and refuses requests beyond the budget. */
export class UsageBudget {
  readonly counts = noUsage();
  /** Sum of the estimates of requests that came back. */
  #estimates = 0;
  /** Tokens reserved for requests under way. */
  #reserved = 0;

  constructor(private readonly limits: UsageLimits) {}

  /**
   * Reserves the tokens of a request that is about to go out.
   * @param estimate its tokens, above 0
   * @throws VgrError BUDGET_SPENT
   */
  reserve(estimate: number): Reservation {
    const { maxRequests, maxTokens } = this.limits;
    const { prompt_tokens, completion_tokens, requests } = this.counts;
    const taken = prompt_tokens + completion_tokens;
    const tokens = this.#estimates > 0 ? estimate * (taken / this.#estimates) : estimate;
    if (requests + 1 > maxRequests) throw spent('--max-requests', maxRequests, 'requests');
    if (taken + this.#reserved + tokens > maxTokens) {
      throw spent('--max-tokens', maxTokens, 'tokens');
    }
    this.counts.requests += 1;
    this.#reserved += tokens;
    return { estimate, tokens };
  }

  /** Takes back a request that never went out. */
  cancel({ tokens }: Reservation): void {
    this.#reserved -= tokens;
    this.counts.requests -= 1;
  }

  /** @param use what the request took; undefined where it failed */
  settle({ estimate, tokens }: Reservation, use: TokenUse | undefined): void {
    this.#reserved -= tokens;
    if (!use) return;
    this.#estimates += estimate;
    this.counts.prompt_tokens += use.prompt;
    this.counts.completion_tokens += use.completion;
  }

  report(): UsageReport {
    const { pricePrompt, priceCompletion } = this.limits;
    const { prompt_tokens, completion_tokens } = this.counts;
    if (pricePrompt === undefined || priceCompletion === undefined) return { ...this.counts };
    const cost = prompt_tokens * pricePrompt + completion_tokens * priceCompletion;
    // Prices are per million tokens.
    return { ...this.counts, cost: Math.round(cost) / 1e6 };
  }
}

function spent(flag: string, limit: number, what: string): VgrError {
  return new VgrError('BUDGET_SPENT', `the budget of ${limit} ${what} (\`${flag}\`) is spent`, {
    hint: 'a rerun with a higher limit resumes from here and does not repeat answered queries',
  });
}

/** At the default size: one token for each patch of 28 by 28 pixels. */
const TOKENS_PER_PICTURE = 1300;
/** About four characters are a token. */
const tokensOf = (text: string) => Math.ceil(text.length / 4);

/** What a request took, where the server does not count. */
export function estimatedUse(request: ChatRequest, { text }: ChatReply): TokenUse {
  return { prompt: estimatedPrompt(request), completion: tokensOf(text) };
}

/** Tokens of a request's messages. */
export function estimatedPrompt({ messages }: ChatRequest): number {
  let sum = 0;
  for (const { content } of messages) {
    if (typeof content === 'string') sum += tokensOf(content);
    else
      for (const part of content) sum += 'text' in part ? tokensOf(part.text) : TOKENS_PER_PICTURE;
  }
  return sum;
}
