import type { BoxXyxy } from '../core/box.js';
import { type ErrorCode, quoted, VgrError } from '../core/error.js';
import { exactJson } from '../core/exact-json.js';
import { parsedJson, sha256Of } from '../core/text.js';
import type { Query } from './query-line.js';
import { canonicalSettings, type RunSettings } from './run-summary.js';

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

/** What people read for the decision of an answer. */
export const DECISION_WORDS: Readonly<Record<ResultLine['answer']['decision'], string>> = {
  confirm: 'kept',
  correct: 'moved to another object',
  adjust: 'box adjusted',
  fallback: 'kept, not judged',
  none: 'nothing fits',
};

/** Answers with a lower score are more likely wrong than right. */
export const UNSURE_BELOW = 0.5;
/** Detections with a lower score are mostly wrong: people see them apart from the others. */
export const FAINT_BELOW = 0.3;

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
  const text = exactJson(line);
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

/**
 * What a line was made of, so that a rerun knows what has changed since. Hashes have eight hexadecimal digits. It depends on contents
 * alone, not on where they lie: runs over copies write the same.
 */
export interface MadeOf {
  /** Of the settings that decide answers. */
  readonly settings: string;
  /** Of the line itself, without this: a damaged file may hold the start of one line before the end of another. */
  readonly line: string;
  /** Of the words, the photo's name, the tools' boxes and the size of the line; `none` of a line that holds no query. */
  readonly query?: string;
  /** Size of the photo's file, and the start of its sha256; absent where no photo was read. */
  readonly bytes?: number;
  readonly sha256?: string;
}

const DIGITS = 8;
export const NO_QUERY = 'none';

/** The start of the sha256 of a text or file. */
export function digest(content: string | Uint8Array): string {
  return sha256Of(content).slice(0, DIGITS);
}

/** Settings that say where the input lies, which part of it is done, and how lines are written, not what they say. */
const OF_THE_RUN: ReadonlySet<string> = new Set([
  'shard',
  'queries',
  'images',
  'unordered',
  'timing',
]);

/** The same for all runs that answer alike. */
export function settingsDigest(settings: RunSettings): string {
  const deciding = Object.entries(settings).filter(([name]) => !OF_THE_RUN.has(name));
  return digest(canonicalSettings(Object.fromEntries(deciding)));
}

/** Of what a line is made. */
export interface LineSource {
  /** By {@link settingsDigest}. */
  readonly settings: string;
  /** Absent in detections; null where the line of the input holds none. */
  readonly query?: Query | null;
  readonly photo?: { readonly bytes: number; readonly sha256: string };
}

/** @param json by {@link lineJson} */
function madeOf(json: string, { settings, query, photo }: LineSource): MadeOf {
  return {
    settings,
    line: digest(json),
    query: query ? queryDigest(query) : query === null ? NO_QUERY : undefined,
    bytes: photo?.bytes,
    sha256: photo?.sha256.slice(0, DIGITS),
  };
}

export function queryDigest({ query, imagePath, tools, imageSize }: Query): string {
  return digest(JSON.stringify([query, imagePath ?? null, tools, imageSize ?? null]));
}

/** A digest as a number, never 0, and back. */
export function digestWord(hash: string): number {
  return Number.parseInt(hash, 16) || 1;
}

export function digestOfWord(word: number): string {
  return word.toString(16).padStart(DIGITS, '0');
}

/** The line with what it was made of as last field. @param json by {@link lineJson} */
export function madeText(json: string, source: LineSource): string {
  return `${json.slice(0, -1)}${MADE}${JSON.stringify(madeOf(json, source))}}`;
}

/** Whether a line is as {@link madeText} has made it. */
export function isAsMade(text: string, { line }: MadeOf): boolean {
  const at = text.lastIndexOf(MADE);
  return line === digest(`${text.slice(0, at)}}`);
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
  const value = parsedJson(text);
  const { type, schema } = (value ?? {}) as { type?: unknown; schema?: unknown };
  if (TYPES.has(type) && schema === RESULT_SCHEMA) return value as OutputLine;
  throw new VgrError(
    'INPUT_INVALID',
    `${where}: expected a line of a run (\`type\`, \`schema\`: ${RESULT_SCHEMA}), got ${quoted(text, 80)}`,
    { hint: 'the file was changed after the run, or is of another version' },
  );
}
