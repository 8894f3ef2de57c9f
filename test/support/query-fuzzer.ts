import type { SeededRandom } from '../../src/core/random.js';

/** Values that fields are given in place of what belongs there. */
const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  -0.5,
  '',
  ' ',
  '\u0000',
  '\u001b[2J\u001b]0;title\u0007',
  '\u009b31m',
  '\u202eleft',
  '\ud800',
  'ä'.repeat(5000),
  '../../../etc/passwd',
  '/etc/passwd',
  'photo-00.jpg\u0000.png',
  'C:\\windows\\win.ini',
  '$(touch pwned)',
  '`reboot`',
  "'; rm -rf .; '",
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  [],
  {},
  [[[[[[[[]]]]]]]],
  [1, 2, 3],
  ['a', 'b', 'c', 'd'],
  [1e308, 1e308, 1e308, 1e308],
  [10, 10, 5, 5],
  [0, 0, 0, 0],
  { constructor: { prototype: { x: 1 } } },
];

const WORDS =
  'the a left right second third ball dog red of to in front behind next not without largest and or , . ? ! 7 between who is that'.split(
    ' ',
  );

/** Lines of a queries file, some right and most broken in some way, by chance that the stream decides. */
export function fuzzedLine(random: SeededRandom, images: readonly string[], id: string): string {
  const line: Record<string, unknown> = {
    id,
    image: images[random.nextBelow(images.length)],
    query: Array.from(
      { length: 1 + random.nextBelow(12) },
      () => WORDS[random.nextBelow(WORDS.length)],
    ).join(' '),
  };
  if (random.next() < 0.3) line.tools = { t: [{ bbox_2d: [1, 2, 30, 40], score: 0.5 }] };
  if (random.next() < 0.3) {
    line.width = 120;
    line.height = 80;
  }
  const kind = random.next();
  if (kind < 0.2) return JSON.stringify(line);
  if (kind < 0.6) return JSON.stringify(withOddValue(line, random));
  return mangled(JSON.stringify(kind < 0.8 ? line : withOddValue(line, random)), random);
}

function withOddValue(
  line: Readonly<Record<string, unknown>>,
  random: SeededRandom,
): Record<string, unknown> {
  const names = [
    'id',
    'image',
    'query',
    'tools',
    'bbox',
    'boxes',
    'width',
    'height',
    'kind',
    '__proto__',
  ];
  const odd = ODD[random.nextBelow(ODD.length)];
  const name = names[random.nextBelow(names.length)]!;
  const value =
    name === 'tools' && random.next() < 0.7
      ? { [String(odd)]: [{ bbox_2d: odd, score: odd, label: odd }, odd] }
      : odd;
  return { ...line, [name]: value };
}

/** Characters lost, doubled, swapped or put in; never a line feed. */
function mangled(text: string, random: SeededRandom): string {
  let result = text;
  for (let count = 1 + random.nextBelow(4); count > 0; count--) {
    const at = random.nextBelow(result.length + 1);
    const end = at + random.nextBelow(6);
    const piece = result.slice(at, end);
    const choice = random.nextBelow(5);
    const put =
      choice === 0
        ? ''
        : choice === 1
          ? piece + piece
          : choice === 2
            ? String.fromCharCode(random.nextBelow(0x2100))
            : choice === 3
              ? '{}[]",:\\0-e'.charAt(random.nextBelow(11))
              : [...piece].reverse().join('');
    result = result.slice(0, at) + put + result.slice(choice === 2 ? at : end);
  }
  return result.replace(/[\n\r\u2028]/g, ' ');
}
