import { printable, type VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';

/** Maximum number of item errors that are printed; the journal has them all. */
const SHOWN_ERRORS = 20;

/** Prints to the streams of the process. Text for stderr waits while a live display owns the terminal. */
export class StreamPrinter implements Printer {
  readonly #held: string[] = [];
  #holding = false;
  #errors = 0;

  constructor(private readonly options: { readonly quiet: boolean }) {}

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

  note(text: string): void {
    if (!this.options.quiet) this.important(text);
  }

  important(text: string): void {
    // Whatever foreign text comes in: only line ends stay.
    this.#say(`${text.split('\n').map(printable).join('\n')}\n`);
  }

  itemError(name: string, error: { readonly message: string; readonly hint?: string }): void {
    this.#errors += 1;
    if (this.#errors > SHOWN_ERRORS) return;
    const hint = error.hint ? `  hint: ${printable(error.hint)}\n` : '';
    this.#say(`error: ${printable(name)}: ${printable(error.message)}\n${hint}`);
  }

  fatal(error: VgrError): void {
    this.#say(`error: ${printable(error.message)}\n`);
    if (error.hint) this.#say(`\nhint: ${printable(error.hint)}\n`);
  }

  debug(text: string): void {
    if (process.env.VGR_DEBUG) this.#say(`${text}\n`);
  }

  closeErrors(): void {
    const hidden = this.#errors - SHOWN_ERRORS;
    if (hidden > 0) this.#say(`error: ${hidden} more items failed, see their error records\n`);
  }

  /** Keeps text back until the display that owns the terminal is gone. */
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
