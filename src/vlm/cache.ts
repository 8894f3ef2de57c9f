import { z } from 'zod';
import { DiskCache } from '../core/disk-cache.js';
import { type ChatReply, chatReply } from './conversation.js';

const entry = chatReply.extend({ schema: z.literal(1) });

/**
 * Replies on disk by the content of the request: model, messages with their pictures, and every option that decides the
 * reply. The server's address is not part of it. A damaged file counts as missing.
 */
export class ReplyCache {
  readonly #files: DiskCache;

  constructor(folder: string) {
    this.#files = new DiskCache(folder, 'json');
  }

  async get(key: string): Promise<ChatReply | undefined> {
    const bytes = await this.#files.get(key);
    try {
      const { schema: _, ...reply } = entry.parse(JSON.parse(new TextDecoder().decode(bytes)));
      return reply;
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, reply: ChatReply): Promise<void> {
    await this.#files.put(key, JSON.stringify({ schema: 1, ...reply }));
  }
}
