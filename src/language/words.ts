/** A word of an expression, or a pause in it. */
export interface Token {
  /** Lower case; `,` for a pause. */
  readonly word: string;
  /** "man's" is `man`, possessive. */
  readonly possessive: boolean;
}

/** Spellings that stand for other words, as people type them in a hurry. */
const SPELLINGS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    w: 'with',
    wo: 'without',
    '&': 'and',
    rt: 'right',
    rgt: 'right',
    rigth: 'right',
    lft: 'left',
    l: 'left',
    ctr: 'center',
    centre: 'center',
    wearig: 'wearing',
    grey: 'gray',
    pic: 'picture',
  }),
);

/** Two words that are one. */
const JOINED: ReadonlyArray<readonly [RegExp, string]> = [
  [/\b(left|right|top|bottom|upper|lower|front|rear|back|inner|outer) most\b/g, '$1most'],
  [/\bt shirts?\b/g, 'tshirt'],
  [/\btee shirt\b/g, 'tshirt'],
  [/\bback ground\b/g, 'background'],
  [/\bfore ground\b/g, 'foreground'],
  [/\bwith out\b/g, 'without'],
  [/\b(do|does|did|is|are|was|were|has|have|can|could|wo)n't\b/g, '$1 not'],
  [/\bcan't\b/g, 'can not'],
  [/\bcannot\b/g, 'can not'],
  [/\b(he|she|that|who|what|there|where)'s\b/g, '$1 is'],
  [/\b(they|we|you)'re\b/g, '$1 are'],
  [/\bit's\b/g, 'its'],
  [/\bin between\b/g, 'between'],
  [/(^|\bthe |\ba )turned (on|off) /g, '$1turned-$2 '],
  [/\bsun glasses\b/g, 'sunglasses'],
  [/\b(tank|halter|crop|tube) tops?\b/g, '$1top'],
  [/\btooth pick/g, 'toothpick'],
  [/\bpick up(?= truck)/g, 'pickup'],
  [/\bclose up(?= (?:of|picture|photo|shot|view|image)\b)/g, 'closeup'],
  [
    /\b(mans|womans|girls|ladys|guys|boys)(?= (?:hand|hands|arm|arms|head|leg|legs|face|back|shirt|hat|hair|foot|feet)\b)/g,
    "$1's",
  ],
];

/** Most texts hold none of them: one look tells. */
const ANY_JOINED = new RegExp(JOINED.map(([pattern]) => pattern.source).join('|'));

/** Pauses are kept only between words. */
function withoutOuterPauses(tokens: readonly Token[]): Token[] {
  return tokens.filter((token, at) => {
    if (token.word !== ',') return true;
    const next = tokens[at + 1];
    return at > 0 && next !== undefined && next.word !== ',';
  });
}

function toToken(piece: string): Token {
  const possessive = /(?:'s|s')$/.test(piece) && piece.length > 3;
  const bare = possessive ? piece.replace(/s?'s$|'$/, '') : piece;
  const word = SPELLINGS.get(bare) ?? bare.replaceAll("'", '');
  return { word, possessive };
}

/**
 * The words of a text: lower case, hyphens opened, punctuation gone but for the pauses that commas and full stops make.
 * "The left-most GUY, w/ a hat" is `the leftmost guy , with a hat`.
 */
export function tokensOf(text: string): Token[] {
  let plain = PLAIN.test(text) ? text : plainWords(text);
  if (ANY_JOINED.test(plain)) {
    for (const [pattern, word] of JOINED) plain = plain.replace(pattern, word);
  }
  const pieces = plain.split(' ').filter((piece) => piece !== '' && !/^'+$/.test(piece));
  return withoutOuterPauses(pieces.map(toToken)).filter((token) => token.word !== '');
}

/** Most texts are such words already. */
const PLAIN = /^[a-z\d]+(?: [a-z\d]+)*$/;

/** Words with single spaces between. */
function plainWords(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2018\u2019`]/g, "'")
    .replace(/\bw\/o\b/g, ' without ')
    .replace(/\bw\//g, ' with ')
    .replace(/[,.;:!?()"]+|\s-+\s/g, ' , ')
    .replace(/&/g, ' and ')
    .replace(/[^\p{L}\p{N}',]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}
