import { NameTable } from '../core/name-table.js';
import type { Query } from '../formats/query-line.js';
import {
  digestOfWord,
  digestWord,
  type MadeOf,
  NO_QUERY,
  type OutputLine,
  queryDigest,
} from '../formats/result-line.js';
import type { LineHead, PhotoFacts } from '../runtime/ports.js';

/** A line of a journal. Lines of shards and of retries have the place of their item in the input. */
export type JournalRecord = OutputLine & { readonly place?: number; readonly made_of?: MadeOf };

/** What identifies the item of a line. */
type RecordHead = LineHead & { readonly place?: number; readonly made_of?: MadeOf };

/** Whether a photo is still what it was; never rejects. */
export type ComparePhoto = (image: string, was: PhotoFacts) => Promise<boolean>;

/** Without a way to look at photos they are taken to be what they were. */
const UNSEEN: ComparePhoto = () => Promise.resolve(true);

/** Words of memory that an item takes beside its name. */
const WORDS = 3;

/** Names of items with what they were made of: 12 bytes each beside the name. */
class KnownItems {
  readonly #names = new NameTable();
  /** By number of the name: hash of the query, size and hash of the photo's file; 0 where it is not known. */
  #facts = new Uint32Array(WORDS * 64);

  add(name: string, made: MadeOf | undefined): void {
    const at = this.#names.numberOf(name) * WORDS;
    if (at >= this.#facts.length) {
      const wider = new Uint32Array(Math.ceil(at / WORDS / 2) * 3 * WORDS);
      wider.set(this.#facts);
      this.#facts = wider;
    }
    const { query, bytes = 0, sha256 } = made ?? {};
    this.#facts.set([query ? digestWord(query) : 0, bytes, sha256 ? digestWord(sha256) : 0], at);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** @returns undefined for a name that is not there */
  get(name: string): Uint32Array | undefined {
    const number = this.#names.get(name);
    return number === 0 ? undefined : this.#facts.subarray(number * WORDS, (number + 1) * WORDS);
  }
}

/** The item's own name: its image or id; undefined without one, or if the id belongs to another line. */
function nameOf(line: RecordHead): string | undefined {
  if (line.type === 'result') return `id ${line.id}`;
  if (line.type === 'detections' || line.line === undefined) return `image ${line.image}`;
  return line.id === undefined || line.code === 'ID_DUPLICATE' ? undefined : `id ${line.id}`;
}

/** The place of a query in the input. Results have it only in the journal of a shard and during a retry. */
function placeOf(line: RecordHead): string | undefined {
  if (line.type === 'detections') return undefined;
  const place = line.type === 'error' ? line.line : line.place;
  return place === undefined ? undefined : `place ${place}`;
}

/** Keys that the lines of one item have in common. */
export function keysOf(line: RecordHead): string[] {
  return [nameOf(line), placeOf(line)].filter((key) => key !== undefined);
}

/** The name of the item whose id the line repeats. */
export function doubleOf(line: RecordHead): string | undefined {
  return line.type === 'error' && line.code === 'ID_DUPLICATE' ? `id ${line.id}` : undefined;
}

/** What the lines of a journal add up to. */
export interface JournalTally {
  items: number;
  errors: number;
  /** Lines that replace an earlier one. */
  replacements: number;
  /** Lines that have their place. */
  placed: number;
}

/** The type of the line that a later one replaces. */
type Replaced = 'error' | 'result';

/** What a journal already holds, and what is added to it. */
export class DoneItems {
  readonly tally: JournalTally = { items: 0, errors: 0, replacements: 0, placed: 0 };
  /** Items that earlier runs have done. */
  count = 0;
  /** Of these, those that this run has met so far, and those of them that are done again, since they have changed. */
  met = 0;
  changed = 0;
  readonly #finished = new KnownItems();
  readonly #failed = new KnownItems();
  /** Names of finished items that another line has as well. */
  readonly #taken = new NameTable();

  /** @param retryFailed do failed items again */
  constructor(readonly retryFailed = false) {}

  /** Adds a line of an earlier run. @returns what it replaces; undefined if its item is new */
  add(line: JournalRecord): Replaced | undefined {
    const replaced = this.#replacedBy(line);
    this.#record(line, replaced);
    const known = line.type === 'error' ? this.#failed : this.#finished;
    for (const key of keysOf(line)) known.add(key, line.made_of);
    if (line.type !== 'error' || !this.retryFailed) this.count += 1;
    return replaced;
  }

  /** Counts a line of this run. */
  wrote(line: RecordHead): void {
    this.#record(line, this.count > 0 || this.retryFailed ? this.#replacedBy(line) : undefined);
  }

  /** Whether the line of this number held no query, whatever id it stated, so that its place alone tells what replaces it. */
  wasBadLine(number: number): boolean {
    return this.#failed.get(`place ${number}`)?.[0] === digestWord(NO_QUERY);
  }

  /**
   * Whether an earlier run has done a query of the same words, photo and tools, or a line that holds none.
   * @returns a promise only where its photo is compared
   */
  hasQuery(
    item: { readonly query: Query } | { readonly line: number; readonly error: unknown },
    isSamePhoto = UNSEEN,
  ): boolean | Promise<boolean> {
    // A failed line is known by its number, and by that alone if its id belongs to another line.
    if ('error' in item) {
      return this.#isSame(this.retryFailed ? undefined : this.#failed.get(`place ${item.line}`), {
        query: NO_QUERY,
      });
    }
    const { query } = item;
    const { id, line, imagePath } = query;
    // A failed line may have got the id of a later line since, whose result is not its own.
    const hasFailed = this.#failed.has(`place ${line}`) && !this.#failed.has(`id ${id}`);
    if (this.retryFailed && hasFailed) return false;
    const known = this.#get(`id ${id}`);
    const isSame = this.#isSame(known, { query: known?.[0] ? queryDigest(query) : undefined });
    if (!isSame || imagePath === undefined) return isSame;
    return this.#isOfSamePhoto(imagePath, known!, isSamePhoto);
  }

