import type { Selector, SelectorAxis } from './expression.js';

/** Axis, end, and the rank that the word alone gives: "left" none, "leftmost" the first. */
type Direction = readonly [SelectorAxis, Selector['end'], number | null];

/** What each word of order says. */
export const DIRECTIONS: Readonly<Record<string, Direction>> = {
  left: ['x', 'min', null],
  leftmost: ['x', 'min', 1],
  leftest: ['x', 'min', 1],
  right: ['x', 'max', null],
  rightmost: ['x', 'max', 1],
  rightest: ['x', 'max', 1],
  top: ['y', 'min', null],
  upper: ['y', 'min', null],
  higher: ['y', 'min', null],
  topmost: ['y', 'min', 1],
  uppermost: ['y', 'min', 1],
  highest: ['y', 'min', 1],
  bottom: ['y', 'max', null],
  lower: ['y', 'max', null],
  bottommost: ['y', 'max', 1],
  lowermost: ['y', 'max', 1],
  lowest: ['y', 'max', 1],
  middle: ['x', 'middle', null],
  center: ['x', 'middle', null],
  central: ['x', 'middle', null],
  mid: ['x', 'middle', null],
  centermost: ['x', 'middle', null],
  front: ['depth', 'min', null],
  foreground: ['depth', 'min', null],
  forefront: ['depth', 'min', null],
  frontmost: ['depth', 'min', 1],
  back: ['depth', 'max', null],
  background: ['depth', 'max', null],
  rear: ['depth', 'max', null],
  distance: ['depth', 'max', null],
  backmost: ['depth', 'max', 1],
  rearmost: ['depth', 'max', 1],
  behind: ['depth', 'max', null],
  closest: ['depth', 'min', 1],
  nearest: ['depth', 'min', 1],
  closer: ['depth', 'min', null],
  nearer: ['depth', 'min', null],
  close: ['depth', 'min', null],
  near: ['depth', 'min', null],
  farthest: ['depth', 'max', 1],
  furthest: ['depth', 'max', 1],
  further: ['depth', 'max', null],
  farther: ['depth', 'max', null],
  far: ['depth', 'max', null],
  largest: ['size', 'max', 1],
  biggest: ['size', 'max', 1],
  fattest: ['size', 'max', 1],
  widest: ['size', 'max', 1],
  larger: ['size', 'max', null],
  bigger: ['size', 'max', null],
  smallest: ['size', 'min', 1],
  tiniest: ['size', 'min', 1],
  littlest: ['size', 'min', 1],
  thinnest: ['size', 'min', 1],
  narrowest: ['size', 'min', 1],
  smaller: ['size', 'min', null],
  tallest: ['height', 'max', 1],
  taller: ['height', 'max', null],
  longest: ['height', 'max', 1],
  shortest: ['height', 'min', 1],
  shorter: ['height', 'min', null],
};

/** The same words by class, as alternatives of a pattern. */
export const PLACES =
  'left|leftmost|leftest|right|rightmost|rightest|middle|center|central|mid|centermost';
export const LEVELS =
  'top|upper|higher|topmost|uppermost|highest|bottom|lower|bottommost|lowermost|lowest';
export const DEPTHS =
  'front|foreground|forefront|frontmost|back|background|rear|distance|backmost|rearmost';
export const SIZES =
  'largest|biggest|fattest|widest|thinnest|narrowest|larger|bigger|smallest|tiniest|littlest|smaller|tallest|taller|longest|shortest|shorter';
