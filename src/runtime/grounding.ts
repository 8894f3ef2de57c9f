import { quoted, VgrError } from '../core/error.js';
import type { RunSummary } from '../formats/run-summary.js';
import type { Candidate, Refiner } from '../refine/refiner.js';
import type { LargeRefiner } from '../vlm/open.js';
import { openDetectors } from './engine.js';
import type { PhotoShelf } from './photo-store.js';
import type { Detector, PhotoRef } from './ports.js';
import { boxesAsCandidates } from './query-answer.js';
import type { Threads } from './threads.js';

/** A model in the threads that is asked single expressions. */
export interface OpenedGrounding {
  readonly detector: Detector;
  readonly model: RunSummary['models'][number];
  readonly large: LargeRefiner;
}

/**
 * Loads the model of `--cascade-large`, with its card's own settings.
 * @throws VgrError of the model; USAGE where it is not asked in words
 */
export async function openGrounding(name: string, threads: Threads): Promise<OpenedGrounding> {
  const [opened] = await openDetectors([name], {}, threads);
  const { detector, model, settings, warning } = opened!;
  if (!detector.prompted) {
    throw new VgrError(
      'USAGE',
      `--cascade-large: expected a model that is asked in words, got ${quoted(detector.name)}`,
      { hint: '`vgr models list` has them: `--cascade-large florence-2-base-ft`' },
    );
  }
  const ofLarge = Object.entries(settings).map(([key, value]) => [`large_${key}`, value]);
  return {
    detector,
    model,
    large: {
      refiner: groundingRefiner(detector.name),
      settings: Object.fromEntries(ofLarge),
      inFlight: 2 * threads.sessions * detector.prompted.promptsARun,
      report: () => ({ model: detector.name }),
      warnings: () => {
        const text = warning();
        return text === undefined ? [] : [text];
      },
      close: async () => undefined,
    },
  };
}

/** Answers with the first box that the model finds; where it finds none, or cannot be asked, the answer is a fallback. */
function groundingRefiner(name: string): Refiner {
  return {
    name,
    async refine({ query, ground }) {
      const [first, ...others] = (await ground?.(query)) ?? [];
      // The first box is an answer to the words, of a tool that gives one; the others are only something to choose from.
      const further = others.map((each) => ({ ...each, tool: `${name}, further boxes` }));
      const candidates = first ? [first, ...further] : [];
      const found = { boxXyxy: first?.boxXyxy ?? null, score: first?.score ?? 0 };
      const text = first ? `${name} was asked the expression` : `${name} found nothing`;
      const decision = first ? 'correct' : 'fallback';
      return { think: { ...found, text }, answer: { ...found, decision, text }, candidates };
    },
  };
}

/** Asks the model about expressions of one photo. @param shelf photos that it looks at */
export function groundingOf(
  detector: Detector,
  shelf: PhotoShelf,
): (ref: PhotoRef) => (expression: string) => Promise<readonly Candidate[]> {
  return (ref) => async (expression) =>
    boxesAsCandidates(detector, await shelf(ref, expression).photo);
}