  /** Whether an earlier run has done the same photo. @returns as {@link hasQuery} */
  hasPhoto(
    { image }: { readonly image: string },
    isSamePhoto = UNSEEN,
  ): boolean | Promise<boolean> {
    const known = this.#get(`image ${image}`);
    return this.#isSame(known, {}) && this.#isOfSamePhoto(image, known!, isSamePhoto);
  }

  #get(name: string): Uint32Array | undefined {
    if (this.count === 0) return undefined;
    return this.#finished.get(name) ?? (this.retryFailed ? undefined : this.#failed.get(name));
  }

  /** A line of an earlier version does not tell what it was made of, and is known by its name. */
  #isSame(known: Uint32Array | undefined, { query }: Pick<MadeOf, 'query'>): boolean {
    if (!known) return false;
    this.met += 1;
    const isSame = query === undefined || known[0] === 0 || known[0] === digestWord(query);
    if (!isSame) this.changed += 1;
    return isSame;
  }

  #isOfSamePhoto(
    image: string,
    [, bytes, hash]: Uint32Array,
    isSamePhoto: ComparePhoto,
  ): boolean | Promise<boolean> {
    if (!hash) return true;
    return isSamePhoto(image, { bytes: bytes!, sha256: digestOfWord(hash) }).then((isSame) => {
      if (!isSame) this.changed += 1;
      return isSame;
    });
  }

  /** If a corrected line has the id of a later line, the error for the duplicate id replaces the result of the later one. */
  #replacedBy(line: RecordHead): Replaced | undefined {
    const keys = keysOf(line);
    const name = nameOf(line);
    if (name !== undefined && this.#finished.has(name)) this.#taken.add(name);
    if (keys.some((key) => this.#failed.has(key))) return 'error';
    if (keys.some((key) => this.#finished.has(key))) return 'result';
    const double = doubleOf(line);
    return double !== undefined && this.#taken.has(double) ? 'result' : undefined;
  }

  #record(line: RecordHead, replaced: Replaced | undefined): void {
    if (replaced) this.tally.replacements += 1;
    else this.tally.items += 1;
    if (line.place !== undefined) this.tally.placed += 1;
    this.tally.errors += Number(line.type === 'error') - Number(replaced === 'error');
  }
}
