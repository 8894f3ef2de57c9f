interface Waiter {
  readonly units: number;
  readonly urgent: boolean;
  readonly admit: () => void;
}

/**
 * Lets tasks hold at most `total` units together, such as slots or bytes of memory. They are admitted in the order in which they
 * ask, the urgent before the rest, so that a large one does not wait for ever; one that asks for more than there is runs alone.
 */
export class Semaphore {
  readonly total: number;
  readonly #waiting: Waiter[] = [];
  #held = 0;

  /** @param total units, positive */
  constructor(total: number) {
    this.total = total;
  }

  /** Units held at this moment; never more than `total`. */
  get held(): number {
    return this.#held;
  }

  /** Runs `task` when a slot is free. */
  run<Result>(
    task: () => Promise<Result>,
    options?: { readonly urgent?: boolean },
  ): Promise<Result> {
    return this.hold(1, task, options);
  }

  /** Runs `task` when there is room for its units, and holds them until it ends. */
  async hold<Result>(
    units: number,
    task: () => Promise<Result>,
    { urgent = false }: { readonly urgent?: boolean } = {},
  ): Promise<Result> {
    const taken = Math.min(units, this.total);
    if (this.#waiting.length > 0 || this.#held + taken > this.total) {
      await new Promise<void>((admit) => {
        const behind = urgent ? this.#waiting.findIndex((waiter) => !waiter.urgent) : -1;
        this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, {
          units: taken,
          urgent,
          admit,
        });
      });
    } else {
      this.#held += taken;
    }
    try {
      return await task();
    } finally {
      this.#held -= taken;
      this.#admit();
    }
  }

  #admit(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || this.#held + next.units > this.total) return;
      this.#waiting.shift();
      this.#held += next.units;
      next.admit();
    }
  }
}
