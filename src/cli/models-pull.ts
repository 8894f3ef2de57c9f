import { modelsFolder } from '../io/model-place.js';
import { type Pulled, pullModel } from '../io/model-pull.js';
import { findModel } from '../io/model-store.js';
import type { Interruption } from './interruption.js';
import type { Printer } from './printer.js';
import { progressMode, startProgress } from './progress.js';

export interface PullFlags {
  readonly quiet: boolean;
  readonly 'no-progress': boolean;
}

const MIB = 2 ** 20;

/** `vgr models pull`: brings the weights of models, one after the other. @returns the exit code */
export async function pullModelsCommand(
  names: readonly string[],
  flags: PullFlags,
  printer: Printer,
  { signal }: Interruption,
): Promise<number> {
  for (const name of names) {
    const model = await findModel(name);
    let here = 0;
    let whole = model.card.bytes;
    const display = await startProgress({
      stages: [{ title: `${model.card.name}, MiB`, count: () => Number((here / MIB).toFixed(1)) }],
      share: () => (whole ? here / whole : undefined),
      printer,
      mode: progressMode({
        quiet: flags.quiet,
        noProgress: flags['no-progress'],
        linesOnTerminal: false,
      }),
    });
    try {
      const pulled = await pullModel(model, {
        modelsFolder: modelsFolder(),
        signal,
        onProgress: (bytes, total) => {
          here = bytes;
          whole = total ?? whole;
        },
      });
      await display.stop();
      tell(pulled, model.card.name, printer);
      await printer.data(`${pulled.path}\n`);
    } catch (thrown) {
      await display.stop();
      // The signal's own exit code tells the rest.
      if (signal.aborted) return 0;
      throw thrown;
    }
  }
  return 0;
}

function tell({ how, pinned }: Pulled, name: string, printer: Printer): void {
  if (how === 'here') printer.note(`${name} is here already`);
  if (how === 'shared') printer.note(`${name}: taken from the cache of the Hugging Face hub`);
  for (const [file, sha256] of pinned ?? []) {
    printer.note(
      `note: the card of ${name} had no sha256 for ${file}; it is pinned to what came, ${sha256}. Compare it with the publisher's.`,
    );
  }
}
