/** Closed classes of words that the parser knows by heart. Open classes come from the lexicon. */

export const wordSet = (words: string, separator = ' '): ReadonlySet<string> =>
  new Set(words.split(separator));

/** "men man,women woman": each first word with its second. */
export const wordPairs = (pairs: string): ReadonlyMap<string, string> =>
  new Map(pairs.split(',').map((pair) => pair.split(' ') as [string, string]));

/** Words that carry no content of their own. */
export const FUNCTION_WORDS = wordSet(
  'the a an this that these those it its his her their your my our he she they him them there some any is are was were ' +
    'be been being am do does did who which whose whom where when and or nor but so then also just only very really quite ' +
    'kinda kind sort as if than too i you we us me to has have had can could will would should may might must get got ' +
    'slightly almost directly immediately partially partly mostly one ones both each all on in at of with from by for , ' +
    'not no neither never without except please pick way lol haha super while because though colored coloured color colour',
);

/** False for function words, for a pause, and behind the last word. */
export const isContentWord = (word: string | undefined): word is string =>
  word !== undefined && !FUNCTION_WORDS.has(word);

/** Words that stand for the thing where it is not named again. */
export const STAND_INS = wordSet('one ones');

export const NEGATIONS = wordSet(
  'not no neither nor never without except isnt arent dont doesnt non',
);
export const QUESTION_WORDS = wordSet('what where when why how which');
export const DETERMINERS = wordSet(
  'the a an this that these those his her their its my your our some any another every each',
);

/** Words by the value that they stand for, turned round: each word with its value. */
const byWord = <Value extends string>(
  words: Readonly<Record<Value, string>>,
): ReadonlyMap<string, Value> =>
  new Map(
    (Object.entries(words) as Array<[Value, string]>).flatMap(([value, list]) =>
      list.split(' ').map((word) => [word, value] as const),
    ),
  );

/** Words of colour, with the basic colour term that each falls under (Berlin and Kay, 1969). */
export const COLOURS = byWord({
  red: 'red reddish maroon burgundy burgandy crimson scarlet ruby',
  orange: 'orange',
  yellow: 'yellow yellowish gold golden mustard blond blonde',
  green: 'green greenish olive lime teal khaki camo camouflage',
  blue: 'blue bluish navy turquoise aqua cyan denim azure',
  purple: 'purple violet lavender magenta lilac plum',
  pink: 'pink pinkish salmon fuchsia peach',
  brown: 'brown brownish tan beige chestnut bronze copper chocolate wooden wood',
  gray: 'gray grey greyish grayish silver metallic steel chrome',
  black: 'black blackish ebony',
  white: 'white whitish cream ivory offwhite',
});

export const SHADES = byWord({
  light: 'light lighter pale baby',
  dark: 'dark darker deep navy',
  bright: 'bright hot neon',
});

export const SIZES = byWord({
  big: 'big large huge giant enormous massive tall great wide oversized fat',
  small: 'small little tiny mini short lil smallish miniature thin',
});

export const PATTERNS = wordSet(
  'striped stripe stripes stripy plaid checkered checked dotted spotted polka flowered floral flowery patterned print ' +
    'printed camo camouflage multicolored multicoloured colorful colourful tie-dye checkerboard',
);

export const NUMBERS: ReadonlyMap<string, number> = new Map(
  'zero one two three four five six seven eight nine ten'.split(' ').map((word, at) => [word, at]),
);

const ORDINAL_WORDS =
  'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth';

export const ORDINALS: ReadonlyMap<string, number> = new Map(
  [ORDINAL_WORDS, '1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 13th 14th 15th 16th'].flatMap(
    (words) => words.split(' ').map((word, at) => [word, at + 1] as const),
  ),
);

/** "the middle of the picture": the whole view, no landmark. */
export const VIEW =
  '(?:picture|photo|photograph|image|screen|frame|shot|view|scene|page|group|line|row)';

const NOT_VIEW = `(?! (?:the |this )?${VIEW}(?: |$))`;
const CLOSE = '(?:right |just |directly |immediately |up |standing )?';
const sideOf = (side: 'left' | 'right'): string =>
  `(?:just )?(?:(?:on|to|at|toward|from) )?(?:the |his |her )?(?:immediate |direct |far |very )?${side}(?: hand side| side)? of${NOT_VIEW}`;

