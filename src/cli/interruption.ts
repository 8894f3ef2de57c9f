import { VgrError } from '../core/error.js';
import type { Interruption } from '../core/terminal.js';

/** Exit codes of a shell for a process that a signal ended: 128 + number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

type EndSignal = keyof typeof EXIT_CODES;
const SIGNALS = Object.keys(EXIT_CODES) as EndSignal[];

/** Time for the items in flight after the first signal; others are left to the next run. Milliseconds. */
const GRACE_MS = 3000;
/** Time after the first signal at which native code must have ended what was given up. Milliseconds. */
const RELEASE_MS = 3900;
/** Time after the first signal at which the process ends in any case. Milliseconds. */
const END_MS = 4200;
/** Time for a signal that the process sends to itself. Milliseconds. */
const DELIVERY_MS = 100;

/** Listens to the signals of the process and to its stdout. */
export class SignalInterruption implements Interruption {
  readonly #controller = new AbortController();
  readonly #overdue = new AbortController();
  readonly #released = new AbortController();
  readonly signal = this.#controller.signal;
  readonly overdue = this.#overdue.signal;
  pipeClosed = false;
  stdoutError: VgrError | undefined;
  /** The signal that ends the process. */
  #ending: EndSignal | undefined;

  /** Counts the items in flight, where a run knows. */
  inFlight?: () => number;

  /** @param say prints a line on stderr */
  constructor(private readonly say: (text: string) => void) {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // oclif's own listener ignores a closed pipe, so that work would go on, and throws other errors where nobody catches them.
    process.stdout.removeAllListeners('error').on('error', this.#onStdoutError);
  }

  inTime(work: Promise<unknown>): Promise<boolean> {
    const { signal } = this.#released;
    if (signal.aborted) return Promise.resolve(false);
    const late = new Promise<boolean>((resolve) => {
      signal.addEventListener('abort', () => resolve(false), { once: true });
    });
    const done = work.then(() => true);
    return Promise.race([done.catch(() => false), late]);
  }

  /** 130 or 143 after a signal, else undefined. */
  get exitCode(): number | undefined {
    return this.#ending && EXIT_CODES[this.#ending];
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  /**
   * While native code runs, the process ends by the signal: process.exit() would wait for photos that are being decoded, and would
   * end threads inside native code, which aborts.
   */
  end({ quiet = false } = {}): void {
    const signal = this.#ending ?? 'SIGTERM';
    this.close();
    if (quiet) process.exit(EXIT_CODES[signal]);
    process.kill(process.pid, signal);
    // Process 1 of a container is not ended by its own signals.
    setTimeout(() => process.exit(EXIT_CODES[signal]), DELIVERY_MS);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const isFirst = this.#ending === undefined;
    this.#ending = signal as EndSignal;
    if (!isFirst) {
      this.end();
      return;
    }
    const count = this.inFlight?.() ?? 0;
    const items = count > 0 ? `items in flight, ${count} of them` : 'items in flight';
    this.say(`\n${signal}: finishing the ${items}; again to stop at once`);
    this.#controller.abort();
    // The timers do not keep a finished process alive.
    setTimeout(() => this.#giveUp(), GRACE_MS).unref();
    setTimeout(() => this.#released.abort(), RELEASE_MS).unref();
    setTimeout(() => this.end(), END_MS).unref();
  };

  #giveUp(): void {
    // Items that were given up may fail without anyone listening.
    process.on('unhandledRejection', () => undefined);
    this.#overdue.abort();
  }

  readonly #onStdoutError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') {
      this.pipeClosed = true;
    } else {
      const code = error.code === 'ENOSPC' ? 'DISK_FULL' : 'OUTPUT_UNWRITABLE';
      this.stdoutError = new VgrError(code, `stdout cannot be written to: ${error.message}`, {
        hint: 'give it another place; with `--output DIR` a rerun continues where this one ended',
      });
    }
    this.#controller.abort();
  };
}
