import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeFolder, outputError } from '../core/files.js';
import type { ChatReply } from './conversation.js';

const entry = z.object({
  schema: z.literal(1),
  text: z.string(),
  finish: z.enum(['stop', 'length']),
  confidence: z.number().min(0).max(1).optional(),
});

/**
 * Replies on disk by the content of the request: model, messages with their pictures, and all that decides the reply. Where
 * the server stands is not part of it. A file is written beside its place and renamed; one that cannot be read counts as
 * missing.
 */
export class ChatCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(key: string): Promise<ChatReply | undefined> {
    try {
      const {
        schema: _schema,
        confidence,
        ...reply
      } = entry.parse(JSON.parse(await readFile(this.#place(key), 'utf8')));
      return confidence === undefined ? reply : { ...reply, confidence };
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, reply: ChatReply): Promise<void> {
    const place = this.#place(key);
    const partial = `${place}.partial-${randomUUID()}`;
    try {
      await makeFolder(dirname(place));
      await writeFile(partial, JSON.stringify({ schema: 1, ...reply }));
      await rename(partial, place);
    } catch (thrown) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw outputError(place, thrown);
    }
  }

  #place(key: string): string {
    return join(this.#folder, key.slice(0, 2), `${key.slice(2)}.json`);
  }
}

/** Pictures whose digests are remembered. */
const DIGESTS = 64;

/** Makes the keys of requests. Pictures come again in the next stage and in the next query: each is hashed once. */
export class CacheKeys {
  readonly #digests = new Map<string, string>();

  /** sha256 of the body with its pictures' own digests in their place, hexadecimal. */
  keyOf(body: Readonly<Record<string, unknown>>): string {
    return digest(
      JSON.stringify(body, (name, value) =>
        name === 'url' && typeof value === 'string' ? this.#digestOf(value) : value,
      ),
    );
  }

  #digestOf(url: string): string {
    const known = this.#digests.get(url);
    if (known !== undefined) return known;
    const made = digest(url);
    this.#digests.set(url, made);
    if (this.#digests.size > DIGESTS) this.#digests.delete(this.#digests.keys().next().value!);
    return made;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
