import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, VgrError } from '../core/error.js';
import { Semaphore } from '../core/semaphore.js';
import type { ReplyCache } from './cache.js';
import type { Chat, ChatReply, ChatRequest } from './conversation.js';
import { ChatError } from './error.js';
import { type ChatBody, RequestEncoder } from './request-encoder.js';
import { type ChatServer, ChatTransport } from './transport.js';
import {
  estimatedPrompt,
  estimatedUse,
  type TokenUse,
  UsageBudget,
  type UsageLimits,
  type UsageReport,
} from './usage.js';

export interface ChatSettings extends ChatServer, UsageLimits {
  /** Name of the model on the server. */
  readonly model: string;
  /** Whether requests ask for token probabilities. */
  readonly logProbabilities: boolean;
  /** Fields that are added to each body; null removes one. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** Requests under way at a time. */
  readonly concurrency: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Attempts at a request, the first included. */
  readonly attempts: number;
  /** Wait before the second attempt, milliseconds; each further wait is twice as long. */
  readonly backoffMs: number;
  readonly cache?: ReplyCache;
  /** Ends waiting; requests under way go on to their end. */
  readonly signal?: AbortSignal;
  /** Told of long waits that the server asks for. */
  readonly notice?: (text: string) => void;
}

const MAX_BACKOFF = 30_000;
/** The user is told of waits from here on, milliseconds. */
const LONG_WAIT = 10_000;
/** After so many failed requests without a success between, the server counts as gone. */
const MAX_FAILURES_IN_A_ROW = 3;
/** A server that refuses so many requests before any success refuses them all. */
const MAX_FIRST_REFUSALS = 8;
/** Limit of the reply to a probe, milliseconds. */
const MAX_PROBE = 15_000;
/** Limit of a reply where the body has none that is a number, tokens. */
const DEFAULT_TOKENS = 4096;

/**
 * Asks a server, with bounded concurrency and rate, retries after errors that may pass, a circuit breaker, a budget and a
 * cache. Equal requests at the same time go out once.
 */
export class ChatClient {
  readonly #settings: ChatSettings;
  readonly #transport: ChatTransport;
  readonly #encoder = new RequestEncoder();
  readonly #budget: UsageBudget;
  readonly #slots: Semaphore;
  readonly #requestRate: RateLimiter;
  readonly #tokenRate: RateLimiter;
  readonly #underWay = new Map<string, Promise<ChatReply>>();
  /** Ends waiting. */
  readonly #stop = new AbortController();
  /** Ends requests under way, too. */
  readonly #cut = new AbortController();
  #successes = 0;
  #refusals = 0;
  #failuresInARow = 0;
  /** Until when the user knows that the run waits, on the clock of `performance`. */
  #toldUntil = 0;
  /** Once set, no request goes out. */
  #broken: VgrError | undefined;

