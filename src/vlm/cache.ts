import { z } from 'zod';
import { DiskCache } from '../core/disk-cache.js';
import { sha256Of } from '../core/text.js';
import { type ChatReply, chatReply } from './conversation.js';

const entry = chatReply.extend({ schema: z.literal(2) });

/**
 * Replies on disk by the content of the request: model, messages with their pictures, and every option that decides the
 * reply, and by the server, whose answers are no other's. A damaged file counts as missing.
 */
export class ReplyCache {
  readonly #files: DiskCache;

  /** @param server the root of its API */
  constructor(
    folder: string,
    private readonly server: string,
  ) {
    this.#files = new DiskCache(folder, 'json');
  }

  async get(key: string): Promise<ChatReply | undefined> {
    const bytes = await this.#files.get(this.#nameOf(key));
    try {
      const { schema: _, ...reply } = entry.parse(JSON.parse(new TextDecoder().decode(bytes)));
      return reply;
    } catch {
      return undefined;
    }
  }

  /** @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async put(key: string, reply: ChatReply): Promise<void> {
    await this.#files.put(this.#nameOf(key), JSON.stringify({ schema: 2, ...reply }));
  }

  #nameOf(key: string): string {
    return sha256Of(`${this.server} ${key}`);
  }
}
