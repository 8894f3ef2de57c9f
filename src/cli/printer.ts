import { printable, type VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';

/** Maximum number of item errors that are printed; the journal has them all. */
const SHOWN_ERRORS = 20;

/** What stays at the bottom of the terminal while text is printed above. */
export interface Live {
  draw(): void;
  clear(): void;
}

/** Prints to the streams of the process. */
export class StreamPrinter implements Printer {
  live?: Live;
  #errors = 0;

  constructor(private readonly options: { readonly quiet: boolean }) {}

  async data(text: string): Promise<void> {
    const hasRoom = process.stdout.isTTY
      ? this.#above(process.stdout, text)
      : process.stdout.write(text);
    if (hasRoom) return;
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

  #say(text: string): void {
    this.#above(process.stderr, text);
  }

  /** Writes above the live display. @returns whether the stream has room for more */
  #above(stream: NodeJS.WriteStream, text: string): boolean {
    this.live?.clear();
    const hasRoom = stream.write(text);
    this.live?.draw();
    return hasRoom;
  }
}
