import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { VgrError } from '../core/error.js';
import { Semaphore } from '../core/semaphore.js';
import { CacheKeys, type ChatCache } from './cache.js';
import type { Chat, ChatReply, ChatRequest } from './conversation.js';
import { ChatError } from './error.js';
import type { ReadReply } from './reply.js';
import { type ChatBody, type ChatServer, ChatTransport } from './transport.js';
import {
  type ChatBudget,
  ChatLedger,
  type ChatReport,
  estimatedPrompt,
  estimatedUse,
  type TokenUse,
} from './usage.js';

export interface ChatSettings extends ChatServer, ChatBudget {
  readonly model: string;
  /** Requests under way at a time. */
  readonly concurrency: number;
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Attempts at a request, the first among them. */
  readonly attempts: number;
  /** Wait before the second attempt, milliseconds; it doubles from one to the next. */
  readonly backoffMs: number;
  /** Whether probabilities of the tokens are asked for. */
  readonly logProbabilities: boolean;
  /** Fields that are added to each body; null takes one away. */
  readonly extra: Readonly<Record<string, unknown>>;
  readonly cache?: ChatCache;
  /** Ends waiting; what is under way goes on to its end. */
  readonly signal?: AbortSignal;
}

const LONGEST_BACKOFF = 30_000;
/** Requests that fail one after another, with no success between: the server is there, but of no use. */
const FAILURES_IN_A_ROW = 3;
/** Requests that a server refuses from the start on: it refuses them all. */
const REFUSALS_AT_FIRST = 8;

/**
 * Asks a server and bears with it: bounded concurrency and pace, repeats after what may pass, a breaker for when the server is
 * gone, a budget, and a cache. The same request made twice at a time goes out once.
 */
export class ChatClient {
  readonly #settings: ChatSettings;
  readonly #transport: ChatTransport;
  readonly #ledger: ChatLedger;
  readonly #slots: Semaphore;
  readonly #requestPace: Pace;
  readonly #tokenPace: Pace;
  readonly #keys = new CacheKeys();
  readonly #underWay = new Map<string, Promise<ChatReply>>();
  /** Ends waiting. */
  readonly #stop = new AbortController();
  /** Ends what is under way, too. */
  readonly #cut = new AbortController();
  #successes = 0;
  #refusals = 0;
  #failuresInARow = 0;
  /** Once it is set nothing goes out any more. */
  #broken: VgrError | undefined;

  constructor(settings: ChatSettings) {
    this.#settings = settings;
    this.#transport = new ChatTransport(settings);
    this.#ledger = new ChatLedger(settings);
    this.#slots = new Semaphore(settings.concurrency);
    this.#requestPace = new Pace(settings.requestsPerMinute);
    this.#tokenPace = new Pace(settings.tokensPerMinute);
    // One listener for each request under way.
    setMaxListeners(0, this.#stop.signal, this.#cut.signal);
    if (settings.signal?.aborted) this.#stop.abort();
    settings.signal?.addEventListener('abort', () => this.#stop.abort(), { once: true });
  }

  report(): ChatReport {
    return this.#ledger.report();
  }

  /** Ends all waiting, and resolves when what is under way has come back, so that nothing that is paid for is lost. */
  async close(): Promise<void> {
    this.#broken ??= stopped();
    this.#stop.abort();
    await Promise.allSettled(this.#underWay.values());
  }

  readonly chat: Chat = (request) => {
    const body = this.#bodyOf(request);
    const key = this.#keys.keyOf(body);
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
      this.#ledger.countCached();
      return cached;
    }
    // Who has begun comes first: a server that goes away then leaves few conversations half done.
    const urgent = request.messages.length > 1;
    const reply = await this.#slots.run(() => this.#persist(body, request), { urgent });
    await cache?.put(key, reply);
    return reply;
  }

  /** Attempts until one succeeds or there is no use in more. */
  async #persist(body: ChatBody, request: ChatRequest): Promise<ChatReply> {
    const { attempts } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      const before = this.#successes;
      try {
        const { reply } = await this.#attempt(body, request);
        return reply;
      } catch (thrown) {
        if (!(thrown instanceof ChatError)) throw thrown;
        if (thrown.kind === 'unsafe') throw this.#breakWith(untrusted(this.#settings, thrown));
        if (thrown.kind === 'refused') throw this.#breakWith(refused(this.#settings, thrown));
        if (thrown.kind === 'item') throw this.#itemError(thrown, request);
        if (attempt >= attempts) throw await this.#exhausted(thrown, before);
        await this.#pause(attempt, thrown);
        this.#ledger.countRetry();
      }
    }
  }

