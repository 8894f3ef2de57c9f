import type { IntakeItem } from './query-intake.js';

/** Names beyond these are not kept: lines may make up one each. */
const MOST_KEPT = 8;

/** Which tools the lines of a run bring boxes of, to tell of one that is asked for and never comes. */
export class ToolNames {
  readonly #seen = new Set<string>();
  #queries = 0;
  #found = false;

  /** @param wanted name of the tool that counts; undefined where none is asked for */
  constructor(private readonly wanted: string | undefined) {}

  note(item: IntakeItem): void {
    if (this.wanted === undefined || this.#found || 'fault' in item) return;
    this.#queries += 1;
    for (const { name } of item.query.tools) {
      if (name === this.wanted) this.#found = true;
      if (this.#seen.size < MOST_KEPT) this.#seen.add(name);
    }
  }

  /** The names that came in its place, none or more; undefined where it came, or nothing was read. */
  get others(): readonly string[] | undefined {
    if (this.wanted === undefined || this.#found || this.#queries === 0) return undefined;
    return [...this.#seen].sort();
  }
}
