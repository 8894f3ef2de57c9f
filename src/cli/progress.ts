import { Listr, ListrLogger, ProcessOutput } from 'listr2';
import type { Printer } from './printer.js';

/** One stage of the work as the display shows it. */
export interface Stage {
  readonly title: string;
  /** Items that went through. */
  readonly count: () => number;
}

export interface ProgressOptions {
  readonly stages: readonly Stage[];
  /** Share of the input that was taken in, 0..1; undefined where its size is not known. */
  readonly share: () => number | undefined;
  readonly printer: Printer;
  readonly mode: ProgressMode;
}

/** `live`: one moving line a stage; `plain`: a line a minute; `off`. */
export type ProgressMode = 'live' | 'plain' | 'off';

const LIVE_MS = 200;
const PLAIN_MS = 60_000;

/** Live only where a person looks and no data goes to the same screen. */
export function progressMode(options: {
  readonly quiet: boolean;
  readonly noProgress: boolean;
  readonly linesOnTerminal: boolean;
}): ProgressMode {
  if (options.quiet || options.noProgress) return 'off';
  const live = process.stderr.isTTY && !process.env.CI && process.env.TERM !== 'dumb';
  return live && !options.linesOnTerminal ? 'live' : 'plain';
}

/** Shows the stages on stderr until `stop` is called. */
export function startProgress(options: ProgressOptions): { stop(): Promise<void> } {
  if (options.mode === 'off') return { stop: async () => undefined };
  const start = performance.now();
  const line = (stage: Stage): string =>
    `${stage.title} ${stage.count()}${rateText(stage.count(), performance.now() - start)}`;
  return options.mode === 'plain'
    ? startPlain(options, line, start)
    : startLive(options, line, start);
}

function startPlain(
  { stages, share, printer }: ProgressOptions,
  line: (stage: Stage) => string,
  start: number,
): { stop(): Promise<void> } {
  const timer = setInterval(() => {
    printer.note(`${stages.map(line).join(' | ')}${leftText(share(), performance.now() - start)}`);
  }, PLAIN_MS);
  timer.unref();
  return { stop: async () => clearInterval(timer) };
}

function startLive(
  { stages, share, printer }: ProgressOptions,
  line: (stage: Stage) => string,
  start: number,
): { stop(): Promise<void> } {
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
        const last = index === stages.length - 1;
        const refresh = (): void => {
          task.title = line(stage) + (last ? leftText(share(), performance.now() - start) : '');
        };
        const timer = setInterval(refresh, LIVE_MS);
        await finished;
        clearInterval(timer);
        task.title = line(stage);
      },
    })),
    {
      concurrent: true,
      // Ctrl-C belongs to the run: listr2's own handler ends the process with 127.
      registerSignalListeners: false,
      renderer: 'default',
      // Where stdout is no terminal the fallback is taken; it is stderr that counts, and that is one.
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
