/** 1: one item failed. 2: usage or configuration. 3: the work cannot run (model, device, disk). */
export type FaultExit = 1 | 2 | 3;

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
  DOWNLOAD_FAILED: 3,
  SERVER_UNAVAILABLE: 3,
  SERVER_REFUSED: 3,
  BUDGET_SPENT: 3,
  DEVICE_UNAVAILABLE: 3,
  WORKER_CRASHED: 3,
  INPUT_UNREADABLE: 3,
  OUTPUT_BUSY: 3,
  OUTPUT_UNWRITABLE: 3,
  DISK_FULL: 3,
  TRAINING_DIVERGED: 3,
  INTERNAL: 3,
} as const satisfies Record<string, FaultExit>;

export type FaultCode = keyof typeof EXIT_BY_CODE;

export interface FaultDetail {
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
  readonly code: FaultCode;
  readonly exit: FaultExit;
  readonly hint?: string;

  constructor(code: FaultCode, message: string, detail: FaultDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.exit = EXIT_BY_CODE[code];
    if (detail.hint !== undefined) this.hint = detail.hint;
  }
}

/** Anything thrown as a VgrError: one stays as it is, all else becomes `code` with the original as `cause`. */
export function asVgrError(thrown: unknown, code: FaultCode = 'INTERNAL'): VgrError {
  if (thrown instanceof VgrError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new VgrError(code, printable(text), { cause: thrown });
}

/**
 * Control characters (C0, DEL, C1, so every ANSI escape), line separators, halves of surrogate pairs, and the invisible
 * format characters, among them the controls that turn the reading direction.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Foreign text made safe for a terminal on one line: `\x1b[2J` becomes the visible `\u001b[2J`. Idempotent. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const codePoint = character.codePointAt(0)!;
    return codePoint > 0xffff
      ? `\\u{${codePoint.toString(16)}}`
      : `\\u${codePoint.toString(16).padStart(4, '0')}`;
  });
}

/** Foreign text as a literal in a message: in backticks, printable, at most `limit` characters of it. */
export function quoted(text: string, limit = 120): string {
  if (text.length <= limit) return `\`${printable(text)}\``;
  return `\`${printable(text.slice(0, limit))}...\` (${text.length} characters)`;
}
