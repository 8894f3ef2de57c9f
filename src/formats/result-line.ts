import type { BoxXyxy } from '../core/box.js';
import { type ErrorCode, quoted, VgrError } from '../core/error.js';

/** Version of the lines below. New fields may come within a version; a field never changes its meaning. */
export const RESULT_SCHEMA = 1;

/** `[x1, y1, x2, y2]`, absolute pixels of the upright photo: the layout of `bbox_2d` on the wire. */
export type Bbox2d = readonly [number, number, number, number];

export interface TimingMs {
  /** Reading and decoding the photo; 0 on the later queries of the same photo. */
  readonly decode: number;
  /** The detector's own time; 0 on the later queries of the same photo. */
  readonly detect: number;
  /** The refiner; queries that a thread answers together share the time equally. */
  readonly refine: number;
}

/** One box of an answer that lists several. */
export interface AnswerBox {
  readonly bbox_2d: Bbox2d;
  /** 0..1 */
  readonly score: number;
  /** Label of the candidate that the box is; absent where it has none. */
  readonly label?: string;
  /** Tools whose box it is, several where it is the mean of theirs; only where a run has several detectors. */
  readonly from?: readonly string[];
}

/** The answer to one query. */
export interface ResultLine {
  readonly type: 'result';
  readonly schema: typeof RESULT_SCHEMA;
  readonly id: string;
  readonly image?: string;
  readonly width: number;
  readonly height: number;
  readonly query: string;
  /** The tool's answer; its box is null where it found nothing. */
  readonly tool: {
    readonly name: string;
    readonly bbox_2d: Bbox2d | null;
    readonly score?: number;
    readonly label?: string;
  };
  readonly think: {
    readonly bbox_2d: Bbox2d | null;
    readonly score: number;
    readonly text: string;
  };
  readonly answer: {
    readonly bbox_2d: Bbox2d | null;
    readonly score: number;
    readonly decision: 'confirm' | 'correct' | 'adjust' | 'fallback' | 'none';
    readonly text: string;
    /** Format term of the reward, of refiners that write: 1 where the reply had think, rethink and answer. */
    readonly format?: 0 | 1;
    /** Every box of an answer to an expression that asks for several objects, best first; `bbox_2d` is the first. */
    readonly boxes?: readonly AnswerBox[];
    /** Of a cascade: how sure the small refiner was, 0..1, and whether the large one was asked. */
    readonly cascade?: { readonly confidence: number; readonly asked: boolean };
    /** Label of the candidate that the answer is; absent where the answer's box has none. */
    readonly label?: string;
    /** See {@link AnswerBox}. */
    readonly from?: readonly string[];
  };
  readonly candidates: number;
  readonly timing_ms?: TimingMs;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Every box that an answer gives, best first: none, the one, or those of a list. */
export function answerBoxes({
  bbox_2d,
  boxes,
  score,
  label,
}: ResultLine['answer']): readonly AnswerBox[] {
  if (boxes) return boxes;
  return bbox_2d ? [{ bbox_2d, score, label }] : [];
}

/** What a detector finds in one photo. */
export interface DetectionsLine {
  readonly type: 'detections';
  readonly schema: typeof RESULT_SCHEMA;
  readonly image: string;
  readonly width: number;
  readonly height: number;
  readonly detections: readonly {
    readonly bbox_2d: Bbox2d;
    readonly score: number;
    readonly label: string;
    readonly category_id: number;
  }[];
  readonly timing_ms?: Omit<TimingMs, 'refine'>;
}

/** An item that could not be done. */
export interface ErrorLine {
  readonly type: 'error';
  readonly schema: typeof RESULT_SCHEMA;
  readonly id?: string;
  readonly image?: string;
  /** Line number in the queries file, from 1. */
  readonly line?: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

export type OutputLine = ResultLine | DetectionsLine | ErrorLine;

/** Two decimals of a pixel: finer than any detector is right, and short. Never `-0`. */
export function bbox2d(box: BoxXyxy): Bbox2d {
  return [pixels(box.x1), pixels(box.y1), pixels(box.x2), pixels(box.y2)];
}

function pixels(value: number): number {
  return Math.round(value * 100) / 100 + 0;
}

/** Four decimals, for scores in 0..1. */
export function roundedScore(score: number): number {
  return Math.round(score * 1e4) / 1e4;
}

/** Hundredths of a millisecond. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** The error record of an item. */
export function errorLine(
  { id, image, line }: Pick<ErrorLine, 'id' | 'image' | 'line'>,
  { code, message, hint }: VgrError,
): ErrorLine {
  return { type: 'error', schema: RESULT_SCHEMA, id, image, line, code, message, hint };
}

/**
 * The record as JSON that is safe on a terminal: control and format characters of names and queries are escaped, those too that
 * JSON lets stand. Keys stand in the order in which the record was built, so equal records are equal bytes.
 */
export function lineJson(line: OutputLine): string {
  const text = JSON.stringify(line);
  return PLAIN.test(text) ? text : text.replace(INVISIBLE, escaped);
}

const PLAIN = /^[\x20-\x7e]*$/;
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  let text = '';
  for (let at = 0; at < character.length; at++) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }
  return text;
}

/** The line with one more field, which only journals have. @param json by {@link lineJson} */
export function madeText(json: string, made: object): string {
  return `${json.slice(0, -1)}${MADE}${JSON.stringify(made)}}`;
}

/** The line as it was before {@link madeText} and {@link placedText}. */
export function unmadeText(text: string): string {
  const at = text.lastIndexOf(MADE);
  return at < 0 ? text : `${text.slice(0, at)}}`;
}

const MADE = ',"made_of":';

/**
 * The line with the place of its item in the whole input as last field; the form of a shard's results.jsonl.
 * @param json by {@link lineJson}
 */
export function placedText(json: string, place: number): string {
  return `${json.slice(0, -1)},"place":${place}}\n`;
}

/** A line without its place, and the place. */
export interface PlacedLine {
  readonly place: number;
  readonly text: string;
}

/** Takes {@link placedText} apart; undefined where the text has no place. */
export function unplacedText(text: string): PlacedLine | undefined {
  const match = /,"place":(\d+)\}\s*$/.exec(text);
  return match ? { place: Number(match[1]), text: `${text.slice(0, match.index)}}\n` } : undefined;
}

const TYPES: ReadonlySet<unknown> = new Set<OutputLine['type']>(['result', 'detections', 'error']);

/**
 * Reads back a line that a run wrote.
 * @param where file and line number, for the message
 * @throws VgrError INPUT_INVALID where it is none
 */
export function parseOutputLine(text: string, where: string): OutputLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { type, schema } = (value ?? {}) as { type?: unknown; schema?: unknown };
  if (TYPES.has(type) && schema === RESULT_SCHEMA) return value as OutputLine;
  throw new VgrError(
    'INPUT_INVALID',
    `${where}: expected a line of a run (\`type\`, \`schema\`: ${RESULT_SCHEMA}), got ${quoted(text, 80)}`,
    { hint: 'the file was changed after the run, or is of another version' },
  );
}
