import { VgrError } from '../formats/fault.js';

/** Exit codes of a shell for a process that a signal ended: 128 + number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The ways in which a run is told to stop. The first SIGINT or SIGTERM, or a closed stdout, lets the items in flight
 * finish; a second signal ends the process at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #listeners: [NodeJS.Signals, () => void][] = [];
  #exitCode: number | undefined;
  #pipeClosed = false;
  #stdoutFault: VgrError | undefined;

  constructor() {
    for (const [signal, code] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
      const listener = (): void => this.#onSignal(signal, code);
      process.on(signal, listener);
      this.#listeners.push([signal, listener]);
    }
    // oclif's own listener swallows a closed pipe, so that work would go on, and throws all else out of reach.
    process.stdout.removeAllListeners('error').on('error', this.#onStdoutError);
  }

  /** Fires once the run shall come to its end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 after a signal, else undefined. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Whether the reader of stdout went away: nobody waits for more, which is no error. */
  get pipeClosed(): boolean {
    return this.#pipeClosed;
  }

  /** Set where stdout cannot be written to. */
  get stdoutFault(): VgrError | undefined {
    return this.#stdoutFault;
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #onSignal(signal: NodeJS.Signals, code: number): void {
    if (this.#exitCode !== undefined) {
      // The signal's own way of ending: process.exit() would end threads inside native code, which aborts.
      this.close();
      process.kill(process.pid, signal);
      return;
    }
    this.#exitCode = code;
    process.stderr.write(`\n${signal}: finishing the items in flight; again to stop at once\n`);
    this.#controller.abort();
  }

  readonly #onStdoutError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') {
      this.#pipeClosed = true;
    } else {
      const code = error.code === 'ENOSPC' ? 'DISK_FULL' : 'OUTPUT_UNWRITABLE';
      this.#stdoutFault = new VgrError(code, `stdout cannot be written to: ${error.message}`, {
        hint: 'give it another place; with `--output DIR` a rerun continues where this one ended',
      });
    }
    this.#controller.abort();
  };
}
