import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { encodingHint, printable, quoted, VgrError } from './error.js';

/** A line of a file, or why it cannot be read. Numbers count from 1 and count every line, blank ones too. */
export type LineItem =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly error: VgrError };

export interface LineReaderOptions {
  /** Longest line, bytes without its end. Default {@link DEFAULT_MAX_LINE_BYTES}. */
  readonly maxLineBytes?: number;
  /** Closes a source that may never give another line, so that it does not keep the process alive. */
  readonly signal?: AbortSignal;
}

const DEFAULT_MAX_LINE_BYTES = 16 * 1024 * 1024;

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The lines of a UTF-8 file, of one packed by gzip (`.gz`), or of standard input (`-`). Blank lines are skipped. Ends
 * with CR LF, a byte order mark and a last line without its end are all right. A line that is too long or not UTF-8 becomes an
 * error. Memory holds one line and one chunk.
 * @throws VgrError INPUT_MISSING, INPUT_INVALID (a folder), INPUT_UNREADABLE
 */
export async function* readLines(
  path: string,
  options: LineReaderOptions = {},
): AsyncGenerator<LineItem> {
  for await (const block of readLineBlocks(path, options)) yield* block;
}

/** The same lines, in blocks of those that came in one piece: at most what a chunk holds, and no line waits for another. */
export async function* readLineBlocks(
  path: string,
  { maxLineBytes, signal }: LineReaderOptions = {},
): AsyncGenerator<readonly LineItem[]> {
  const source =
    path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const chunks = source as AsyncIterable<Buffer>;
  const bytes = path.endsWith('.gz') ? unpacked(chunks) : chunks;
  const close = (): unknown => source.destroy();
  signal?.addEventListener('abort', close, { once: true });
  try {
    yield* lineBlocks(bytes, maxLineBytes);
  } catch (thrown) {
    if (signal?.aborted) return;
    throw unreadable(path, thrown);
  } finally {
    signal?.removeEventListener('abort', close);
    source.destroy();
  }
}

/**
 * Lines in a file, counted by their ends: a last line without its end does not count. Undefined for a packed file, and for
 * a source that can be read only once, such as a pipe: counting would take the lines from the run.
 */
export async function countLines(path: string): Promise<number | undefined> {
  if (path === '-' || path.endsWith('.gz')) return undefined;
  let count = 0;
  try {
    if (!(await stat(path)).isFile()) return undefined;
    const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    for await (const chunk of source as AsyncIterable<Buffer>) {
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, at + 1)) {
        count += 1;
      }
    }
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
  return count;
}

/** The lines that end in each chunk of a stream that is cut anywhere. {@link readLines} tells what counts as a line. */
export async function* lineBlocks(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes = DEFAULT_MAX_LINE_BYTES,
): AsyncGenerator<readonly LineItem[]> {
  const line = new PendingLine(maxLineBytes);
  let number = 0;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const first = bytes.indexOf(LINE_FEED);
    if (first < 0) {
      line.add(bytes);
      continue;
    }
    line.add(bytes.subarray(0, first));
    const block: LineItem[] = [];
    const head = line.take(++number);
    if (head) block.push(head);
    const last = bytes.lastIndexOf(LINE_FEED);
    if (last > first) {
      number = addWholeLines(block, bytes.subarray(first + 1, last), number + 1, maxLineBytes);
    }
    if (block.length > 0) yield block;
    line.add(bytes.subarray(last + 1));
  }
  const tail = line.take(++number);
  if (tail) yield [tail];
}

/**
 * Adds the lines that lie in one chunk. Decodes all at once where it can, which is several times as fast as line by line.
 * @returns the number of the last line
 */
function addWholeLines(
  block: LineItem[],
  bytes: Buffer,
  firstNumber: number,
  maxLineBytes: number,
): number {
  let number = firstNumber;
  if (bytes.length > maxLineBytes || !isUtf8(bytes)) {
    for (const part of parts(bytes)) {
      const item = lineItem(part, number++, maxLineBytes);
      if (item) block.push(item);
    }
  } else {
    for (const raw of bytes.toString('utf8').split('\n')) {
      const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (!isBlank(text)) block.push({ number, text });
      number += 1;
    }
  }
  return number - 1;
}

function* parts(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, start)) {
    yield bytes.subarray(start, at);
    start = at + 1;
  }
  yield bytes.subarray(start);
}

/** A line that may lie in several chunks. If it is too long, only its length is kept. */
class PendingLine {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(bytes: Buffer): void {
    this.#length += bytes.length;
    // One byte more than the limit may be the CR of the line's end; three more the mark at the file's start.
    if (this.#length > this.#maxBytes + 4) this.#parts = [];
    else if (bytes.length > 0) this.#parts.push(Buffer.from(bytes));
  }

  take(number: number): LineItem | undefined {
    const length = this.#length;
    let bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    if (bytes.length < length) return tooLong(number, length, this.#maxBytes);
    if (number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    return lineItem(bytes, number, this.#maxBytes);
  }
}

function lineItem(bytes: Buffer, number: number, maxBytes: number): LineItem | undefined {
  const line = bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
  if (line.length > maxBytes) return tooLong(number, line.length, maxBytes);
  if (!isUtf8(line)) return notUtf8(number, line);
  const text = line.toString('utf8');
  return isBlank(text) ? undefined : { number, text };
}

/** The white space of JSON. */
const BLANK = /^[ \t\r]*$/;

function isBlank(text: string): boolean {
  return text === '' || (text.charCodeAt(0) <= 0x20 && BLANK.test(text));
}

function tooLong(number: number, length: number, maxBytes: number): LineItem {
  const error = new VgrError(
    'LINE_TOO_LONG',
    `line ${number}: expected at most ${maxBytes} bytes, got ${length}`,
    { hint: 'a line holds one JSON object; is the file JSON Lines?' },
  );
  return { number, error };
}

function notUtf8(number: number, bytes: Buffer): LineItem {
  const error = new VgrError(
    'LINE_NOT_UTF8',
    `line ${number}: expected UTF-8, got ${quoted(bytes.subarray(0, 60).toString('latin1'))}`,
    { hint: encodingHint(bytes) },
  );
  return { number, error };
}

function unpacked(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // Iterating the last stream raises a failure of either.
  pipeline(Readable.from(bytes, { objectMode: false }), gunzip, () => undefined);
  return gunzip;
}

function unreadable(path: string, thrown: unknown): VgrError {
  if (thrown instanceof VgrError) return thrown;
  const cause = thrown as NodeJS.ErrnoException;
  if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') {
    return new VgrError('INPUT_MISSING', `no file ${quoted(path)}`, {
      hint: `paths start at ${quoted(process.cwd())}; \`-\` reads standard input`,
      cause,
    });
  }
  if (cause.code === 'EISDIR') {
    return new VgrError('INPUT_INVALID', `${quoted(path)}: expected a file, got a folder`, {
      hint: 'name the JSONL file itself',
      cause,
    });
  }
  if (cause.code === 'Z_DATA_ERROR' || cause.code === 'Z_BUF_ERROR') {
    return new VgrError(
      'INPUT_UNREADABLE',
      `${quoted(path)}: expected a whole file packed by gzip, since its name ends in \`.gz\`; ${printable(cause.message)}`,
      { hint: 'try `gzip -t FILE`; a file that is not packed needs another name', cause },
    );
  }
  return new VgrError('INPUT_UNREADABLE', `${quoted(path)}: ${printable(cause.message)}`, {
    cause,
  });
}
