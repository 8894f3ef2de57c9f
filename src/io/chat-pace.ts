import { setTimeout as sleep } from 'node:timers/promises';

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
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal ? { signal } : {});
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown;
  }
}
