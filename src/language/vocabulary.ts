import type { AttributePart } from './expression.js';

/** Closed classes of words that the parser knows by heart. Open classes come from the lexicon. */

const set = (words: string): ReadonlySet<string> => new Set(words.split(' '));

/** Words that carry no content of their own. */
export const FUNCTION_WORDS = set(
  'the a an this that these those it its his her their your my our he she they him them there some any is are was were ' +
    'be been being am do does did who which whose whom where when and or nor but so then also just only very really quite ' +
    'kinda kind sort as if than too i you we us me to has have had can could will would should may might must get got ' +
    'slightly almost directly immediately partially partly mostly one ones both each all on in at of with from by for , ' +
    'not no neither never without except please pick way lol haha super while because though colored coloured color colour',
);

export const NEGATIONS = set('not no neither nor never without except isnt arent dont doesnt non');
export const QUESTION_WORDS = set('what where when why how which');
export const DETERMINERS = set(
  'the a an this that these those his her their its my your our some any another every each',
);

/** The eleven basic colour terms of English (Berlin and Kay, 1969), and the words that fall under each. */
const COLOUR_WORDS: Readonly<Record<string, string>> = {
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
};

export const COLOURS: ReadonlyMap<string, string> = new Map(
  Object.entries(COLOUR_WORDS).flatMap(([basic, words]) =>
    words.split(' ').map((word) => [word, basic] as const),
  ),
);

export const SHADES: ReadonlyMap<string, 'light' | 'dark' | 'bright'> = new Map([
  ['light', 'light'],
  ['lighter', 'light'],
  ['pale', 'light'],
  ['baby', 'light'],
  ['dark', 'dark'],
  ['darker', 'dark'],
  ['deep', 'dark'],
  ['navy', 'dark'],
  ['bright', 'bright'],
  ['hot', 'bright'],
  ['neon', 'bright'],
]);

export const SIZES: ReadonlyMap<string, 'big' | 'small'> = new Map([
  ...'big large huge giant enormous massive tall great wide oversized fat'
    .split(' ')
    .map((word) => [word, 'big'] as const),
  ...'small little tiny mini short lil smallish miniature thin'
    .split(' ')
    .map((word) => [word, 'small'] as const),
]);

export const PATTERNS = set(
  'striped stripe stripes stripy plaid checkered checked dotted spotted polka flowered floral flowery patterned print ' +
    'printed camo camouflage multicolored multicoloured colorful colourful tie-dye checkerboard',
);

export const NUMBERS: ReadonlyMap<string, number> = new Map(
  'zero one two three four five six seven eight nine ten'.split(' ').map((word, at) => [word, at]),
);

export const ORDINALS: ReadonlyMap<string, number> = new Map([
  ...'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth'
    .split(' ')
    .map((word, at) => [word, at + 1] as const),
  ...'1st 2nd 3rd 4th 5th 6th 7th 8th 9th 10th 11th 12th 13th 14th 15th 16th'
    .split(' ')
    .map((word, at) => [word, at + 1] as const),
]);

/** "the middle of the picture": the whole view, no landmark. */
export const VIEW =
  '(?:picture|photo|photograph|image|screen|frame|shot|view|scene|page|group|line|row)';

const PART_NOUNS: ReadonlyArray<readonly [AttributePart, string]> = [
  [
    'upper',
    'shirt tshirt tee top jersey sweater hoodie hoody sweatshirt jacket coat suit blazer vest blouse polo cardigan poncho ' +
      'apron tank tie scarf tuxedo tux robe kimono dress gown uniform arm hand sleeve chest wrist glove collar outfit ' +
      'clothes clothing fleece windbreaker parka tunic bra lanyard necktie bowtie raincoat undershirt turtleneck ' +
      'shit shir hood bodysuit jumper tanktop haltertop croptop tubetop',
  ],
  [
    'lower',
    'pants pant trousers jeans jean slacks leggings shorts short skirt sock shoe boot sneaker sandal leg foot knee ' +
      'tights stockings trunks capris bottoms sweatpants heel slipper ankle thigh cleat khakis flipflop',
  ],
  [
    'head',
    'hat cap helmet beanie visor headband bandana turban veil hair beard mustache moustache glasses sunglasses specs ' +
      'goggles shades face mask ponytail head earring headphones hairdo braid wig bun bangs goatee crown eyeglasses headset',
  ],
];

/** Where on a person a garment or part sits. */
export const PART_OF_NOUN: ReadonlyMap<string, AttributePart> = new Map(
  PART_NOUNS.flatMap(([part, nouns]) => nouns.split(' ').map((noun) => [noun, part] as const)),
);

/** "slice of pizza", "side of a bus": what is meant is the thing after "of". */
export const PARTITIVES = set(
  'pair group bunch set couple lot piece slice half part portion section kind type side back front top bottom rear end ' +
    'edge tip number herd flock stack pile row edge bit reflection picture image photo photograph closeup shot view',
);

/** Those that stand behind the thing as well: "pizza slice" is a slice of pizza. */
export const PORTIONS = set('piece slice half part portion bunch bit');

/** Verbs of posture or motion that take no object: "standing girl" is a girl who stands. */
export const POSTURES = set(
  'standing sitting smiling walking running leaning jumping batting sleeping crouching kneeling lying laying grazing ' +
    'flying moving bending squatting surfing skiing skating skateboarding snowboarding swimming bending posing laughing ' +
    'talking dancing waving resting crying floating hanging seated parked',
);

/** Words in -ing and -ed that are nouns. */
export const NOT_VERBS = set(
  'building painting wedding ceiling king ring string thing something anything nothing everything wing railing clothing ' +
    'evening morning pudding icing frosting stuffing earring spring swing sling bling awning topping lining duckling ' +
    'sibling gosling yearling dumpling herring sapling offspring darling drawing bed shed sled seed weed reed red clothing ' +
    'siding inning surrounding bunting dining parking living serving lettering spread writing',
);
