/** A column of doubles that grows by doubling: 8 bytes a value, not the boxed numbers of a plain array of mixed values. */
export class DoubleColumn {
  #values = new Float64Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  /** The values so far, without a copy: valid until the next `push`. */
  view(): Float64Array {
    return this.#values.subarray(0, this.#length);
  }
}
