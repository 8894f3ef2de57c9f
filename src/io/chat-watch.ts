/** Milliseconds that an attempt may take. */
export interface WatchLimits {
  /** Whole. */
  readonly timeoutMs: number;
  /** Between two pieces of a streamed reply. */
  readonly idleMs: number;
}

/** Ends an attempt that takes too long, or stalls. */
export class ChatWatch {
  readonly controller = new AbortController();
  readonly #idleMs: number;
  readonly #total: NodeJS.Timeout;
  #idle: NodeJS.Timeout | undefined;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuter = (): void => this.#end('the run was stopped');
  /** Why the attempt was ended, if it was. */
  reason: string | undefined;

  constructor({ timeoutMs, idleMs }: WatchLimits, outer?: AbortSignal) {
    this.#idleMs = idleMs;
    this.#total = setTimeout(() => this.#end(`no whole reply in ${timeoutMs / 1000} s`), timeoutMs);
    this.#outer = outer;
    outer?.addEventListener('abort', this.#onOuter, { once: true });
    if (outer?.aborted) this.#onOuter();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A piece came. */
  alive(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(
      () => this.#end(`the reply stalled for ${this.#idleMs / 1000} s`),
      this.#idleMs,
    );
  }

  stop(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#idle);
    this.#outer?.removeEventListener('abort', this.#onOuter);
  }

  #end(reason: string): void {
    this.reason ??= reason;
    this.controller.abort();
  }
}
