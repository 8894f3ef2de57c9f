import { type BoxXyxy, clipXyxy, type ImageSize, isSameXyxy } from '../core/box.js';
import {
  type BoxLayout,
  type ListForm,
  pairedCorners,
  type Shape,
  shapeInWords,
  shapesOf,
  type Unit,
} from './box-shapes.js';
import type { ChatReply } from './conversation.js';
import { type LooseValue, looseValues } from './loose-values.js';
import { answerOfReply } from './reply-parts.js';

/** Corrections of an answer. */
type ReplyNote = 'swapped' | 'clamped' | 'unit';

/** What an answer says, in the model's coordinates. */
export type ReplyAnswer =
  | {
      readonly kind: 'boxes';
      /** Best first, at least one, no two alike; inside the picture, with an area. */
      readonly boxesXyxy: readonly BoxXyxy[];
      readonly notes: readonly ReplyNote[];
    }
  | { readonly kind: 'point'; readonly x: number; readonly y: number }
  | { readonly kind: 'none' }
  /** `reason` is a clause for the repair turn: "it holds three numbers". */
  | { readonly kind: 'unreadable'; readonly reason: string };

export interface AnswerForm {
  /** Width and height of the picture in the model's coordinates. */
  readonly extent: ImageSize;
  /** How the model writes the numbers of a list, where no name says otherwise; by default the corners x1, y1, x2, y2. */
  readonly layout?: BoxLayout;
  /** Whether the reply did not end by itself, so that its last number may lack digits. */
  readonly isCut?: boolean;
}

const BETWEEN_NUMBERS =
  /^(?:[^\p{L}]|px|pixels?|to|and|[xy]|[xy]_?(?:min|max)|left|top|right|bottom)*$/iu;
const NOTHING_SAID =
  /^\W*(none|null|nothing|n\/a|no (?:such |matching |fitting )?(?:box|object|match|one|thing))\b/i;