  constructor(settings: ChatSettings) {
    const { signal } = settings;
    this.#settings = settings;
    this.#transport = new ChatTransport(settings);
    this.#budget = new UsageBudget(settings);
    this.#slots = new Semaphore(settings.concurrency);
    this.#requestRate = new RateLimiter(settings.requestsPerMinute);
    this.#tokenRate = new RateLimiter(settings.tokensPerMinute);
    // One listener for each request under way.
    setMaxListeners(0, this.#stop.signal, this.#cut.signal);
    if (signal?.aborted) this.#stop.abort();
    signal?.addEventListener('abort', () => this.#stop.abort(), { once: true });
  }

  report(): UsageReport {
    return this.#budget.report();
  }

  /** Ends all waiting; resolves when requests under way have come back, so that no paid reply is lost. */
  async close(): Promise<void> {
    this.#broken ??= stopped();
    this.#stop.abort();
    await Promise.allSettled(this.#underWay.values());
    this.#transport.close();
  }

  readonly chat: Chat = (request) => {
    const body = this.#bodyOf(request);
    const key = this.#encoder.keyOf(body);
    const known = this.#underWay.get(key);
    if (known) return known;
    const reply = this.#answer(key, body, request).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, reply);
    return reply;
  };

  async #answer(key: string, body: ChatBody, request: ChatRequest): Promise<ChatReply> {
    const { cache } = this.#settings;
    const cached = await cache?.get(key);
    if (cached) {
      this.#budget.counts.cached += 1;
      return cached;
    }
    // Conversations that have begun come first: if the server goes away, few of them are left half done.
    const urgent = request.messages.length > 1;
    const reply = await this.#slots.run(() => this.#persist(body, request), { urgent });
    // A reply that was cut off, or is empty, may be whole the next time.
    if (reply.finish === 'stop' && reply.text.trim() !== '') await cache?.put(key, reply);
    return reply;
  }

  /** Attempts until one succeeds or more are of no use. */
  async #persist(body: ChatBody, request: ChatRequest): Promise<ChatReply> {
    for (let attempt = 1; ; attempt++) {
      const before = this.#successes;
      try {
        return await this.#attempt(body, request);
      } catch (thrown) {
        if (!(thrown instanceof ChatError)) throw thrown;
        const final = this.#finalError(thrown, request);
        if (final) throw final;
        if (attempt >= this.#settings.attempts) throw await this.#exhausted(thrown, before);
        await this.#pause(attempt, thrown);
        this.#budget.counts.retries += 1;
      }
    }
  }

  async #attempt(body: ChatBody, request: ChatRequest): Promise<ChatReply> {
    if (this.#broken) throw this.#broken;
    const reserved = this.#budget.reserve(estimatedPrompt(request) + request.maxTokens / 4);
    try {
      await this.#waiting(async (signal) => {
        await this.#tokenRate.take(reserved.tokens, signal);
        await this.#requestRate.take(1, signal);
      });
    } catch (thrown) {
      this.#budget.cancel(reserved);
      throw thrown;
    }
    let use: TokenUse | undefined;
    try {
      const read = await this.#send(body, request.isProbe);
      if (!read.use) this.#budget.counts.estimated += 1;
      use = read.use ?? estimatedUse(request, read.reply);
      this.#successes += 1;
      this.#failuresInARow = 0;
      return read.reply;
    } finally {
      this.#budget.settle(reserved, use);
      if (use) this.#tokenRate.settle(use.prompt + use.completion - reserved.tokens);
    }
  }

