/** Adam with a Gaussian prior around where it started: ascent on the mean gradient less the pull of the prior. */
export class Adam {
  readonly #start: Float64Array;
  readonly #mean: Float64Array;
  readonly #square: Float64Array;
  #step = 0;

  constructor(readonly values: Float64Array) {
    this.#start = values.slice();
    this.#mean = new Float64Array(values.length);
    this.#square = new Float64Array(values.length);
  }

  /**
   * One step.
   * @param gradient summed over examples; left as it is
   * @param examples their total weight
   * @param prior the prior counts like this many examples that pull each weight back by its distance
   * @see Kingma, Ba 2015, arXiv 1412.6980
   */
  ascend(
    gradient: Float64Array,
    { examples, prior, rate }: { examples: number; prior: number; rate: number },
  ): void {
    this.#step += 1;
    const [biased, biasedSquare] = [1 - 0.9 ** this.#step, 1 - 0.99 ** this.#step];
    for (let at = 0; at < this.values.length; at++) {
      const pull = prior * (this.values[at]! - this.#start[at]!);
      const slope = (gradient[at]! - pull) / examples;
      this.#mean[at] = 0.9 * this.#mean[at]! + 0.1 * slope;
      this.#square[at] = 0.99 * this.#square[at]! + 0.01 * slope * slope;
      const scale = Math.sqrt(this.#square[at]! / biasedSquare) + 1e-8;
      this.values[at]! += (rate * (this.#mean[at]! / biased)) / scale;
    }
  }
}
