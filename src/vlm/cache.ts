import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../core/files.js';
import type { ChatReply } from './conversation.js';

const entry = z.object({
  schema: z.literal(1),
  text: z.string(),
  finish: z.enum(['stop', 'length']),
  confidence: z.number().min(0).max(1).optional(),
});

/**
 * Replies on disk by the content of the request: model, messages with their pictures, and all that decides the reply. The
 * server's address is not part of it. A file that cannot be read counts as missing.
 */
export class ReplyCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(key: string): Promise<ChatReply | undefined> {
    try {
      const text = await readFile(this.#pathOf(key), 'utf8');
      const { schema: _, ...reply } = entry.parse(JSON.parse(text));
      return reply;
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, reply: ChatReply): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await writeFileAtomic(path, JSON.stringify({ schema: 1, ...reply }), { durable: false });
    } catch (thrown) {
      // Another machine may have written the same reply at the same time.
      if (!(await this.get(key))) throw thrown;
    }
  }

  #pathOf(key: string): string {
    return join(this.#folder, key.slice(0, 2), `${key.slice(2)}.json`);
  }
}