/** `<point>60 70</point>`, as UI-TARS writes it: in the model's coordinates. */
const POINT_MARK = /<\s*\|?\s*point\s*\|?\s*>/i;
/** `<point x="61.5" y="40.2" alt="..">`, as Molmo writes it: in percent of the sides. */
const POINT_ATTRIBUTES = /<\s*points?\s+(?:x\d*|y\d*|coords)\s*=/i;
const ONE_POINT = /^<\s*point\s+x\s*=\s*["']?([\d.]+)["']?\s+y\s*=\s*["']?([\d.]+)/i;
const FENCE = /```[a-z]*\s*([\s\S]*?)(?:```|$)/gi;
const CUT_NUMBER = /[-+]?[\d.][\d.eE+%-]*$/;
/** Words right before a box that is not the answer. */
const REJECTION =
  /\b(?:not|never|isn't|instead of|rather than|unlike|wrong|incorrect|reject\w*|ignor\w*|discard\w*|draft|than|versus|vs|compared (?:to|with)|initial(?:ly)?|at first|previous(?:ly)?)\b/i;
const DECISION = /\b(?:final(?:ly)?|answer|conclusion|therefore|thus|hence)\b/i;
const CLAUSE_END = /[.,;!?\n]|\b(?:so|but)\b/i;
const SENTENCE_END = /[.!?\n]\s/;
const SIDE: Readonly<Record<Exclude<Unit, 'own'>, number>> = {
  share: 1,
  percent: 100,
  thousandth: 1000,
};

/**
 * Reads a reply: what it says behind its thoughts, in its answer part if it has one.
 * @param isTagged whether the model was told to write an answer part: of a reply that was cut off nothing else counts, and words
 *   before it may be a thought whose end is missing
 */
export function readReply(
  { text, finish }: ChatReply,
  form: Omit<AnswerForm, 'isCut'>,
  isTagged: boolean,
): ReplyAnswer {
  const isCut = finish === 'length';
  const { answer, isFirst } = answerOfReply(text, isCut);
  if (isCut && isTagged && !isFirst) return unreadable('it was cut off');
  return readAnswer(answer, { ...form, isCut });
}

/**
 * Reads the text of an answer: a list or an object in loose JSON, or words that name the sides. Corners may come in any order,
 * as sizes, as a centre, or in other units where a name says so; boxes are cut at the border. Of separate values the last
 * counts, or the one that is said to be final; of a list the first. What is not clear is unreadable, with the reason.
 */
export function readAnswer(text: string, form: AnswerForm): ReplyAnswer {
  const read = readText(text, form);
  // Models that are shown boxes as a string in a string write theirs with the same backslashes.
  if (read.kind !== 'unreadable' || !text.includes('\\"')) return read;
  return readText(text.replaceAll('\\"', '"'), form);
}

function readText(
  whole: string,
  { extent, layout = 'xyxy', isCut = false }: AnswerForm,
): ReplyAnswer {
  const text = isCut ? whole.replace(CUT_NUMBER, '') : whole;
  if (POINT_ATTRIBUTES.test(text)) return readPoint(text, extent);
  const form: ListForm = { layout, unit: 'own' };
  const named = shapeInWords(text.replace(FENCE, '$1'), form);
  if (
    named &&
    !isCut &&
    looseValues(text).every(({ value }) => shapesOf(value, form).every(isNoBox))
  ) {
    return placed([named], extent);
  }
  const groups = groupsOf(text, form);
  const last = groups.at(-1);
  if (isCut && last && /\p{L}/u.test(text.slice(last.end))) return unreadable('it was cut off');
  const chosen = chosenOf(groups);
  if (chosen) return answerOf(chosen, extent, isCut);
  if (groups.length > 0) {
    const reason =
      last!.shapes.length > 0 ? 'it does not say which box is final' : numbersReason(last!.numbers);
    return unreadable(reason);
  }
  return NOTHING_SAID.test(text) ? { kind: 'none' } : readWords(text, form, extent);
}

const isNoBox = ({ numbers }: Shape): boolean => numbers.length !== 4;

/** Values that form one list, with what is said before them. */
interface Group {
  readonly shapes: readonly Shape[];
  /** How many numbers the values hold. */
  readonly numbers: number;
  readonly end: number;
  readonly isFenced: boolean;
  readonly isRejected: boolean;
  readonly isDecision: boolean;
}

/**
 * The values that are, or should be, places, in order. Values with nothing but a comma or a mark between them are one list, and
 * two points with words between them are corners if there is nothing else.
 */
function groupsOf(text: string, form: ListForm): Group[] {
  const fences = [...text.matchAll(FENCE)].map(({ index, 0: { length } }) => [
    index,
    index + length,
  ]);
  const groups: Group[] = [];
  let before = 0;
  for (const { value, start, end } of looseValues(text)) {
    const shapes = shapesOf(value, form);
    const numbers = countOf(value);
    const gap = text.slice(before, start);
    before = end;
    if (shapes.length === 0 && numbers < 3 && !isNamedPlace(value)) continue;
    const previous = groups.at(-1);
    if (previous && previous.end + gap.length === start && /^(?:\s*,\s*|<[^<>]*>|)$/.test(gap)) {
      groups.pop();
      const joined = [...previous.shapes, ...shapes];
      groups.push({ ...previous, shapes: joined, numbers: previous.numbers + numbers, end });
      continue;
    }
    groups.push({
      shapes,
      numbers,
      end,
      isFenced: fences.some(([from, to]) => start >= from! && end <= to!),
      isRejected: REJECTION.test(gap.split(CLAUSE_END).at(-1)!),
      isDecision: DECISION.test(gap.split(SENTENCE_END).at(-1)!),
    });
  }
  const points = groups.flatMap(({ shapes }) => shapes);
  const corners = pairedCorners(points);
  const isPair = groups.length === 2 && points.length === 2 && corners.length === 1;
  if (isPair) return [{ ...groups[1]!, shapes: corners, isRejected: false }];
  return groups.map((group) => ({ ...group, shapes: pairedCorners(group.shapes) }));
}

/** The group that is said to be final; else the last in a fence; else the last that its own words do not reject. */
function chosenOf(groups: readonly Group[]): Group | undefined {
  const kept = groups.filter(({ isRejected }) => !isRejected);
  const chosen =
    kept.findLast(({ isDecision, shapes }) => isDecision && shapes.length > 0) ??
    kept.findLast(({ isFenced, shapes }) => isFenced && shapes.length > 0) ??
    kept.at(-1);
  return chosen && chosen.shapes.length > 0 ? chosen : undefined;
}

function answerOf({ shapes }: Group, extent: ImageSize, isCut: boolean): ReplyAnswer {
  const boxes = shapes.filter((shape) => !isNoBox(shape));
  if (boxes.length > 0) return placed(boxes, extent);
  const points = shapes.filter(({ numbers }) => numbers.length === 2);
  if (points.length === 0) return { kind: 'none' };
  // Two numbers of a reply that was cut are the beginning of a box.
  if (isCut) return unreadable('it was cut off');
  if (points.length > 1) return unreadable(`it holds ${points.length} points`);
  const [sx, sy] = scaleOf(points[0]!.unit, extent);
  const [x, y] = points[0]!.numbers as [number, number];
  return { kind: 'point', x: x * sx, y: y * sy };
}

/** How many numbers a value holds, at any depth. */
function countOf(value: LooseValue): number {
  if (typeof value === 'number') return 1;
  if (typeof value === 'string')
    return looseValues(value).reduce((sum, { value: each }) => sum + countOf(each), 0);
  if (value === null || typeof value !== 'object') return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + countOf(each), 0);
}

