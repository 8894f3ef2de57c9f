import type { BoxXyxy, ImageSize } from '../core/box.js';
import { lazy } from '../core/lru.js';
import { boxWordTable, TABLE_STEP } from './box-words.table.js';

/** What of a box its words may tell: each a number that is 0 for a box of middling size and shape at the photo's centre. */
export const BOX_TRAITS = [
  'area',
  'tallness',
  'centrality',
  'lowness',
  'cut at a side',
  'cut below',
  'cut above',
] as const;

/** Shares of a photo that a middling box takes, and that count as touching its border. */
const MIDDLING = 0.1;
const BORDER = 0.01;

/** The traits of a box, in the order of {@link BOX_TRAITS}. Area and tallness are natural logs; the last three are 0 or 1. */
export function boxTraits({ x1, y1, x2, y2 }: BoxXyxy, imageSize: ImageSize): number[] {
  const [width, height] = [Math.max(x2 - x1, 1), Math.max(y2 - y1, 1)];
  const area = (width * height) / (imageSize.width * imageSize.height);
  const [left, right] = [x1 / imageSize.width, x2 / imageSize.width];
  const [top, bottom] = [y1 / imageSize.height, y2 / imageSize.height];
  return [
    Math.log(area / MIDDLING),
    Math.log(height / width),
    -Math.abs((left + right) / 2 - 0.5),
    (top + bottom) / 2 - 0.5,
    left < BORDER || right > 1 - BORDER ? 1 : 0,
    bottom > 1 - BORDER ? 1 : 0,
    top < BORDER ? 1 : 0,
  ];
}

/** The entry that holds for every expression: what people refer to at all. */
export const ANY_WORD = '*';

/** Weights of the traits by word. */
const weights = lazy(
  () =>
    new Map(
      boxWordTable.split('|').map((entry) => {
        const [word, ...steps] = entry.split(' ') as [string, ...string[]];
        return [word, steps.map((step) => Number(step) * TABLE_STEP)] as const;
      }),
    ),
);

/**
 * How well a box suits the words by its size, shape and position alone, as natural log-odds: "baby" is small, "batter" tall, "partial"
 * cut at the photo's side. Fitted to what people wrote of true boxes; to be compared among boxes of one photo.
 * @param words an expression's, lower case
 */
export function boxWordsFit(words: readonly string[], box: BoxXyxy, imageSize: ImageSize): number {
  const traits = boxTraits(box, imageSize);
  let fit = 0;
  for (const word of new Set([ANY_WORD, ...words])) {
    const own = weights().get(word);
    if (own === undefined) continue;
    for (const [at, trait] of traits.entries()) fit += own[at]! * trait;
  }
  return fit;
}