  #send(body: ChatBody, isProbe = false) {
    const { stream, extra } = this.#settings;
    const { max_tokens, max_completion_tokens, stop, stream_options } = body;
    const most = [max_tokens, max_completion_tokens].find((each) => typeof each === 'number');
    const limits = {
      maxTokens: most ?? DEFAULT_TOKENS,
      stops: Array.isArray(stop) ? stop.map(String) : [],
    };
    // Stream options of the user's stay; null removes them.
    const counts = extra.stream_options === null ? undefined : { include_usage: true };
    const sent = stream
      ? { ...body, stream: true, stream_options: stream_options ?? counts }
      : body;
    const probe = AbortSignal.timeout(MAX_PROBE);
    const signal = isProbe ? AbortSignal.any([this.#cut.signal, probe]) : this.#cut.signal;
    return this.#transport.send(this.#encoder.piecesOf(sent), limits, signal);
  }

  /** Half of the wait is random, so that requests that failed together are not retried together. */
  async #pause(attempt: number, { retryAfterMs, message }: ChatError): Promise<void> {
    const { backoffMs } = this.#settings;
    const backoff = Math.min(backoffMs * 2 ** (attempt - 1), MAX_BACKOFF);
    const jittered = backoff * (0.5 + Math.random() / 2);
    // What a server asks of one request holds for all.
    if (retryAfterMs !== undefined) {
      this.#requestRate.hold(retryAfterMs);
      this.#tellWait(retryAfterMs, message);
    }
    await this.#waiting((signal) =>
      sleep(Math.max(jittered, retryAfterMs ?? 0), undefined, { signal }),
    );
  }

  #tellWait(ms: number, reason: string): void {
    const now = performance.now();
    if (ms < LONG_WAIT || now < this.#toldUntil) return;
    this.#toldUntil = now + ms;
    const { notice, url } = this.#settings;
    notice?.(`waiting ${Math.round(ms / 1000)} s, as ${url} asks for: ${reason}`);
  }

  /** @throws VgrError when the run stops, or when a request meanwhile found the server gone */
  async #waiting(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(this.#stop.signal);
    } catch {
      throw this.#broken ?? stopped();
    }
    if (this.#broken) throw this.#broken;
  }

  /** Whether this request or the server is to blame for the last failure. @param before successes when that attempt began */
  async #exhausted(cause: ChatError, before: number): Promise<VgrError> {
    const { attempts } = this.#settings;
    if (this.#broken) return this.#broken;
    if (this.#successes === before) {
      this.#failuresInARow += 1;
      const isGone =
        this.#successes === 0 ||
        this.#failuresInARow >= MAX_FAILURES_IN_A_ROW ||
        !(await this.#transport.isAlive());
      if (isGone) return this.#unavailable(`no answer in ${attempts} attempts`, cause);
    }
    return failed(`the server failed on this query ${attempts} times`, cause);
  }

  /** Undefined where another attempt may help. */
  #finalError(cause: ChatError, request: ChatRequest): VgrError | undefined {
    if (request.isProbe) return failed('the server does not tell its mode', cause);
    if (cause.kind === 'unsafe') return this.#unavailable('nothing was sent', cause);
    if (cause.kind === 'refused') return this.#refused(cause);
    return cause.kind === 'item' ? this.#itemError(cause, request) : undefined;
  }

  #itemError(cause: ChatError, { messages }: ChatRequest): VgrError {
    // A request without a picture asks what the server can do; its refusal is an answer.
    if (messages.some(({ content }) => typeof content !== 'string')) this.#refusals += 1;
    if (this.#refusals >= MAX_FIRST_REFUSALS && this.#successes === 0) {
      return this.#refused(cause);
    }
    return failed('the server refuses this query', cause);
  }

  #refused(cause: ChatError): VgrError {
    const hint = 'check `--vlm-url`, `--vlm-model` and the key in VGR_VLM_API_KEY';
    return this.#breakWith('SERVER_REFUSED', ' refuses requests', cause, hint);
  }

  #unavailable(what: string, cause: ChatError): VgrError {
    const hint = 'check that the server runs and is reachable; a rerun resumes from here';
    return this.#breakWith('SERVER_UNAVAILABLE', `: ${what}`, cause, hint);
  }

  #breakWith(code: ErrorCode, what: string, cause: ChatError, hint: string): VgrError {
    const message = `${this.#settings.url}${what}: ${cause.message}`;
    this.#broken ??= new VgrError(code, message, { hint: cause.hint ?? hint, cause });
    this.#stop.abort();
    this.#cut.abort();
    return this.#broken;
  }

  /** Field by field in one order, so that equal requests are equal bytes. */
  #bodyOf({ messages, stop, maxTokens, continues, repetitionPenalty }: ChatRequest): ChatBody {
    const { model, logProbabilities, extra } = this.#settings;
    const body: Record<string, unknown> = {
      model,
      messages,
      max_tokens: maxTokens,
      temperature: 0,
      ...(stop && stop.length > 0 && { stop }),
      ...(continues && { continue_final_message: true, add_generation_prompt: false }),
      ...(repetitionPenalty !== undefined && { repetition_penalty: repetitionPenalty }),
      ...(logProbabilities && { logprobs: true }),
      ...extra,
    };
    return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  }
}

function failed(what: string, cause: ChatError): VgrError {
  return new VgrError('REFINEMENT_FAILED', `${what}: ${cause.message}`, {
    hint: cause.hint,
    cause,
  });
}

function stopped(): VgrError {
  return new VgrError('SERVER_UNAVAILABLE', 'the run was stopped while waiting for the server', {
    hint: 'a rerun resumes from here',
  });
}

/** Lets units through at an even rate, in the order of the calls: no minute exceeds the limit by more than one call. */
class RateLimiter {
  readonly #msPerUnit: number;
  /** When the next unit may go, on the clock of `performance.now()`. */
  #freeAt = 0;

  /** @param perMinute units; Infinity for no limit */
  constructor(perMinute: number) {
    this.#msPerUnit = 60_000 / perMinute;
  }

  /** Resolves when `units` may go out. @throws AbortError */
  async take(units: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + units * this.#msPerUnit;
    if (start > now) await sleep(start - now, undefined, { signal });
  }

  /** Takes units more, or gives some back, when an estimate turns out wrong. */
  settle(units: number): void {
    this.#freeAt += units * this.#msPerUnit;
  }

  /** Nothing goes out for this long. */
  hold(ms: number): void {
    this.#freeAt = Math.max(this.#freeAt, performance.now() + ms);
  }
}
