import type { Clock } from './ports.js';

/**
 * How long a stage worked. Work that waits for a free lane is at hand too, so at each moment as much of it counts as there
 * are lanes.
 */
export class LaneMeter {
  readonly lanes: number;
  readonly #clock: Clock;
  #atHand = 0;
  #since = 0;
  #busyMs = 0;

  constructor(lanes: number, clock: Clock) {
    this.lanes = lanes;
    this.#clock = clock;
  }

  async measure<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#change(1);
    try {
      return await work();
    } finally {
      this.#change(-1);
    }
  }

  /** Pieces of work that are under way or wait for a lane. */
  get atHand(): number {
    return this.#atHand;
  }

  /** Sum over the lanes up to now, milliseconds. */
  get busyMs(): number {
    this.#change(0);
    return this.#busyMs;
  }

  #change(by: number): void {
    const now = this.#clock();
    this.#busyMs += (now - this.#since) * Math.min(this.#atHand, this.lanes);
    this.#since = now;
    this.#atHand += by;
  }
}
