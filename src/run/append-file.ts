import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { makeFolder, openOwnFile, outputError, synced } from '../core/files.js';

/** {@link AppendFile.append} makes its caller wait while more bytes than this are unwritten. */
const HIGH_WATER_BYTES = 1024 * 1024;
const TAIL_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

const TO_APPEND = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT;

/**
 * Opens a file of lines to append to, and makes it where it is not there. An incomplete last line is removed; only the tail of the
 * file is read for it.
 * @throws VgrError DISK_FULL; OUTPUT_UNWRITABLE, also where it is a link, or another name of a file
 */
export async function openAppendFile(file: string): Promise<AppendFile> {
  try {
    const folder = path.dirname(file);
    await makeFolder(folder, { within: folder });
    const handle = await openOwnFile(file, TO_APPEND);
    try {
      const { nlink } = await handle.stat();
      return new AppendFile(file, handle, nlink, await cutTornLine(handle));
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  } catch (thrown) {
    throw outputError(file, thrown);
  }
}

/**
 * Appends lines in the order of the calls. Lines that arrive during a write are written together by the next one, so that many
 * small lines need few writes and no timer. After a failure nothing more is written, and every later call fails in the same way.
 */
export class AppendFile {
  /** Time that writes took, milliseconds. */
  busyMs = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #closed = false;

  constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    /** Names of the file: 1, or 0 on file systems that do not count them. */
    private readonly links: number,
    /** Size of the file as this process knows it, bytes. */
    private size: number,
  ) {}

  /**
   * Takes whole lines, each with its line feed. Resolves when there is room for more, not when they are written.
   * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE of this or an earlier write
   */
  async append(lines: string): Promise<void> {
    if (this.#closed) throw new Error('append after close');
    this.#throwFailure();
    const bytes = Buffer.from(lines, 'utf8');
    if (bytes.at(-1) !== LINE_FEED) {
      throw new Error('expected whole lines that end with a line feed');
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
    if (this.#waitingBytes > HIGH_WATER_BYTES) {
      await this.#writing;
      this.#throwFailure();
    }
  }

  /** When it resolves, everything appended so far is on the disk. @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE */
  async flush(): Promise<void> {
    await this.#writing;
    this.#throwFailure();
    try {
      await synced(() => this.handle.datasync());
    } catch (thrown) {
      throw outputError(this.path, thrown);
    }
  }

  /** Flushes and closes. May be called again. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      await this.handle.close();
    }
  }

  /** Never rejects: the failure is kept for the callers. */
  async #writeAll(): Promise<void> {
    try {
      // Lines that are appended within the same turn of the event loop go out together.
      await new Promise((resolve) => setImmediate(resolve));
      while (this.#waiting.length > 0) {
        const batch = Buffer.concat(this.#waiting);
        this.#waiting = [];
        this.#waitingBytes = 0;
        const start = performance.now();
        await this.#refuseSecondWriter();
        this.size += batch.length;
        await this.handle.appendFile(batch);
        this.busyMs += performance.now() - start;
      }
    } catch (thrown) {
      this.#failure = thrown;
      this.#waiting = [];
      this.#waitingBytes = 0;
      // A full disk may have taken a part of the batch: its complete lines stay. What another process writes is its own.
      if (!(thrown instanceof VgrError)) await cutTornLine(this.handle).catch(() => undefined);
    } finally {
      this.#writing = undefined;
    }
  }

  /** A process that slept may find its lock taken over. @throws VgrError OUTPUT_BUSY */
  async #refuseSecondWriter(): Promise<void> {
    const { size, nlink } = await this.handle.stat();
    // The file of another run has taken the place of one that has no name any more.
    if (size === this.size && nlink === this.links) return;
    throw new VgrError('OUTPUT_BUSY', `another process is writing to ${quoted(this.path)}`, {
      hint: 'it goes on with this run; run the same command again once it has ended',
    });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw outputError(this.path, this.#failure);
  }
}

/** Removes an incomplete last line. @returns the size of what is left, bytes */
async function cutTornLine(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat();
  const end = await endOfLastLine(handle, size);
  if (end < size) await handle.truncate(end);
  return end;
}

/** Offset behind the last line feed, 0 where there is none. Reads backwards from the end. */
async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(TAIL_BYTES);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}