/** Whether a value without a place says that it has one: a box that is cut off, or broken. */
function isNamedPlace(value: LooseValue): boolean {
  const keys =
    value !== null && typeof value === 'object' && !Array.isArray(value) ? Object.keys(value) : [];
  return keys.some((key) => /box|final|answer/i.test(key));
}

/** Molmo's marks. One that holds several points is no answer. */
function readPoint(text: string, extent: ImageSize): ReplyAnswer {
  const marks = [...text.matchAll(/<\s*points?\s[^<>]*/gi)].map(([mark]) => mark);
  const [, x, y] = ONE_POINT.exec(marks[0]!) ?? [];
  if (marks.length > 1 || x === undefined) return unreadable('it holds points in place of a box');
  if (Number(x) > 100 || Number(y) > 100) return unreadable('its point lies outside of the image');
  return {
    kind: 'point',
    x: (Number(x) / 100) * extent.width,
    y: (Number(y) / 100) * extent.height,
  };
}

/** Answers without brackets and names: four numbers in a row. */
function readWords(text: string, form: ListForm, extent: ImageSize): ReplyAnswer {
  const words = numbersInARow(text);
  const [shape] = shapesOf(words, form);
  if (words.length === 4 && shape) return placed([shape], extent);
  if (words.length === 2 && shape && POINT_MARK.test(text)) {
    const [sx, sy] = scaleOf(shape.unit, extent);
    return { kind: 'point', x: shape.numbers[0]! * sx, y: shape.numbers[1]! * sy };
  }
  return unreadable(numbersReason(words.length));
}

/** The numbers of a text, but for those in names such as `bbox_2d`; none where words other than those of coordinates part them. */
function numbersInARow(text: string): string[] {
  const found = [...text.matchAll(/(?<![\w.])-?\d+(?:\.\d+)?\s*%?/g)];
  const apart = found.some(({ index }, at) => {
    const before = found[at - 1];
    return before && !BETWEEN_NUMBERS.test(text.slice(before.index + before[0].length, index));
  });
  return apart ? [] : found.map(([number]) => number);
}

const unreadable = (reason: string): ReplyAnswer => ({ kind: 'unreadable', reason });

function numbersReason(count: number): string {
  return count === 0 ? 'it holds no box' : `it holds ${count} numbers`;
}

function scaleOf(unit: Unit, { width, height }: ImageSize): readonly [number, number] {
  return unit === 'own' ? [1, 1] : [width / SIDE[unit], height / SIDE[unit]];
}

/** Corners put in order and cut at the border; of equal boxes one. */
function placed(raw: readonly Shape[], extent: ImageSize): ReplyAnswer {
  const notes = new Set<ReplyNote>();
  const boxesXyxy: BoxXyxy[] = [];
  for (const { numbers, unit } of raw) {
    // Nobody means a box of one pixel: 0 and 1 may be shares, too.
    const isAmbiguous = unit === 'own' && numbers.every((value) => value === 0 || value === 1);
    const isBeyond = unit !== 'own' && numbers.some((value) => Math.abs(value) > SIDE[unit] * 1.05);
    if (isAmbiguous || isBeyond) continue;
    const box = placedBox(numbers, unit, extent, notes);
    const isKnown = boxesXyxy.some((known) => isSameXyxy(known, box));
    if (box.x2 > box.x1 && box.y2 > box.y1 && !isKnown) boxesXyxy.push(box);
  }
  if (boxesXyxy.length > 0) return { kind: 'boxes', boxesXyxy, notes: [...notes] };
  const [{ numbers }] = raw as [Shape];
  return unreadable(`[${numbers.join(', ')}] has no area inside the image`);
}

function placedBox(
  numbers: readonly number[],
  unit: Unit,
  extent: ImageSize,
  notes: Set<ReplyNote>,
): BoxXyxy {
  const [sx, sy] = scaleOf(unit, extent);
  const [ax, ay, bx, by] = [numbers[0]! * sx, numbers[1]! * sy, numbers[2]! * sx, numbers[3]! * sy];
  if (unit !== 'own') notes.add('unit');
  if (ax > bx || ay > by) notes.add('swapped');
  const ordered = {
    x1: Math.min(ax, bx),
    y1: Math.min(ay, by),
    x2: Math.max(ax, bx),
    y2: Math.max(ay, by),
  };
  const box = clipXyxy(ordered, extent);
  if (!isSameXyxy(box, ordered)) notes.add('clamped');
  return box;
}