  async #attempt(body: ChatBody, request: ChatRequest): Promise<ReadReply> {
    const guess = estimatedPrompt(request) + request.maxTokens / 4;
    if (this.#broken) throw this.#broken;
    const reserve = this.#ledger.open(guess);
    await this.#takeTurn(reserve).catch((thrown) => {
      this.#ledger.cancel(reserve);
      throw thrown;
    });
    let use: TokenUse | undefined;
    let estimated = false;
    try {
      const read = await this.#transport.send(body, this.#cut.signal);
      estimated = read.use === undefined;
      use = read.use ?? estimatedUse(request, read.reply);
      this.#successes += 1;
      this.#failuresInARow = 0;
      return read;
    } finally {
      this.#ledger.close({ guess, reserve }, use, estimated);
      if (use) this.#tokenPace.settle(use.prompt + use.completion - reserve);
    }
  }

  async #takeTurn(tokens: number): Promise<void> {
    await this.#waiting(async (signal) => {
      await this.#tokenPace.take(tokens, signal);
      await this.#requestPace.take(1, signal);
    });
  }

  /** Half of the wait is jitter, so that requests that failed together do not come back together. */
  async #pause(attempt: number, { retryAfterMs }: ChatError): Promise<void> {
    const backoff = Math.min(this.#settings.backoffMs * 2 ** (attempt - 1), LONGEST_BACKOFF);
    const jittered = backoff * (0.5 + Math.random() / 2);
    // Who is told to wait speaks for all: the others would only be told the same.
    if (retryAfterMs !== undefined) this.#requestPace.hold(retryAfterMs);
    await this.#waiting((signal) => wait(Math.max(jittered, retryAfterMs ?? 0), signal));
  }

  async #waiting(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(this.#stop.signal);
    } catch (thrown) {
      throw this.#stop.signal.aborted ? (this.#broken ?? stopped()) : thrown;
    }
    if (this.#broken) throw this.#broken;
  }

  /** The last attempt failed too: is it this request, or the server? @param before successes when that attempt began */
  async #exhausted(error: ChatError, before: number): Promise<VgrError> {
    const { attempts, url } = this.#settings;
    if (this.#broken) return this.#broken;
    if (this.#successes === before) {
      this.#failuresInARow += 1;
      const gone =
        this.#successes === 0 ||
        this.#failuresInARow >= FAILURES_IN_A_ROW ||
        !(await this.#transport.isAlive());
      if (gone) {
        return this.#breakWith(
          new VgrError(
            'SERVER_UNAVAILABLE',
            `${url}: no answer in ${attempts} attempts: ${error.message}`,
            {
              hint: 'check that the server runs and is reachable; a rerun goes on from here',
              cause: error,
            },
          ),
        );
      }
    }
    return new VgrError(
      'REFINEMENT_FAILED',
      `the server failed on this query ${attempts} times: ${error.message}`,
      { cause: error },
    );
  }

  #itemError(error: ChatError, { messages }: ChatRequest): VgrError {
    // A request without a picture asks what the server can do; its refusal is an answer.
    if (messages.some(({ content }) => typeof content !== 'string')) this.#refusals += 1;
    if (this.#refusals >= REFUSALS_AT_FIRST && this.#successes === 0) {
      return this.#breakWith(refused(this.#settings, error));
    }
    return new VgrError('REFINEMENT_FAILED', `the server refuses this query: ${error.message}`, {
      cause: error,
    });
  }

  #breakWith(error: VgrError): VgrError {
    this.#broken ??= error;
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

function refused({ url }: ChatSettings, error: ChatError): VgrError {
  return new VgrError('SERVER_REFUSED', `${url} refuses requests: ${error.message}`, {
    hint: error.hint ?? 'check `--vlm-url`, `--vlm-model` and the key in VGR_VLM_API_KEY',
    cause: error,
  });
}

function untrusted({ url }: ChatSettings, error: ChatError): VgrError {
  return new VgrError('SERVER_UNAVAILABLE', `${url}: nothing was sent: ${error.message}`, {
    ...(error.hint !== undefined && { hint: error.hint }),
    cause: error,
  });
}

function stopped(): VgrError {
  return new VgrError('SERVER_UNAVAILABLE', 'the run was stopped while it waited for the server', {
    hint: 'a rerun goes on from here',
  });
}

/** Milliseconds in the minute that limits are told for. */
const MINUTE = 60_000;

/**
 * Lets units through at an even pace: no minute sees more than the limit by more than one taking. Who takes first goes first.
 */
export class Pace {
  readonly #msPerUnit: number;
  /** When the next one may go, on the clock of `performance.now()`. */
  #freeAt = 0;

  /** @param perMinute units; Infinity for no limit */
  constructor(perMinute: number) {
    this.#msPerUnit = MINUTE / perMinute;
  }

  /** Resolves when `units` may go out, at once where they may. @throws the signal's reason when it ends a wait */
  async take(units: number, signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + units * this.#msPerUnit;
    if (start > now) await wait(start - now, signal);
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

/** @throws the signal's reason when it is aborted */
async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown;
  }
}
