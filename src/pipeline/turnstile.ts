import type { Turn } from '../refinement/refiner.js';

/** Lets requests that are worked on side by side take their turns in the order in which they entered. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Every turn must be taken at last, or nobody behind it comes through. */
  enter(): Turn {
    const come = this.#last;
    let take = (): void => undefined;
    const taken = new Promise<void>((resolve) => {
      take = resolve;
    });
    this.#last = come.then(() => taken);
    return { come, take };
  }
}
