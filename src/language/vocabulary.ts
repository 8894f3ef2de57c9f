import type { AttributePart } from './expression.js';

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

/** Where on a person a garment or part of the body sits. */
export const PART_OF_NOUN: ReadonlyMap<string, AttributePart> = byWord({
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

/** How old an animal is tells how large it is among its kind. */
export type Age = 'young' | 'grown';

/** The age that a word tells: "baby" is `young`. */
export const AGES: ReadonlyMap<string, Age> = byWord({
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
