/** 1: one item failed. 2: usage or configuration. 3: the work cannot run (model, device, disk). */
export type ErrorExit = 1 | 2 | 3;

/** Each code and the exit code of a command that ends by it. Codes of kind 1 appear in error records. */
const EXIT_BY_CODE = {
  IMAGE_UNREADABLE: 1,
  IMAGE_TOO_LARGE: 1,
  IMAGE_UNSUPPORTED: 1,
  IMAGE_MISSING: 1,
  IMAGE_OUTSIDE: 1,
  QUERY_INVALID: 1,
  ID_DUPLICATE: 1,
  LINE_TOO_LONG: 1,
  LINE_NOT_UTF8: 1,
  DETECTION_FAILED: 1,
  REFINEMENT_FAILED: 1,
  USAGE: 2,
  CONFIG_INVALID: 2,
  INPUT_MISSING: 2,
  INPUT_INVALID: 2,
  NO_IMAGES: 2,
  MODEL_UNKNOWN: 2,
  CARD_INVALID: 2,
  OUTPUT_MISMATCH: 2,
  SHARD_MISSING: 2,
  MODEL_MISSING: 3,
  MODEL_CORRUPT: 3,
  MODEL_INVALID: 3,
  MODEL_HANGS: 3,
  MEMORY_SPENT: 3,
  DOWNLOAD_FAILED: 3,
  SERVER_UNAVAILABLE: 3,
  SERVER_REFUSED: 3,
  BUDGET_SPENT: 3,
  DEVICE_UNAVAILABLE: 3,
  WORKER_CRASHED: 3,
  INPUT_UNREADABLE: 3,
  IMAGES_UNAVAILABLE: 3,
  OUTPUT_BUSY: 3,
  OUTPUT_UNWRITABLE: 3,
  DISK_FULL: 3,
  TRAINING_DIVERGED: 3,
  INTERNAL: 3,
} as const satisfies Record<string, ErrorExit>;

export type ErrorCode = keyof typeof EXIT_BY_CODE;

export interface ErrorDetail {
  /** What to try next, with a command or flag where there is one. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The one error that reaches a person or an error record. The message says what failed, what was expected and what was
 * got, with literals in backticks; foreign text in it goes through {@link quoted} or {@link printable}.
 */
export class VgrError extends Error {
  override readonly name = 'VgrError';
  readonly code: ErrorCode;
  readonly exit: ErrorExit;
  readonly hint?: string;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.exit = EXIT_BY_CODE[code];
    if (detail.hint !== undefined) this.hint = detail.hint;
  }
}

/** Anything thrown as a VgrError: one stays as it is, all else becomes `code` with the original as `cause`. */
export function asVgrError(thrown: unknown, code: ErrorCode = 'INTERNAL'): VgrError {
  if (thrown instanceof VgrError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new VgrError(code, printable(text), { cause: thrown });
}

/** The code of a system error, or of that which a VgrError is made of; empty for others. */
export function codeOf(thrown: unknown): string {
  const error = thrown instanceof VgrError ? thrown.cause : thrown;
  return (error as Partial<NodeJS.ErrnoException> | undefined)?.code ?? '';
}

/**
 * Control characters (C0, DEL, C1, so every ANSI escape), line separators, halves of surrogate pairs, and the invisible
 * format characters, among them the controls that turn the reading direction.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text from outside made safe for a terminal on one line: `\x1b[2J` becomes the visible `\u001b[2J`. Idempotent. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const codePoint = character.codePointAt(0)!;
    return codePoint > 0xffff
      ? `\\u{${codePoint.toString(16)}}`
      : `\\u${codePoint.toString(16).padStart(4, '0')}`;
  });
}

/** Text from outside as a literal in a message: in backticks, printable, at most `limit` characters of it. */
export function quoted(text: string, limit = 120): string {
  if (text.length <= limit) return `\`${printable(text)}\``;
  return `\`${printable(text.slice(0, limit))}...\` (${text.length} characters)`;
}

/** A value in a message, as JSON, or `nothing`. */
export function valueText(value: unknown): string {
  if (value === undefined) return 'nothing';
  return typeof value === 'number' ? `${value}` : (JSON.stringify(value) ?? typeof value);
}

/** How a file in another encoding becomes JSON Lines in UTF-8. */
const FROM_UTF16 = 'the file is UTF-16: `iconv -f utf-16 -t utf-8 FILE > q.jsonl`';
/** What to try with a line that is JSON but no object. */
export const ONE_A_LINE =
  "one JSON object a line: `jq -c '.[]' FILE` makes lines of a JSON list, `jq -c . FILE` of objects over several lines, `mlr --icsv --ojsonl cat FILE` of CSV";

/** What to try with a line whose bytes are not UTF-8. */
export function encodingHint(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return isMarked || bytes.includes(0)
    ? FROM_UTF16
    : 'convert the file: `iconv -f latin1 -t utf-8 FILE`';
}

/** What to try with a line that is no JSON. */
export function jsonHint(text: string, number: number): string {
  if (text.includes('\0')) return FROM_UTF16;
  const line = text.trim();
  return line.startsWith('{') && line !== '{'
    ? `check the line alone: \`sed -n ${number}p FILE | jq .\``
    : ONE_A_LINE;
}

/**
 * The error of one item, to become its error record.
 * @throws VgrError when it would meet every other item too (device gone, disk full, a card that lies): it ends the run
 */
export function itemError(thrown: unknown): VgrError {
  const error = asVgrError(thrown);
  if (error.exit === 3 && error.code !== 'INTERNAL') throw error;
  if (error.code === 'CARD_INVALID') throw error;
  return error;
}
