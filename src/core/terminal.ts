import type { VgrError } from './error.js';

/** What the work of a command sees of the command line. */
export interface Terminal {
  readonly printer: Printer;
  readonly interruption: Interruption;
  /** Shows the stages of the work on stderr until the display is stopped. */
  showProgress(options: ProgressOptions): Promise<ProgressDisplay>;
}

/** Decides what reaches which stream: data goes to stdout, everything else to stderr. */
export interface Printer {
  /** Data. Resolves when the stream has room again. */
  data(text: string): Promise<void>;
  /** Something good to know; silent with `--quiet`. */
  note(text: string): void;
  /** Something that decides the exit code; printed even with `--quiet`. */
  important(text: string): void;
  /** For whoever looks for an error; printed with `VGR_DEBUG` alone. */
  debug(text: string): void;
  /** The error of one item: the first few are printed, the others are counted. */
  itemError(name: string, error: { readonly message: string; readonly hint?: string }): void;
  /** Says how many item errors were not printed. */
  closeErrors(): void;
  /** An error that the command ends with. Printed even with `--quiet`. */
  fatal(error: VgrError): void;
}

/**
 * How a run learns that it shall stop. The first SIGINT or SIGTERM, or a closed stdout, lets the items in flight finish;
 * after a signal the slow ones are given up, so that the process ends within five seconds. A second signal ends it at once.
 */
export interface Interruption {
  /** Fires once the run shall come to its end. */
  readonly signal: AbortSignal;
  /** Fires where the items in flight take too long after a signal: what is done is kept, they are not waited for. */
  readonly overdue: AbortSignal;
  /** Whether the reader of stdout went away: nobody waits for more, which is no error. */
  readonly pipeClosed: boolean;
  /** Set where stdout cannot be written to. */
  readonly stdoutError: VgrError | undefined;
  /** Counts the items in flight, to be told after a signal. */
  inFlight?: () => number;
  /** Whether `work` ends before the process has to. Call it where the items in flight take too long. */
  inTime(work: Promise<unknown>): Promise<boolean>;
  /**
   * Ends the process with the items in flight.
   * @param options.quiet whether no native code is at work
   */
  end(options?: { readonly quiet?: boolean }): void;
}

/** One stage of the work as the display shows it. */
export interface ProgressStage {
  readonly title: string;
  /** Items that went through. */
  readonly count: () => number;
  /** Items that there are; undefined where that is not known. */
  readonly total?: () => number | undefined;
}

export interface ProgressOptions {
  readonly stages: readonly ProgressStage[];
  /**
   * Share of the input that was taken in, 0..1; undefined where its size is not known. Called only where the display is shown,
   * and at its start for the first time.
   */
  readonly share: () => number | undefined;
}

/** What is shown, until it is stopped. */
export interface ProgressDisplay {
  stop(): Promise<void>;
}
