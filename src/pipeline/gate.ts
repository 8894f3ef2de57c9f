/** Lets a bounded number of tasks work at a time; the others wait in the order in which they came, the urgent before the rest. */
export class Gate {
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
      // The place goes from hand to hand, so that nobody who comes late gets in between.
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
