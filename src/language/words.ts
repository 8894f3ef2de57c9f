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
    frm: 'from',
    frt: 'front',
    btm: 'bottom',
    blk: 'black',
    wht: 'white',
    inbetween: 'between',
    upfront: 'front',
    foremost: 'frontmost',
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
  [
    /\b(top|bottom|upper|lower|front|back|far|mid|middle|center|pic)(left|right|center|middle)\b/g,
    '$1 $2',
  ],
  [/\b(left|right|top|bottom)(?:i?est| ?est)\b/g, '$1most'],
  [/\b(left|right|top|bottom)(?:side|ish|ier)\b/g, '$1'],
  [/\blow(?= (?:left|right)\b)/g, 'lower'],
  [/\bform(?= (?:the )?(?:left|right|top|bottom|front|back)\b)/g, 'from'],
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

/** What lies where the hour stands on the face of a clock, and where a map has its sides. */
const HOURS =
  'top,top right,top right,right,bottom right,bottom right,bottom,bottom left,bottom left,left,top left,top left'.split(
    ',',
  );
const SIDES: Readonly<Record<string, string>> = {
  north: 'top',
  south: 'bottom',
  west: 'left',
  east: 'right',
};
const HOUR = /\b(\d{1,2}) ?(?:o ?'? ?clock|pm)(?= |$)/;
const COMPASS =
  /\b(?:(north|south)(east|west)(?! ?(?:plane|jet|air|airline|airplane))|(north|south|east|west)(?= ?most\b|(?: side| corner| end)?$))(?: ?most)?/;

const ANY_NAMED_PLACE = new RegExp(`${HOUR.source}|${COMPASS.source}`);

/** "the cup at 3 o'clock" is the right one, "the westmost sheep" the leftmost. */
function placesNamed(text: string): string {
  return text
    .replace(HOUR, (said, hour: string) => HOURS[Number(hour) % 12] ?? said)
    .replace(COMPASS, (_, ...names: Array<string | undefined>) =>
      names.flatMap((name) => SIDES[name ?? ''] ?? []).join(' '),
    );
}

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
  if (ANY_NAMED_PLACE.test(plain)) plain = placesNamed(plain);
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
    .replace(/(?:#|\bno\.|\bnr\.)\s*(?=\d)/g, ' number ')
    .replace(/(?<=\b(?:far|upper|lower|top|bottom|left|right))\s-\s/g, ' ')
    .replace(/[,.;:!?()"]+|\s-+\s/g, ' , ')
    .replace(/&/g, ' and ')
    .replace(/[^\p{L}\p{N}',]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}
