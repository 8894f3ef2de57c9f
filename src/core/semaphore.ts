interface Waiter {
  readonly units: number;
  readonly admit: () => void;
}

/**
 * Bounds the units, such as slots or bytes, that tasks hold together. Tasks are admitted in the order in which they ask, the
 * urgent before the rest, so that a large one does not wait forever. One that asks for more than there is runs alone.
 */
export class Semaphore {
  readonly #urgent: Waiter[] = [];
  readonly #waiting: Waiter[] = [];
  #held = 0;

  /** @param total units, positive */
  constructor(readonly total: number) {}

  /** Units held at this moment; never more than `total`. */
  get held(): number {
    return this.#held;
  }

  /** Runs a task when there is room for it; it holds its units until it ends. */
  async run<Result>(
    task: () => Promise<Result>,
    { units = 1, urgent = false } = {},
  ): Promise<Result> {
    const taken = Math.min(units, this.total);
    await new Promise<void>((admit) => {
      (urgent ? this.#urgent : this.#waiting).push({ units: taken, admit });
      this.#admit();
    });
    try {
      return await task();
    } finally {
      this.#held -= taken;
      this.#admit();
    }
  }

  #admit(): void {
    for (;;) {
      const queue = this.#urgent.length > 0 ? this.#urgent : this.#waiting;
      const next = queue[0];
      if (!next || this.#held + next.units > this.total) return;
      queue.shift();
      this.#held += next.units;
      next.admit();
    }
  }
}