/** Words that tie a thing to what follows, by what they say, as patterns. */
export const PREPOSITIONS = {
  'left-of': sideOf('left'),
  'right-of': sideOf('right'),
  above: `${CLOSE}(?:above|over|higher than|up from)`,
  below: `${CLOSE}(?:below|under|underneath|beneath|lower than)`,
  on: 'on(?: the| it)? top of|on top|atop|on|upon|onto',
  between: `between|among|amongst|amid|amidst|surrounded by|in(?: the)? (?:middle|center) of${NOT_VIEW}`,
  in: 'in|inside(?: of)?|within|into',
  behind: `${CLOSE}(?:behind|in back of|at the back of|in the back of|to the rear of|in the rear of)`,
  'in-front-of': `${CLOSE}(?:in(?: the)? front of|at the front of|infront of|ahead of|in front|infront)`,
  'next-to': `${CLOSE}(?:next to|beside|besides|by|near to|near|nearby|close to|closest to|closer to|nearest to|nearest|nearer to|adjacent to|alongside|along side|against|around|across from|next|to the side of|at the side of|on the side of|at|touching)`,
  /** "farther from the dog": more so than others of its kind. */
  'far-from': '(?:farthest|furthest|farther|further|far)(?: away| off)? from',
  with: 'with|whose|has|have|having|had|plus',
  of: 'of',
  facing:
    '(?:(?:seen|viewed|shown|pictured|photographed|taken) )?from (?:behind|(?:the )?(?:back|front|rear))|(?:facing|looking|turned|leaning|bending|pointing|heading|headed|walking|moving|going|running|staring)(?: to| towards?)?(?: the| his| her)? (?:left|right)|facing(?: towards?)?|(?:looking|staring|pointing|turned|turning|smiling|gazing) (?:at|towards?|to|into)|faces|watching|towards?',
  holding:
    'holding(?: on to| onto| up| out)?|carrying|grabbing|gripping|holds?|carries|clutching|swinging|using|hugging',
  wearing: 'wearing|wears?|dressed in|clad in|has on',
  riding: 'riding(?: on| in)?|rides?|driving|drives|mounted on',
  /** Any other preposition, and verbs. */
  other:
    'from|for|during|through|across|about|off(?: of)?|out of|past|up|down|like|than|away from|along|before|after|to|out',
};

/** Where on a person a garment or part of the body sits. */
export const PART_OF_NOUN = byWord({
  upper:
    'shirt tshirt tee top jersey sweater hoodie hoody sweatshirt jacket coat suit blazer vest blouse polo cardigan poncho ' +
    'apron tank tie scarf tuxedo tux robe kimono dress gown uniform arm hand sleeve chest wrist glove collar outfit ' +
    'clothes clothing fleece windbreaker parka tunic bra lanyard necktie bowtie raincoat undershirt turtleneck ' +
    'shit shir hood bodysuit jumper tanktop haltertop croptop tubetop',
  lower:
    'pants pant trousers jeans jean slacks leggings shorts short skirt sock shoe boot sneaker sandal leg foot knee ' +
    'tights stockings trunks capris bottoms sweatpants heel slipper ankle thigh cleat khakis flipflop',
  head:
    'hat cap helmet beanie visor headband bandana turban veil hair beard mustache moustache glasses sunglasses specs ' +
    'goggles shades face mask ponytail head earring headphones hairdo braid wig bun bangs goatee crown eyeglasses headset',
});

/** The age that a word tells: "baby" is `young`. How old an animal is tells how large it is among its kind. */
export const AGES = byWord({
  young: 'baby infant young younger youngest juvenile newborn',
  grown: 'adult grown mature old older oldest mother mom mama father dad papa parent',
});

/** How a person holds the body, as far as the outline of a box shows it. */
export type Posture = 'upright' | 'seated' | 'lying';

const POSTURE_OF_WORD: ReadonlyMap<string, Posture> = byWord({
  upright: 'standing stands stand walking walks',
  seated:
    'sitting sits sit seated kneeling kneels crouching crouches crouched squatting squats crouch',
  lying: 'lying lies laying lays sleeping sleeps asleep resting',
});

/** The posture that words tell: "sitting on" is `seated`. Null where they tell none. */
export function postureOf(words: string): Posture | null {
  const telling = words.split(' ').find((word) => POSTURE_OF_WORD.has(word));
  return POSTURE_OF_WORD.get(telling ?? '') ?? null;
}

/** "slice of pizza", "side of a bus": what is meant is the thing after "of". */
export const PARTITIVES = wordSet(
  'pair group bunch set couple lot piece slice half part portion section kind type side back front top bottom rear end ' +
    'edge tip number herd flock stack pile row edge bit reflection picture image photo photograph closeup shot view',
);

/** Those that stand behind the thing as well: "pizza slice" is a slice of pizza. */
export const PORTIONS = wordSet('piece slice half part portion bunch bit');

/** Verbs of posture or motion that take no object: "standing girl" is a girl who stands. */
export const POSTURES = wordSet(
  'standing sitting smiling walking running leaning jumping batting sleeping crouching kneeling lying laying grazing ' +
    'flying moving bending squatting surfing skiing skating skateboarding snowboarding swimming bending posing laughing ' +
    'talking dancing waving resting crying floating hanging seated parked',
);

/** Words in -ing and -ed that are nouns. */
export const NOT_VERBS = wordSet(
  'building painting wedding ceiling king ring string thing something anything nothing everything wing railing clothing ' +
    'evening morning pudding icing frosting stuffing earring spring swing sling bling awning topping lining duckling ' +
    'sibling gosling yearling dumpling herring sapling offspring darling drawing bed shed sled seed weed reed red clothing ' +
    'siding inning surrounding bunting dining parking living serving lettering spread writing',
);
