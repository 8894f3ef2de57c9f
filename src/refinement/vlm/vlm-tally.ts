import type { ReplyNote } from './reply-boxes.js';

/** What had to be put right, by kind, and how often. */
export interface VlmTally {
  /** Conversations that came to an answer. */
  answered: number;
  /** Repair turns. */
  repairs: number;
  /** Answers that stayed unreadable after it: the tool's box stands. */
  fallbacks: number;
  /** Replies that did not call for the tools' boxes; the call was made for them. */
  uncalled: number;
  /** Replies without all of think, rethink and answer. */
  unformatted: number;
  /** Corners in the wrong order. */
  swapped: number;
  /** Boxes that reached over the border. */
  clamped: number;
  /** Coordinates told as shares of the side. */
  unit: number;
  /** A point in place of a box; the candidate around it was taken. */
  point: number;
}

export function emptyTally(): VlmTally {
  return {
    answered: 0,
    repairs: 0,
    fallbacks: 0,
    uncalled: 0,
    unformatted: 0,
    swapped: 0,
    clamped: 0,
    unit: 0,
    point: 0,
  };
}

export function countNotes(tally: VlmTally, notes: readonly ReplyNote[]): void {
  for (const note of notes) tally[note] += 1;
}
