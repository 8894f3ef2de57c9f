import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { encodingHint, printable, quoted, VgrError } from './error.js';
import { unpacked } from './unpack.js';

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
const BYTE_ORDER_MARK = 0xfeff;

/**
 * The lines of a UTF-8 file, of one compressed with gzip, or of standard input (`-`). Blank lines are skipped. Ends
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

/** Whether a file can be read only once: a pipe, or standard input. */
async function isReadOnce(path: string): Promise<boolean> {
  if (path === '-') return true;
  const there = await stat(path).catch(() => undefined);
  return there !== undefined && !there.isFile() && !there.isDirectory();
}

/** Refuses a pipe, or standard input, from which two inputs would be read: the second one is empty. @throws VgrError USAGE */
export async function refuseReadTwice(files: readonly (string | undefined)[]): Promise<void> {
  for (const [at, file] of files.entries()) {
    if (file === undefined || files.indexOf(file) === at || !(await isReadOnce(file))) continue;
    throw new VgrError(
      'USAGE',
      `${quoted(file)} can be read once, and two inputs of this command are read from it`,
      { hint: 'give a file to one of them: `cat > FILE` writes standard input into one' },
    );
  }
}

/** The lines of a file as often as they are asked for. Those of a pipe are kept in memory. @throws VgrError as {@link readLines} */
export function linesAgain(path: string): () => AsyncGenerator<LineItem> {
  let kept: readonly LineItem[] | undefined;
  return async function* () {
    if (kept) yield* kept;
    else if (await isReadOnce(path)) {
      const lines: LineItem[] = [];
      for await (const line of readLines(path)) {
        lines.push(line);
        yield line;
      }
      kept = lines;
    } else yield* readLines(path);
  };
}

/** The same lines, in blocks of those that came in one piece: at most what a chunk holds, and no line waits for another. */
export async function* readLineBlocks(
  path: string,
  { maxLineBytes, signal }: LineReaderOptions = {},
): AsyncGenerator<readonly LineItem[]> {
  const source =
    path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  const bytes = unpacked(path, source as AsyncIterable<Buffer>);
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

/** Bytes that a line of the longest length may have more: the CR of its end, and a mark at its start. */
const SLACK_BYTES = 4;

/** The lines that end in each chunk of a stream that is cut anywhere. {@link readLines} says what counts as a line. */
export async function* lineBlocks(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes = DEFAULT_MAX_LINE_BYTES,
): AsyncGenerator<readonly LineItem[]> {
  /** Of a line whose end has not come; if it is too long, only its length is kept. */
  let pending: Buffer[] = [];
  let length = 0;
  let number = 1;
  /** The pending line and what follows it up to the end of a line. */
  const take = (bytes: Buffer): LineItem[] => {
    const block: LineItem[] = [];
    let whole: Buffer = Buffer.concat([...pending, bytes]);
    if (length > maxLineBytes + SLACK_BYTES) {
      const end = bytes.indexOf(LINE_FEED);
      block.push(tooLong(number, length + (end < 0 ? bytes.length : end), maxLineBytes));
      number += 1;
      whole = bytes.subarray(end < 0 ? bytes.length : end + 1);
      if (end < 0) return block;
    }
    number = addLines(block, whole, number, maxLineBytes);
    return block;
  };
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const last = bytes.lastIndexOf(LINE_FEED);
    if (last >= 0) {
      const block = take(bytes.subarray(0, last));
      if (block.length > 0) yield block;
      pending = [];
      length = 0;
    }
    const rest = bytes.subarray(last + 1);
    length += rest.length;
    if (length > maxLineBytes + SLACK_BYTES) pending = [];
    else if (rest.length > 0) pending.push(Buffer.from(rest));
  }
  const block = take(Buffer.alloc(0));
  if (block.length > 0) yield block;
}

/** Adds the lines of `bytes`. @returns the number of the next line */
function addLines(
  block: LineItem[],
  bytes: Buffer,
  firstNumber: number,
  maxLineBytes: number,
): number {
  let number = firstNumber;
  // Decoding all at once is several times as fast as line by line.
  const isPlain = bytes.length <= maxLineBytes && isUtf8(bytes);
  for (const line of isPlain ? bytes.toString('utf8').split('\n') : parts(bytes)) {
    const item =
      typeof line === 'string' ? textItem(line, number) : bytesItem(line, number, maxLineBytes);
    if (item) block.push(item);
    number += 1;
  }
  return number;
}

/** Bytes of the mark that a line begins with. */
function markLength(line: Buffer): number {
  return line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? 3 : 0;
}

function* parts(bytes: Buffer): Generator<Buffer> {
  let start = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, start)) {
    yield bytes.subarray(start, at);
    start = at + 1;
  }
  yield bytes.subarray(start);
}

function bytesItem(bytes: Buffer, number: number, maxBytes: number): LineItem | undefined {
  const line = bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
  if (line.length - markLength(line) > maxBytes) return tooLong(number, line.length, maxBytes);
  return isUtf8(line) ? textItem(bytes.toString('utf8'), number) : notUtf8(number, line);
}

/** Undefined for a blank line. A byte order mark may stand before any line, since files are joined. */
function textItem(line: string, number: number): LineItem | undefined {
  const start = line.charCodeAt(0) === BYTE_ORDER_MARK ? line.replace(/^\uFEFF+/, '') : line;
  const text = start.endsWith('\r') ? start.slice(0, -1) : start;
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
      `${quoted(path)}: expected a whole file compressed with gzip, since its name ends in \`.gz\`; ${printable(cause.message)}`,
      { hint: 'try `gzip -t FILE`; a file that is not compressed needs another name', cause },
    );
  }
  return new VgrError('INPUT_UNREADABLE', `${quoted(path)}: ${printable(cause.message)}`, {
    cause,
  });
}
