import type { VgrError } from '../core/error.js';
import { type LineItem, readLineBlocks } from '../core/line-reader.js';
import { NameTable } from '../core/name-table.js';
import { untilAborted } from '../core/ordered-map.js';
import { duplicateId, type Query, type ReadLine, readQueryLine } from '../formats/query-line.js';
import type { RunProgress } from '../runtime/ports.js';
import { inShard, type Shard } from './shard.js';

/** A query to answer, or a line without one, which has no id if the id that it states belongs to another line. */
export type IntakeItem =
  | { readonly query: Query }
  | { readonly id?: string; readonly line: number; readonly error: VgrError };

/**
 * Reads the lines one after another: bad lines and duplicate ids become errors, no line is lost. A shard takes the queries of
 * its images; the shard of an unreadable line is found by its id.
 */
export class QueryIntake {
  readonly #ids = new NameTable();

  constructor(
    private readonly shard: Shard,
    private readonly progress: Pick<RunProgress, 'listed'>,
  ) {}

  /** Undefined where the line belongs to another shard. */
  take(found: LineItem | ReadLine): IntakeItem | undefined {
    this.progress.listed += 1;
    const item = 'number' in found ? readQueryLine(found) : found;
    const { id, line } = item;
    const first = this.#ids.add(id);
    const image = 'query' in item ? item.query.imagePath : undefined;
    if (!inShard(image ?? id, this.shard)) return undefined;
    if (first) return item;
    if ('error' in item) return { line, error: item.error };
    return { id, line, error: duplicateId(id, line) };
  }
}

/** Which lines of a file are answered, and in blocks of what size. */
export interface BlockIntake {
  readonly shard: Shard;
  readonly progress: Pick<RunProgress, 'listed'>;
  /** Whether an earlier run has answered it. Called for every line that is taken. */
  readonly isDone: (item: IntakeItem) => boolean | Promise<boolean>;
  /** Maximum number of items, those that are done not counted. */
  readonly limit?: number;
  /** Maximum number of items in a block. */
  readonly blockSize: number;
}

/**
 * The queries of a run in blocks.
 * @param source lines of a file, or queries that were made of the command line
 * @throws VgrError of the source
 */
export function queryBlocks(
  source: string | AsyncIterable<readonly ReadLine[]>,
  intake: BlockIntake,
  signal: AbortSignal,
): AsyncGenerator<readonly IntakeItem[]> {
  const blocks = typeof source === 'string' ? readLineBlocks(source, { signal }) : source;
  return intakeBlocks(untilAborted<readonly (LineItem | ReadLine)[]>(blocks, signal), intake);
}

/**
 * The items of a run in blocks, in their order. Lines that arrive together and name the same photo share a block; no line waits
 * for later ones.
 */
export async function* intakeBlocks(
  blocks: AsyncIterable<readonly (LineItem | ReadLine)[]>,
  { shard, progress, isDone, limit = Number.POSITIVE_INFINITY, blockSize }: BlockIntake,
): AsyncGenerator<readonly IntakeItem[]> {
  const intake = new QueryIntake(shard, progress);
  let left = limit;
  if (left <= 0) return;
  for await (const lines of blocks) {
    const items: IntakeItem[] = [];
    for (const line of lines) {
      const item = left > 0 ? intake.take(line) : undefined;
      if (!item) continue;
      const done = isDone(item);
      // Millions of lines are not waited for one by one.
      if (typeof done === 'boolean' ? done : await done) continue;
      left -= 1;
      items.push(item);
    }
    yield* byPhoto(items, blockSize);
    if (left <= 0) return;
  }
}

function* byPhoto(items: readonly IntakeItem[], blockSize: number): Generator<IntakeItem[]> {
  let block: IntakeItem[] = [];
  for (const item of items) {
    if (block.length === blockSize || !isOfPhoto(block, item)) {
      yield block;
      block = [];
    }
    block.push(item);
  }
  if (block.length > 0) yield block;
}

/** Whether the item names the photo of the block's queries, or is no query. */
function isOfPhoto(block: readonly IntakeItem[], item: IntakeItem): boolean {
  if (!('query' in item)) return true;
  const first = block.find((each) => 'query' in each);
  return first === undefined || first.query.imagePath === item.query.imagePath;
}

/** Maximum number of names kept: every line may have another one. */
const MAX_KEPT = 8;

/** The tools of the lines of a run, to warn of `--tool` with a name that no line has. */
export class ToolNames {
  readonly #seen = new Set<string>();
  #queries = 0;
  #found = false;

  /** @param wanted the name in `--tool`, if given */
  constructor(private readonly wanted: string | undefined) {}

  note(item: IntakeItem): void {
    if (this.wanted === undefined || this.#found || 'error' in item) return;
    this.#queries += 1;
    for (const { name } of item.query.tools) {
      if (name === this.wanted) this.#found = true;
      if (this.#seen.size < MAX_KEPT) this.#seen.add(name);
    }
  }

  /** The other names, if no line has the wanted one; undefined if one has it, or nothing was read. */
  get others(): readonly string[] | undefined {
    if (this.wanted === undefined || this.#found || this.#queries === 0) return undefined;
    return [...this.#seen].sort();
  }
}
