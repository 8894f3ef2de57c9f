/** Words of the left side and the words that stand in the same place of the right side. */
const SIDES: ReadonlyArray<readonly [string, string]> = [
  ['left', 'right'],
  ['lefts', 'rights'],
  ['leftmost', 'rightmost'],
  ['leftest', 'rightest'],
  ['lefthand', 'righthand'],
  ['leftward', 'rightward'],
  ['leftwards', 'rightwards'],
];

const OPPOSITE = new Map(
  SIDES.flatMap(([left, right]) => [[left, right] as const, [right, left] as const]),
);
const SIDE_WORD = new RegExp(
  `(?<![\\p{L}\\p{N}])(?:${[...OPPOSITE.keys()].join('|')})(?![\\p{L}\\p{N}])`,
  'giu',
);

/** `LEFT` for the model `RIGHT`, `Left` for `Right`. */
function inCaseOf(model: string, word: string): string {
  if (model === model.toUpperCase()) return word.toUpperCase();
  return model[0] === model[0]?.toUpperCase()
    ? (word[0] ?? '').toUpperCase() + word.slice(1)
    : word;
}

/**
 * The expression that means the same thing in the photo mirrored left to right: "left" and "right" change places, in
 * "leftmost", "left-hand" and "LEFT" too. Applied twice it gives the text back, but for words of mixed case ("lEFT").
 * Words that mean no side ("all right", "right behind", "left over") change as well, and single letters ("l guy") do not.
 */
export function mirrorExpression(text: string): string {
  return text.replace(SIDE_WORD, (word) =>
    inCaseOf(word, OPPOSITE.get(word.toLowerCase()) ?? word),
  );
}
