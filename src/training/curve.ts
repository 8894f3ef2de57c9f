import type { EpochReport } from './trainer.js';

/** One epoch as curve.jsonl holds it. Nothing in it depends on the clock. */
export interface CurvePoint {
  readonly type: 'epoch';
  readonly schema: 1;
  /** Which network, from 1; the one that the members teach comes last. */
  readonly member: number;
  readonly phase: EpochReport['phase'];
  readonly epoch: number;
  readonly step: number;
  readonly learning_rate: number;
  readonly loss: Readonly<Record<string, number>>;
  /** Only in GRPO; shares of all samples. */
  readonly reward?: number;
  readonly corrections?: number;
  readonly confirmations?: number;
  readonly teaching_groups?: number;
  readonly accuracy?: number;
  readonly tool_accuracy?: number;
  readonly think_accuracy?: number;
  readonly mean_iou?: number;
  readonly ccr?: number | null;
  readonly lost?: number | null;
  readonly nsri?: number;
  readonly improved: boolean;
}

const rounded = (value: number): number => Number(value.toFixed(6));

/** @param nsri of the validation, [-1, 1]; absent without one */
export function curvePoint(member: number, report: EpochReport, nsri?: number): CurvePoint {
  const { sampling, validation } = report;
  return {
    type: 'epoch',
    schema: 1,
    member,
    phase: report.phase,
    epoch: report.epoch,
    step: report.step,
    learning_rate: report.learningRate,
    loss: Object.fromEntries(
      Object.entries(report.losses).map(([part, value]) => [part, rounded(value)]),
    ),
    ...(sampling && {
      reward: rounded(sampling.meanReward),
      corrections: rounded(sampling.corrections),
      confirmations: rounded(sampling.confirmations),
      teaching_groups: rounded(sampling.teachingGroups),
    }),
    ...(validation && {
      accuracy: rounded(validation.accuracy),
      tool_accuracy: rounded(validation.toolAccuracy),
      think_accuracy: rounded(validation.thinkAccuracy),
      mean_iou: rounded(validation.meanOverlap),
      ccr: validation.corrected === null ? null : rounded(validation.corrected),
      lost: validation.lost === null ? null : rounded(validation.lost),
    }),
    ...(nsri !== undefined && { nsri: rounded(nsri) }),
    improved: report.improved,
  };
}

const WIDTH = 760;
const HEIGHT = 360;
const MARGIN = { left: 52, right: 150, top: 24, bottom: 40 };

/** Lines of the chart; colours tell apart without red and green beside each other. */
const SERIES = [
  { key: 'accuracy', title: 'accuracy', colour: '#0072b2' },
  { key: 'tool_accuracy', title: 'tool accuracy', colour: '#888888' },
  { key: 'think_accuracy', title: 'think accuracy', colour: '#56b4e9' },
  { key: 'ccr', title: 'CCR', colour: '#e69f00' },
  { key: 'lost', title: 'lost', colour: '#d55e00' },
  { key: 'reward', title: 'mean reward', colour: '#cc79a7' },
] as const;

/** The curve as an SVG document: epochs of all members one after another along x, 0 to 1 along y. */
export function curveSvg(points: readonly CurvePoint[]): string {
  const innerWidth = WIDTH - MARGIN.left - MARGIN.right;
  const innerHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  const x = (at: number) => MARGIN.left + (innerWidth * (at + 0.5)) / Math.max(1, points.length);
  const y = (value: number) => MARGIN.top + innerHeight * (1 - Math.min(Math.max(value, 0), 1));
  const grid = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    (value) =>
      `<line x1="${MARGIN.left}" x2="${MARGIN.left + innerWidth}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>` +
      `<text x="${MARGIN.left - 8}" y="${y(value) + 4}" text-anchor="end">${value.toFixed(1)}</text>`,
  );
  const starts = points.flatMap((point, at) => {
    const before = points[at - 1];
    if (before?.phase === point.phase && before.member === point.member) return [];
    const left = x(at - 0.5).toFixed(1);
    return [
      `<line x1="${left}" x2="${left}" y1="${MARGIN.top}" y2="${MARGIN.top + innerHeight}" stroke="#bbb" stroke-dasharray="3 3"/>`,
      `<text x="${Number(left) + 3}" y="${MARGIN.top - 8}">${point.phase} ${point.member}</text>`,
    ];
  });
  const lines = SERIES.flatMap(({ key, title, colour }, place) => {
    const known = points.flatMap((point, at) => {
      const value = point[key];
      return typeof value === 'number' ? [`${x(at).toFixed(1)},${y(value).toFixed(1)}`] : [];
    });
    if (known.length === 0) return [];
    const label = MARGIN.top + 14 + place * 18;
    return [
      `<polyline points="${known.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      `<text x="${WIDTH - MARGIN.right + 12}" y="${label}" fill="${colour}">${title}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<title>Training: validation by epoch</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...grid,
    ...starts,
    ...lines,
    `<text x="${MARGIN.left + innerWidth / 2}" y="${HEIGHT - 10}" text-anchor="middle">epochs (${points.length})</text>`,
    '</svg>',
    '',
  ].join('\n');
}
