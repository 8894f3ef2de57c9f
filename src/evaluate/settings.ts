import { quoted, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';

/** The flags of `vgr eval` as the parser gives them. */
export interface EvalFlags {
  readonly queries?: string | undefined;
  readonly results?: string | undefined;
  readonly compare?: string | undefined;
  readonly tool?: string | undefined;
  readonly answer?: string | undefined;
  readonly refs?: string | undefined;
  readonly instances?: string | undefined;
  readonly dump?: string | undefined;
  readonly 'coco-gt'?: string | undefined;
  readonly 'coco-dt'?: string | undefined;
  readonly 'per-category': boolean;
  readonly 'group-by': string;
  readonly iou?: string | undefined;
  readonly seed: number;
  readonly resamples: number;
  readonly 'fail-under'?: string | undefined;
  readonly report?: string | undefined;
  readonly gallery: number;
  readonly csv?: string | undefined;
  readonly markdown?: string | undefined;
  readonly json: boolean;
}

export interface EvalCommand {
  readonly flags: EvalFlags;
  /** Folders of the photos, for the gallery of the report. */
  readonly images: readonly string[];
  readonly printer: Printer;
}

/** `0.25,0.5,0.75`. @throws VgrError USAGE */
export function iouThresholds(text: string | undefined): number[] {
  if (text === undefined) return [];
  return text.split(',').map((part) => {
    const value = Number(part);
    if (part.trim() !== '' && value >= 0 && value < 1) return value;
    throw new VgrError('USAGE', `--iou: expected numbers from 0 to below 1, got ${quoted(part)}`, {
      hint: '`--iou 0.25,0.5,0.75`',
    });
  });
}

export function gatesOf(flags: EvalFlags): readonly Gate[] {
  return flags['fail-under'] === undefined ? [] : parseGates(flags['fail-under']);
}

/** What is to be evaluated. */
export type EvalSubject =
  | { readonly kind: 'results'; readonly results: string }
  | { readonly kind: 'tools'; readonly names: readonly [tool: string, answer: string] }
  | { readonly kind: 'dump'; readonly dump: string }
  | { readonly kind: 'coco'; readonly truth: string; readonly detections: string };

/** @throws VgrError USAGE where the flags name no subject, or more than one */
export function evalSubject(flags: EvalFlags): EvalSubject {
  const { results, dump, tool, answer, 'coco-gt': truth, 'coco-dt': detections } = flags;
  const subjects: EvalSubject[] = [
    ...(results === undefined ? [] : [{ kind: 'results', results } as const]),
    ...(dump === undefined ? [] : [{ kind: 'dump', dump } as const]),
    ...(tool === undefined || answer === undefined
      ? []
      : [{ kind: 'tools', names: [tool, answer] } as const]),
    ...(truth === undefined || detections === undefined
      ? []
      : [{ kind: 'coco', truth, detections } as const]),
  ];
  const [subject] = subjects;
  if (subjects.length === 1 && subject) {
    const needsQueries = subject.kind === 'results' || subject.kind === 'tools';
    if (!needsQueries || flags.queries !== undefined || flags.refs !== undefined) return subject;
  }
  throw new VgrError(
    'USAGE',
    subjects.length > 1
      ? 'expected one thing to evaluate, got several'
      : 'expected something to evaluate, got none',
    {
      hint: '`--queries q.jsonl --results results.jsonl`, `--queries q.jsonl --tool NAME --answer NAME`, `--dump output.json`, or `--coco-gt gt.json --coco-dt dt.json`',
    },
  );
}

/** A lower bound on one metric: `--fail-under accuracy=0.6`. */
export interface Gate {
  readonly metric: string;
  readonly least: number;
}

/** A gate that a run misses. */
export interface MissedGate extends Gate {
  /** Null where the metric is not defined, which misses every gate. */
  readonly got: number | null;
}

/**
 * Reads `accuracy=0.6,ccr=0.3`.
 * @throws VgrError USAGE for anything else
 */
export function parseGates(text: string): Gate[] {
  return text.split(',').map((part) => {
    const match = /^\s*([\w@.]+)\s*=\s*(-?\d+(?:\.\d+)?)\s*$/.exec(part);
    if (match) return { metric: match[1]!, least: Number(match[2]) };
    throw new VgrError('USAGE', `gate: expected METRIC=NUMBER, got ${quoted(part)}`, {
      hint: 'several are given as `--fail-under accuracy=0.6,ccr=0.3`',
    });
  });
}

/**
 * The gates whose metric is below its bound or not defined.
 * @throws VgrError USAGE for a metric that the run does not have
 */
export function missedGates(
  gates: readonly Gate[],
  metrics: Readonly<Record<string, number | null | undefined>>,
): MissedGate[] {
  return gates.flatMap((gate) => {
    const got = Object.hasOwn(metrics, gate.metric) ? metrics[gate.metric] : undefined;
    if (got === undefined) {
      throw new VgrError('USAGE', `gate: there is no metric ${quoted(gate.metric)}`, {
        hint: `metrics of this run: ${Object.keys(metrics).join(', ')}`,
      });
    }
    return got === null || got < gate.least ? [{ ...gate, got }] : [];
  });
}
