import { styleText } from 'node:util';
import type { ListrRenderer } from 'listr2';
import type { ProgressDisplay, ProgressOptions, ProgressStage } from '../core/terminal.js';
import { fitted } from '../core/text.js';
import type { Live, StreamPrinter } from './printer.js';

/** Interval of plain lines, milliseconds. */
const PLAIN_MS = 60_000;
/** Interval of the live display, milliseconds. */
const LIVE_MS = 200;
const BAR_COLUMNS = 24;

/**
 * Shows the stages on stderr until `stop` is called: on a terminal as a live line with a bar per stage, below whatever else is
 * printed, else as a line per minute.
 * @param off for `--quiet` and `--no-progress`
 */
export async function showProgress(
  options: ProgressOptions,
  printer: StreamPrinter,
  { off, isEnding }: { readonly off: boolean; readonly isEnding: () => boolean },
): Promise<ProgressDisplay> {
  if (off) return { stop: async () => undefined };
  const { stages } = options;
  options.share();
  const start = performance.now();
  const rows = (): Row[] => {
    const ms = performance.now() - start;
    const share = options.share();
    return stages.map((stage, at) => {
      const total = stage.total?.();
      const own = total ? stage.count() / total : undefined;
      return rowOf(stage, total, own ?? (at === stages.length - 1 ? share : undefined), ms);
    });
  };
  const isLive = process.stderr.isTTY && !process.env.CI && process.env.TERM !== 'dumb';
  if (isLive) {
    return startLive(stages, printer, () =>
      liveLines(rows(), process.stderr.columns || 80, isEnding()),
    );
  }
  const timer = setInterval(() => {
    printer.note(rows().map(plainText).join(' | '));
  }, PLAIN_MS);
  timer.unref();
  return { stop: async () => clearInterval(timer) };
}

/** The stages as tasks of a list that ends with `stop`; its renderer keeps them below what is printed. */
async function startLive(
  stages: readonly ProgressStage[],
  printer: StreamPrinter,
  lines: () => readonly string[],
): Promise<ProgressDisplay> {
  // Runs without a terminal do not load the library.
  const { Listr } = await import('listr2');
  const live = new LiveText(lines);
  class Below implements ListrRenderer {
    static readonly rendererOptions = {};
    static readonly rendererTaskOptions = {};
    static readonly nonTTY = true;
    #timer?: NodeJS.Timeout;

    render(): void {
      printer.live = live;
      this.#timer = setInterval(() => live.draw(), LIVE_MS);
    }

    end(): void {
      clearInterval(this.#timer);
      live.clear();
      printer.live = undefined;
    }
  }
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const list = new Listr(
    stages.map(({ title }) => ({ title, task: () => finished })),
    {
      concurrent: true,
      // Ctrl-C belongs to the run: listr2's own handler ends the process with 127.
      registerSignalListeners: false,
      renderer: Below,
      // listr2 falls back where stdout is no terminal; the display goes to stderr, which is one.
      fallbackRenderer: Below,
    },
  );
  const shown = list.run();
  return {
    stop: async () => {
      finish();
      await shown;
    },
  };
}

/** A stage as it is shown. */
interface Row {
  readonly title: string;
  readonly count: string;
  /** 0..1 */
  readonly share?: number;
  /** Empty where it is not known, as the time left. */
  readonly rate: string;
  readonly left: string;
}

function rowOf(
  { title, count: countNow }: ProgressStage,
  total: number | undefined,
  share: number | undefined,
  ms: number,
): Row {
  const count = countNow();
  const of = total === undefined ? `${count}` : `${count}/${Math.round(total)}`;
  const rate = count === 0 || ms < 1000 ? '' : `${((count * 1000) / ms).toFixed(1)}/s`;
  return { title, count: of, share, rate, left: leftText(share, ms) };
}

/** `refine 52/264 (20 %), 13.2/s, 00:00:16 left` */
function plainText({ title, count, share, rate, left }: Row): string {
  const percent = share === undefined || share < 0.01 ? '' : ` (${Math.round(share * 100)} %)`;
  return [`${title} ${count}${percent}`, rate, left].filter((text) => text !== '').join(', ');
}

/** Lines of one width: `refine  [#####-----]  52/264  13.2/s  00:00:16 left`. */
function liveLines(rows: readonly Row[], columns: number, isEnding: boolean): string[] {
  const width = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));
  const titles = width(rows.map(({ title }) => title));
  const counts = width(rows.map(({ count }) => count));
  const fixed = titles + counts + 30;
  const bar = Math.max(0, Math.min(BAR_COLUMNS, columns - fixed));
  const lines = rows.map(({ title, count, share, rate, left }) => {
    const parts = [title.padEnd(titles)];
    if (bar > 4) parts.push(barText(share, bar));
    parts.push(count.padStart(counts), rate.padStart(8), left);
    // The last column stays free: a full line may wrap.
    return fitted(parts.join('  ').trimEnd(), columns - 1);
  });
  return isEnding ? [...lines, 'stopping'] : lines;
}

function barText(share: number | undefined, columns: number): string {
  if (share === undefined) return ' '.repeat(columns + 2);
  const filled = Math.round(Math.min(1, share) * columns);
  return `[${'#'.repeat(filled)}${'-'.repeat(columns - filled)}]`;
}

function leftText(share: number | undefined, ms: number): string {
  if (share === undefined || share < 0.01 || share >= 1 || ms < 3000) return '';
  const seconds = Math.round((ms / share - ms) / 1000);
  const clock = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) =>
    String(Math.floor(part)).padStart(2, '0'),
  );
  return `${clock.join(':')} left`;
}

/** Lines at the bottom of the terminal, which are taken away while something is printed above. */
class LiveText implements Live {
  #shown = 0;

  constructor(private readonly lines: () => readonly string[]) {}

  draw(): void {
    const lines = this.lines();
    this.clear();
    const text = lines.map((line) => styleText('dim', line, { stream: process.stderr }));
    process.stderr.write(`${text.join('\n')}\n`);
    this.#shown = lines.length;
  }

  clear(): void {
    if (this.#shown > 0) process.stderr.write(`\r\x1b[${this.#shown}A\x1b[J`);
    this.#shown = 0;
  }
}
