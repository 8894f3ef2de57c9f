import { randomUUID } from 'node:crypto';

/** Pictures whose bytes are kept: the stages of a query, and queries of one photo, lie near each other. */
const KEPT = 32;
const PICTURE = /^data:image\//;

/** A request's body with marks in the place of its pictures. */
export interface MarkedBody {
  readonly body: Readonly<Record<string, unknown>>;
  readonly pictures: ReadonlyMap<string, Buffer>;
}

/**
 * Keeps pictures out of the text of a request until it goes over the wire. A picture is most of a request and goes out many
 * times; what is made of its text each time fills the memory faster than it is cleared away.
 */
export class PictureBytes {
  /** Nobody who writes a query knows it. */
  readonly #mark = `picture-${randomUUID()}-`;
  readonly #pattern = new RegExp(`(${this.#mark}\\d+-)`);
  readonly #kept = new Map<string, Buffer>();

  /** Puts a mark in the place of each data URL of a picture. */
  marked(body: Readonly<Record<string, unknown>>): MarkedBody {
    const pictures = new Map<string, Buffer>();
    const short = mapped(body, (url) => {
      const mark = `${this.#mark}${pictures.size}-`;
      pictures.set(mark, this.#bytesOf(url));
      return mark;
    });
    return { body: short as MarkedBody['body'], pictures };
  }

  /** The text with the pictures back in their places, UTF-8, in pieces. */
  pieces(text: string, pictures: MarkedBody['pictures']): Buffer[] {
    return text
      .split(this.#pattern)
      .map((piece) => pictures.get(piece) ?? Buffer.from(piece, 'utf8'));
  }

  #bytesOf(url: string): Buffer {
    const known = this.#kept.get(url);
    if (known) {
      // Moves it to the young end: a Map keeps the order of insertion.
      this.#kept.delete(url);
      this.#kept.set(url, known);
      return known;
    }
    // As it stands between the quotation marks of JSON.
    const bytes = Buffer.from(JSON.stringify(url).slice(1, -1), 'utf8');
    this.#kept.set(url, bytes);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    return bytes;
  }
}

/** A copy of a JSON value with another text in the place of each picture. */
function mapped(value: unknown, markOf: (url: string) => string): unknown {
  if (typeof value === 'string') return PICTURE.test(value) ? markOf(value) : value;
  if (Array.isArray(value)) return value.map((each) => mapped(each, markOf));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, mapped(each, markOf)]),
  );
}
