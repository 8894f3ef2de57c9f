import type { Printer } from './terminal.js';

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

/** What is shown, until it is stopped. */
export interface Display {
  stop(): Promise<void>;
}

/** What the display says at this moment. */
export interface StageTexts {
  readonly ofStage: (stage: Stage) => string;
  /** Share that is done and time left, as far as they are known. */
  readonly left: () => string;
}

/** `live`: one moving line a stage; `plain`: a line a minute; `off`. */
export type ProgressMode = 'live' | 'plain' | 'off';

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
export async function startProgress(options: ProgressOptions): Promise<Display> {
  if (options.mode === 'off') return { stop: async () => undefined };
  const start = performance.now();
  const texts: StageTexts = {
    ofStage: (stage) =>
      `${stage.title} ${stage.count()}${rateText(stage.count(), performance.now() - start)}`,
    left: () => leftText(options.share(), performance.now() - start),
  };
  if (options.mode === 'plain') return startPlain(options, texts);
  // Runs without a terminal need not wait for the library.
  const { startLive } = await import('./live-progress.js');
  return startLive(options, texts);
}

function startPlain({ stages, printer }: ProgressOptions, texts: StageTexts): Display {
  const timer = setInterval(() => {
    printer.note(`${stages.map(texts.ofStage).join(' | ')}${texts.left()}`);
  }, PLAIN_MS);
  timer.unref();
  return { stop: async () => clearInterval(timer) };
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
