import type { BoxXywh, BoxXyxy } from '../geometry/box.js';
import { quoted, VgrError } from './fault.js';

/** Where a record stands in a file. */
export interface RecordPlace {
  /** Name of the file. */
  readonly source: string;
  /** Line number from 1 in a file of lines. */
  readonly line?: number;
  /** Place from 0 in an array, and the key that the array stands under. */
  readonly element?: number;
  readonly section?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** An error about one record. @see VgrError for the manner of the message */
export function recordFault(place: RecordPlace, what: string, hint?: string): VgrError {
  const parts = [quoted(place.source)];
  if (place.line !== undefined) parts.push(`line ${place.line}`);
  if (place.element !== undefined) {
    parts.push(`element ${place.element}${place.section ? ` of ${quoted(place.section)}` : ''}`);
  }
  return new VgrError('INPUT_INVALID', `${parts.join(', ')}: ${what}`, hint ? { hint } : {});
}

/** Reads the fields of one foreign record; each is checked when it is asked for. All methods throw VgrError INPUT_INVALID. */
export class ForeignRecord {
  readonly place: RecordPlace;
  readonly #fields: Fields;

  constructor(value: unknown, place: RecordPlace) {
    this.place = place;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw recordFault(place, `expected an object, got ${shown(value)}`);
    }
    this.#fields = value as Fields;
  }

  /** Undefined where the field is missing; null stays null. The name is one of ours, not one that every object has. */
  raw(key: string): unknown {
    return this.#fields[key];
  }

  /** The same for a name that comes from outside: `constructor` is no field of a record that does not hold it. */
  foreign(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  /** True where the field is there and not null. */
  has(key: string): boolean {
    return this.raw(key) != null;
  }

  integer(key: string): number {
    const value = this.raw(key);
    return Number.isSafeInteger(value) ? (value as number) : this.refuse(key, 'an integer');
  }

  number(key: string): number {
    const value = this.raw(key);
    return Number.isFinite(value) ? (value as number) : this.refuse(key, 'a finite number');
  }

  /** A number in [0, 1]. */
  share(key: string): number {
    const value = this.raw(key);
    return typeof value === 'number' && value >= 0 && value <= 1
      ? value
      : this.refuse(key, 'a number in 0..1');
  }

  string(key: string): string {
    const value = this.raw(key);
    return typeof value === 'string' ? value : this.refuse(key, 'a string');
  }

  /** An object in a field, at the same place. */
  record(key: string): ForeignRecord {
    const value = this.raw(key);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return new ForeignRecord(value, this.place);
    }
    return this.refuse(key, 'an object');
  }

  keys(): string[] {
    return Object.keys(this.#fields);
  }

  /** `[x, y, width, height]`, sizes not negative. */
  boxXywh(key: string): BoxXywh {
    const [x, y, width, height] = this.fourNumbers(key, '[x, y, width, height]');
    if (width >= 0 && height >= 0) return { x, y, width, height };
    return this.refuse(key, '[x, y, width, height] with width and height >= 0');
  }

  /** `[x1, y1, x2, y2]`, corners in order. */
  boxXyxy(key: string): BoxXyxy {
    const [x1, y1, x2, y2] = this.fourNumbers(key, '[x1, y1, x2, y2]');
    if (x2 >= x1 && y2 >= y1) return { x1, y1, x2, y2 };
    return this.refuse(key, '[x1, y1, x2, y2] with x2 >= x1 and y2 >= y1');
  }

  /**
   * A list in a field.
   * @param read gets a record that holds one element, under the name that messages give it
   */
  list<T>(key: string, expected: string, read: (record: ForeignRecord, name: string) => T): T[] {
    const value = this.raw(key);
    if (!Array.isArray(value)) return this.refuse(key, `a list of ${expected}`);
    return value.map((each, index) => {
      const name = `${key}[${index}]`;
      return read(new ForeignRecord({ [name]: each }, this.place), name);
    });
  }

  /** @param layout what they mean, for the message */
  fourNumbers(key: string, layout: string): [number, number, number, number] {
    const value = this.raw(key);
    if (Array.isArray(value) && value.length === 4 && value.every(Number.isFinite)) {
      return value as [number, number, number, number];
    }
    return this.refuse(key, `${layout}, four finite numbers`);
  }

  /** @param expected what the field should hold, as a noun */
  refuse(key: string, expected: string): never {
    throw recordFault(
      this.place,
      `field ${quoted(key)}: expected ${expected}, got ${shown(this.foreign(key))}`,
    );
  }
}

/** A foreign value in a message. JSON turns numbers beyond the range of doubles into Infinity, and cannot show them. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number') return quoted(String(value));
  return quoted(JSON.stringify(value, infinite) ?? typeof value, 80);
}

function infinite(_: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
