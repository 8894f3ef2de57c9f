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

/** At most this many at a time; who waits longest goes next. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the work once there is a slot for it. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The slot goes from hand to hand, so that nobody who comes late gets in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
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
