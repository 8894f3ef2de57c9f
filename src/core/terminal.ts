import { printable, type VgrError } from './error.js';

/** Item errors that are spelled out on stderr; the journal holds them all. */
const SHOWN_ERRORS = 20;

/**
 * Decides what reaches which stream: data on stdout, everything else on stderr. Commands print through it alone. Notes
 * wait while a live display owns the terminal.
 */
export class Printer {
  readonly #quiet: boolean;
  readonly #held: string[] = [];
  #holding = false;
  #errors = 0;

  constructor(options: { readonly quiet: boolean }) {
    this.#quiet = options.quiet;
  }

  /** Data. Resolves when the stream has room again. */
  async data(text: string): Promise<void> {
    if (process.stdout.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        process.stdout.off('drain', done).off('close', done).off('error', done);
        resolve();
      };
      process.stdout.on('drain', done).on('close', done).on('error', done);
    });
  }

  /** Resolves when stdout has taken everything, or has failed. */
  async flush(): Promise<void> {
    if (process.stdout.writableLength === 0 || process.stdout.destroyed) return;
    await new Promise<void>((resolve) => {
      process.stdout.once('error', () => resolve()).write('', () => resolve());
    });
  }

  /** Something good to know; silent with `--quiet`. */
  note(text: string): void {
    if (!this.#quiet) this.#say(`${text}\n`);
  }

  /** Something that decides the exit code; printed even with `--quiet`. */
  important(text: string): void {
    this.#say(`${text}\n`);
  }

  /** The failure of one item: the first few are told, the number of the rest is. */
  itemError(name: string, error: { readonly message: string; readonly hint?: string }): void {
    this.#errors += 1;
    if (this.#errors > SHOWN_ERRORS) return;
    const hint = error.hint ? `  hint: ${printable(error.hint)}\n` : '';
    this.#say(`error: ${printable(name)}: ${printable(error.message)}\n${hint}`);
  }

  /** What ends the command. Printed even with `--quiet`. */
  fatal(error: VgrError): void {
    this.#say(`error: ${printable(error.message)}\n`);
    if (error.hint) this.#say(`\nhint: ${printable(error.hint)}\n`);
  }

  /** Where an unexpected error comes from; for VGR_DEBUG. */
  stack(thrown: unknown): void {
    this.#say(`${(thrown instanceof Error && thrown.stack) || String(thrown)}\n`);
  }

  /** Says how many item errors were not spelled out. */
  closeErrors(): void {
    const hidden = this.#errors - SHOWN_ERRORS;
    if (hidden > 0) this.#say(`error: ${hidden} more items failed, see their error records\n`);
  }

  /** Keeps notes back until the display that owns the terminal is gone. */
  hold(): void {
    this.#holding = true;
  }

  release(): void {
    this.#holding = false;
    for (const text of this.#held.splice(0)) process.stderr.write(text);
  }

  #say(text: string): void {
    if (this.#holding) this.#held.push(text);
    else process.stderr.write(text);
  }
}

/** Columns as wide as their widest cell, two blanks between them. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
