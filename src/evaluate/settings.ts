import { quoted, VgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import type { FlatMetrics } from './metrics.js';

/** The flags of `vgr eval` as the parser gives them. */
export interface EvalFlags {
  readonly queries?: string;
  readonly results?: string;
  readonly compare?: string;
  readonly tool?: string;
  readonly answer?: string;
  readonly refs?: string;
  readonly instances?: string;
  readonly dump?: string;
  readonly 'coco-gt'?: string;
  readonly 'coco-dt'?: string;
  readonly 'per-category': boolean;
  readonly 'group-by': string;
  readonly iou?: string;
  readonly seed: number;
  readonly resamples: number;
  readonly 'fail-under'?: string;
  readonly report?: string;
  readonly gallery: number;
  readonly csv?: string;
  readonly markdown?: string;
  readonly force: boolean;
  readonly json: boolean;
  readonly all: boolean;
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

/** By which a report is known again. */
export const REPORT_MARK = '<meta name="generator" content="vgr">';

/** What is to be evaluated. */
export type EvalSubject =
  | { readonly kind: 'results'; readonly results: string }
  | { readonly kind: 'tools'; readonly names: readonly [tool: string, answer: string] }
  | { readonly kind: 'dump'; readonly dump: string }
  | { readonly kind: 'coco'; readonly truth: string; readonly detections: string };

/** @throws VgrError USAGE where the flags name no subject, or more than one */
export function evalSubject(flags: EvalFlags): EvalSubject {
  const { results, dump, tool, answer, 'coco-gt': truth, 'coco-dt': detections } = flags;
  const subjects: EvalSubject[] = [];
  if (results !== undefined) subjects.push({ kind: 'results', results });
  if (dump !== undefined) subjects.push({ kind: 'dump', dump });
  if (tool !== undefined && answer !== undefined) {
    subjects.push({ kind: 'tools', names: [tool, answer] });
  }
  if (truth !== undefined && detections !== undefined) {
    subjects.push({ kind: 'coco', truth, detections });
  }
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

/**
 * The thresholds of `--fail-under accuracy=0.6,ccr=0.3` that a run is below. A metric that is not defined, null, misses every
 * threshold.
 * @throws VgrError USAGE for text that cannot be read, or a metric that the run does not have
 */
export function missedThresholds(text: string, metrics: FlatMetrics) {
  return text.split(',').flatMap((part) => {
    const match = /^\s*([\w@.]+)\s*=\s*(-?\d+(?:\.\d+)?)\s*$/.exec(part);
    if (!match) {
      throw new VgrError('USAGE', `--fail-under: expected METRIC=NUMBER, got ${quoted(part)}`, {
        hint: 'several are given as `--fail-under accuracy=0.6,ccr=0.3`',
      });
    }
    const [metric, min] = [match[1]!, Number(match[2])];
    if (!Object.hasOwn(metrics, metric)) {
      throw new VgrError('USAGE', `--fail-under: there is no metric ${quoted(metric)}`, {
        hint: `metrics of this run: ${Object.keys(metrics).join(', ')}`,
      });
    }
    const got = metrics[metric]!;
    return got === null || got < min ? [{ metric, min, got }] : [];
  });
}
