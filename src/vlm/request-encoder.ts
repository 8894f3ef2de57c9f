import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { sha256Of } from '../core/text.js';

/** The body of a request: fields of the Chat Completions API, and those of the user's own. */
export type ChatBody = Readonly<Record<string, unknown>>;

interface Picture {
  readonly sha256: string;
  /** The data URL as it stands between the quotation marks of JSON. */
  readonly bytes: Buffer;
}

/** Pictures that are kept: the stages of a query, and queries of one photo, lie near each other. */
const CAPACITY = 64;
const DATA_URL = /^data:image\//;

/**
 * Writes bodies as JSON. A picture is most of a request and goes out many times: each is hashed and turned into bytes once, and
 * never becomes part of a string, since such strings fill the memory faster than it is cleared.
 */
export class RequestEncoder {
  /** Stands for a picture; no query can hold it. */
  readonly #mark = `picture-${randomUUID()}`;
  readonly #pictures = new LRUCache<string, Picture>({ max: CAPACITY, memoMethod: pictureOf });

  /** What names a reply in the cache: sha256 of the body with pictures' own digests in their place, hexadecimal. */
  keyOf(body: ChatBody): string {
    const text = JSON.stringify(body, (name, value) =>
      name === 'url' && typeof value === 'string' ? this.#pictures.memo(value).sha256 : value,
    );
    return sha256Of(text);
  }

  /** The body as it goes over the wire, UTF-8, in pieces. */
  piecesOf(body: ChatBody): Buffer[] {
    const pictures: Buffer[] = [];
    const text = JSON.stringify(body, (_, value) => {
      if (typeof value !== 'string' || !DATA_URL.test(value)) return value;
      pictures.push(this.#pictures.memo(value).bytes);
      return this.#mark;
    });
    const between = text.split(this.#mark).map((part) => Buffer.from(part));
    return between.flatMap((part, index) => [part, ...pictures.slice(index, index + 1)]);
  }
}

function pictureOf(url: string): Picture {
  return { sha256: sha256Of(url), bytes: Buffer.from(JSON.stringify(url).slice(1, -1)) };
}
