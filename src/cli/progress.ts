import type { ProgressDisplay, ProgressOptions, ProgressStage } from '../core/terminal.js';
import type { StreamPrinter } from './printer.js';

/** Interval of plain lines, milliseconds. */
const PLAIN_MS = 60_000;
/** Interval of the live display, milliseconds. */
const LIVE_MS = 200;

/**
 * Shows the stages on stderr until `stop` is called: on a terminal without data as one live line per stage, else as a line per
 * minute.
 * @param off for `--quiet` and `--no-progress`
 */
export async function showProgress(
  options: ProgressOptions,
  printer: StreamPrinter,
  { off }: { readonly off: boolean },
): Promise<ProgressDisplay> {
  if (off) return { stop: async () => undefined };
  options.share();
  const start = performance.now();
  const textOf = ({ title, count }: ProgressStage): string =>
    `${title} ${count()}${rateText(count(), performance.now() - start)}`;
  const left = (): string => leftText(options.share(), performance.now() - start);
  const isLive = process.stderr.isTTY && !process.env.CI && process.env.TERM !== 'dumb';
  if (isLive && !options.linesOnTerminal) return startLive(options.stages, textOf, left, printer);
  const timer = setInterval(() => {
    printer.note(`${options.stages.map(textOf).join(' | ')}${left()}`);
  }, PLAIN_MS);
  timer.unref();
  return { stop: async () => clearInterval(timer) };
}

async function startLive(
  stages: readonly ProgressStage[],
  textOf: (stage: ProgressStage) => string,
  left: () => string,
  printer: StreamPrinter,
): Promise<ProgressDisplay> {
  // Runs without a terminal do not load the library.
  const { Listr, ListrLogger, ProcessOutput } = await import('listr2');
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const logger = new ListrLogger({
    processOutput: new ProcessOutput(process.stderr, process.stderr),
  });
  const list = new Listr<unknown, 'default', 'default'>(
    stages.map((stage, index) => ({
      title: stage.title,
      task: async (_context, task): Promise<void> => {
        const isLast = index === stages.length - 1;
        const timer = setInterval(() => {
          task.title = textOf(stage) + (isLast ? left() : '');
        }, LIVE_MS);
        await finished;
        clearInterval(timer);
        task.title = textOf(stage);
      },
    })),
    {
      concurrent: true,
      // Ctrl-C belongs to the run: listr2's own handler ends the process with 127.
      registerSignalListeners: false,
      renderer: 'default',
      // listr2 falls back where stdout is no terminal; the display goes to stderr, which is one.
      fallbackRenderer: 'default',
      rendererOptions: { logger },
      fallbackRendererOptions: { logger },
    },
  );
  printer.hold();
  const shown = list.run();
  return {
    stop: async () => {
      finish();
      await shown;
      printer.release();
    },
  };
}

function rateText(count: number, ms: number): string {
  return count === 0 || ms < 1000 ? '' : ` (${((count * 1000) / ms).toFixed(1)}/s)`;
}

function leftText(share: number | undefined, ms: number): string {
  if (share === undefined || share < 0.01 || ms < 3000) return '';
  const seconds = Math.round((ms / share - ms) / 1000);
  const clock = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) =>
    String(Math.floor(part)).padStart(2, '0'),
  );
  return `, ${Math.round(share * 100)} %, ${clock.join(':')} left`;
}
