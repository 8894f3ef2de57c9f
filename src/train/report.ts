import { createHash } from 'node:crypto';
import { isCorrect } from '../core/iou.js';
import { tableText } from '../core/text.js';
import type { RefinerCard, RefinerReached } from '../formats/refiner-card.js';
import { chooseBox } from '../refine/decision.js';
import { beliefOf, type PolicyNumbers, policyOf } from '../refine/policy.js';
import type { Example } from './examples.js';

/** What the tool, the start and the fitted refiner reach on held-out examples; null where there are none. */
export function validationOf(
  examples: readonly Example[],
  start: PolicyNumbers,
  fitted: PolicyNumbers,
): RefinerCard['validation'] {
  if (examples.length === 0) return null;
  return {
    queries: examples.length,
    tool: metricsOf(examples, null),
    start: metricsOf(examples, start),
    fitted: metricsOf(examples, fitted),
  };
}

/** The metrics of a policy; without one those of the tool alone. */
function metricsOf(examples: readonly Example[], numbers: PolicyNumbers | null): RefinerReached {
  const policy = numbers && policyOf(numbers);
  const answers = examples.map(({ rows, pairs, overlaps, truths, tool }) => {
    if (policy === null) return { tool, overlap: tool };
    const choice = chooseBox(beliefOf(policy, rows, 'rethink'), pairs, numbers!.threshold);
    return { tool, overlap: choice === null ? Number(truths === 0) : overlaps[choice.at]! };
  });
  const isRight = ({ overlap }: { readonly overlap: number }) => isCorrect(overlap);
  const toolRight = answers.filter(({ tool }) => isCorrect(tool));
  const toolWrong = answers.filter(({ tool }) => !isCorrect(tool));
  const sum = answers.reduce((total, { overlap }) => total + overlap, 0);
  return {
    accuracy: share(answers.filter(isRight).length, answers.length),
    mean_iou: share(sum, answers.length),
    ccr: share(toolWrong.filter(isRight).length, toolWrong.length),
    lost: share(toolRight.filter((each) => !isRight(each)).length, toolRight.length),
  };
}

const share = (sum: number, count: number): number | null =>
  count === 0 ? null : Number((sum / count).toFixed(4));

/** What a card is made of, beside the file of the numbers. */
interface Training extends Pick<RefinerCard, 'name' | 'detectors' | 'encoder' | 'validation'> {
  /** The command line with which it can be done again. */
  readonly command: string;
  readonly settings: object;
  /** All that was fitted to, in order. */
  readonly examples: readonly Example[];
}

/** @param text of `refiner.json` */
export function cardOf(text: string, training: Training): RefinerCard {
  const { name, command, settings, detectors, encoder, examples, validation } = training;
  const count = (holds: (example: Example) => boolean) => examples.filter(holds).length;
  const data = createHash('sha256');
  for (const { rows, overlaps, truthOf, truths, tool, several } of examples) {
    data.update(rows.boxes).update(rows.query).update(rows.ofTool).update(overlaps).update(truthOf);
    data.update(JSON.stringify([rows.hidden, truths, tool, several]));
  }
  return {
    schema: 1,
    kind: 'refiner',
    name,
    title: `Lite refiner, fitted to ${examples.length} lines`,
    file: 'refiner.json',
    sha256: createHash('sha256').update(text).digest('hex'),
    bytes: Buffer.byteLength(text),
    licence: 'MIT',
    citation: 'after VG-Refiner, arXiv 2512.06373',
    source: { added: 'vgr train-lite' },
    training: {
      command,
      data_sha256: data.digest('hex'),
      photos: count(({ hasPhoto }) => hasPhoto),
      tools: count(({ hasPhoto }) => !hasPhoto),
      absent: count(({ truths }) => truths === 0),
      sets: count(({ truths }) => truths > 1),
      settings: JSON.parse(JSON.stringify(settings)),
    },
    detectors,
    encoder,
    validation,
  };
}

const percent = (value: number | null): string =>
  value === null ? '-' : `${(100 * value).toFixed(1)} %`;

/** 95 % interval of a share of `count`, as percent. @see Wilson 1927, JASA 22 */
function interval(rate: number, count: number): string {
  const z = 1.96;
  const centre = (rate + (z * z) / (2 * count)) / (1 + (z * z) / count);
  const half =
    (z / (1 + (z * z) / count)) *
    Math.sqrt((rate * (1 - rate)) / count + (z * z) / (4 * count * count));
  // Rounding takes the lower end of 0 just below it.
  return `${(100 * Math.max(0, centre - half)).toFixed(1)} to ${(100 * (centre + half)).toFixed(1)}`;
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
  const path = /[\\/]/.test(output) ? output : `./${output}`;
  const use = `vgr refine IMAGES --queries q.jsonl --refiner ${path}`;
  if (validation === null) return `try it on other lines: ${use}`;
  const reached = (key: 'tool' | 'start' | 'fitted') => validation[key].accuracy ?? 0;
  const lines = training.photos + training.tools;
  const help = `What helps: more lines (this fit had ${lines}; about 1,000 are a good start), lines on which the tool is wrong, a detector that finds the objects asked for.`;
  if (reached('fitted') < reached('tool')) {
    return `This refiner is worse than the tool alone on the held-out lines: do not use it. ${help}`;
  }
  if (reached('fitted') <= reached('start')) {
    const other = init === 'none' ? 'the weights before fitting' : `\`--refiner ${init}\``;
    return `This refiner is not better than ${other} on the held-out lines: use that. ${help}`;
  }
  return `use it: ${use}`;
}
