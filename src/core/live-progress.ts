import { Listr, ListrLogger, ProcessOutput } from 'listr2';
import type { Display, ProgressOptions, StageTexts } from './progress.js';

const LIVE_MS = 200;

/** One moving line a stage, on stderr. */
export function startLive({ stages, printer }: ProgressOptions, texts: StageTexts): Display {
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
          task.title = texts.ofStage(stage) + (last ? texts.left() : '');
        };
        const timer = setInterval(refresh, LIVE_MS);
        await finished;
        clearInterval(timer);
        task.title = texts.ofStage(stage);
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
