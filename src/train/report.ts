import { isCorrect } from '../core/box.js';
import { tableText } from '../core/text.js';
import type { RefinerCard, RefinerReached } from '../formats/model-card.js';
import { chooseBox } from '../refine/decision.js';
import { beliefOf, type PolicyNumbers, policyOf } from '../refine/policy.js';
import type { Example } from './example.js';

/** What a policy reaches on held-out examples; the tool alone where there is no policy. */
export function heldOutNumbers(
  examples: readonly Example[],
  numbers: PolicyNumbers | null,
): RefinerReached {
  const policy = numbers && policyOf(numbers);
  const rows = examples.map((example) => {
    const { rows, pairs, overlaps, truths, tool } = example;
    if (policy === null) return { tool, answer: tool };
    const choice = chooseBox(beliefOf(policy, rows, 'rethink'), pairs, numbers!.threshold);
    return { tool, answer: choice === null ? Number(truths === 0) : overlaps[choice.at]! };
  });
  const share = (all: typeof rows, holds: (row: (typeof rows)[number]) => boolean) =>
    all.length === 0 ? null : Number((all.filter(holds).length / all.length).toFixed(4));
  const right = ({ answer }: (typeof rows)[number]) => isCorrect(answer);
  const mean = rows.reduce((sum, { answer }) => sum + answer, 0) / rows.length;
  return {
    accuracy: share(rows, right),
    mean_iou: rows.length === 0 ? null : Number(mean.toFixed(4)),
    ccr: share(
      rows.filter(({ tool }) => !isCorrect(tool)),
      right,
    ),
    lost: share(
      rows.filter(({ tool }) => isCorrect(tool)),
      (row) => !right(row),
    ),
  };
}

const percent = (value: number | null): string =>
  value === null ? '-' : `${(100 * value).toFixed(1)} %`;

/** 95 % interval of a share of `count`, as percent. @see Wilson 1927, JASA 22 */
function interval(share: number, count: number): string {
  const z = 1.96;
  const centre = (share + (z * z) / (2 * count)) / (1 + (z * z) / count);
  const half =
    (z / (1 + (z * z) / count)) *
    Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count));
  return `${(100 * (centre - half)).toFixed(1)} to ${(100 * (centre + half)).toFixed(1)}`;
}

const ROWS = [
  ['tool', 'the tool alone'],
  ['start', 'before fitting'],
  ['fitted', 'fitted'],
] as const;

/** The held-out lines as a table for people: the tool, the start, the fitted refiner. */
export function validationTable({ validation, training }: RefinerCard): string {
  const lines = training.photos + training.tools;
  const fitted = `fitted to ${lines} lines (${training.photos} with photos, ${training.absent} with nothing that fits)`;
  if (validation === null) return `${fitted}; nothing was held out\n`;
  const { queries } = validation;
  const cells = [
    ['', 'right', 'of 100, 95 % interval', 'mean IoU', 'corrected', 'lost'],
    ...ROWS.map(([key, title]) => {
      const { accuracy, mean_iou: iou, ccr, lost } = validation[key];
      return [
        title,
        `${Math.round((accuracy ?? 0) * queries)}`,
        `${percent(accuracy)}, ${interval(accuracy ?? 0, queries)}`,
        iou === null ? '-' : iou.toFixed(3),
        percent(ccr),
        percent(lost),
      ];
    }),
  ];
  return `${fitted}, tried on ${queries} others:\n${tableText(cells)}`;
}

/** Whether the refiner is worth using, and what would help where it is not. */
export function verdict(
  { validation, training }: RefinerCard,
  { output, init }: { readonly output: string; readonly init: string },
): string {
  const use = `vgr refine IMAGES --queries q.jsonl --refiner ${output}`;
  if (validation === null) return `try it on lines that it has not seen: ${use}`;
  const { tool, start, fitted } = validation;
  const [own, before, alone] = [fitted.accuracy ?? 0, start.accuracy ?? 0, tool.accuracy ?? 0];
  const lines = training.photos + training.tools;
  const help = `What helps: more lines (${lines} were fitted to; from about 1,000 on a fit is worth its name), lines on which the tool errs, a detector that boxes what is asked for.`;
  if (own < alone) {
    return `This refiner is worse than the tool alone on the held-out lines: do not use it. ${help}`;
  }
  if (own <= before) {
    const other = init === 'none' ? 'the weights before fitting' : `\`--refiner ${init}\``;
    return `This refiner is not better than ${other} on the held-out lines: use that. ${help}`;
  }
  return `use it: ${use}`;
}
