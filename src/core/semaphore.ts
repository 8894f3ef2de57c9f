/** Lets a bounded number of tasks work at a time; the others wait in the order in which they came, the urgent before the rest. */
export class Semaphore {
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(width: number) {
    this.#free = width;
  }

  async run<T>(task: () => Promise<T>, { urgent = false } = {}): Promise<T> {
    const line = urgent ? this.#urgent : this.#waiting;
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => line.push(resolve));
    try {
      return await task();
    } finally {
      // The slot is handed on, so that no task that comes late gets in between.
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

interface Waiter {
  readonly bytes: number;
  readonly admit: () => void;
}

/**
 * Bounds the bytes that pieces of work hold together. They are admitted in the order in which they ask, so that a large one does
 * not wait for ever; one that asks for more than there is runs alone.
 */
export class ByteBudget {
  readonly total: number;
  readonly #waiting: Waiter[] = [];
  #held = 0;

  /** @param total bytes, positive */
  constructor(total: number) {
    this.total = total;
  }

  /** Bytes held at this moment; never more than `total`. */
  get held(): number {
    return this.#held;
  }

  /** Runs `work` when there is room for it, and holds its bytes until it ends. */
  async hold<Result>(bytes: number, work: () => Promise<Result>): Promise<Result> {
    const taken = Math.min(bytes, this.total);
    if (this.#waiting.length > 0 || this.#held + taken > this.total) {
      await new Promise<void>((admit) => {
        this.#waiting.push({ bytes: taken, admit });
      });
    } else {
      this.#held += taken;
    }
    try {
      return await work();
    } finally {
      this.#held -= taken;
      this.#admit();
    }
  }

  #admit(): void {
    for (;;) {
      const next = this.#waiting[0];
      if (!next || this.#held + next.bytes > this.total) return;
      this.#waiting.shift();
      this.#held += next.bytes;
      next.admit();
    }
  }
}
