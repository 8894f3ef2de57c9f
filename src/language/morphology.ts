import { wordPairs, wordSet } from './vocabulary.js';

/** Plurals that no rule gives, with the singulars they come from. */
const IRREGULAR = wordPairs(
  'men man,women woman,children child,people person,persons person,mice mouse,geese goose,feet foot,teeth tooth,' +
    'knives knife,wives wife,lives life,loaves loaf,leaves leaf,shelves shelf,halves half,calves calf,wolves wolf,' +
    'scarves scarf,hooves hoof,thieves thief,oxen ox,dice die,cookies cookie,movies movie,zombies zombie,' +
    'kiddies kiddie,hoodies hoodie,selfies selfie,veggies veggie,ties tie,pies pie,shoes shoe,canoes canoe,toes toe,' +
    'heroes hero,axes axe,buses bus,busses bus,gases gas,vases vase,horses horse,houses house,cases case,purses purse,' +
    'suitcases suitcase,dresses dress,noses nose,roses rose,geezers geezer,tvs tv,gentlemen gentleman,' +
    'firemen fireman,policemen policeman,policewomen policewoman,fishermen fisherman,salesmen salesman,' +
    'workmen workman,snowmen snowman',
);

/** Several by form, one thing or pair by sense: no article, and no other plural. */
const PLURAL_ONLY = wordSet(
  'glasses sunglasses eyeglasses specs goggles shades jeans pants shorts trousers slacks leggings tights stockings ' +
    'trunks scissors skis overalls pajamas pyjamas clothes sweatpants khakis capris bottoms headphones binoculars bangs',
);

/** One and several alike. */
const SAME_PLURAL = wordSet('sheep fish deer series species');

/** Words that end in s and stand for one thing. */
const ENDING_IN_S = wordSet(
  'bus gas grass dress glass class cross boss moss mattress waitress actress princess hostess albatross chess lens ' +
    'canvas tennis iris octopus walrus cactus campus this his its us less swiss business plus christmas rhinoceros ' +
    'hippopotamus status circus citrus virus',
);

const isUnchanged = (word: string): boolean =>
  PLURAL_ONLY.has(word) || SAME_PLURAL.has(word) || ENDING_IN_S.has(word);

const RULES: ReadonlyArray<readonly [RegExp, string]> = [
  [/([^aeiou])ies$/, '$1y'],
  [/(ch|sh|x|ss|zz|[^aeiou]o)es$/, '$1'],
  [/([^su])s$/, '$1'],
];

/** "ladies" is `lady`, "men" is `man`; a word that is no plural stays as it is. Lower case in and out. */
export function singularOf(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (isUnchanged(word) || word.length < 4) return word;
  const rule = RULES.find(([pattern]) => pattern.test(word));
  return rule === undefined ? word : word.replace(...rule);
}

/** The same for a noun of several words, by its last: "fire engines" is `fire engine`. */
export function singularNoun(noun: string): string {
  const start = noun.lastIndexOf(' ') + 1;
  // Glasses alone are worn; "wine glasses" are more than one glass.
  if (start > 0 && noun.endsWith(' glasses')) return noun.slice(0, -2);
  return noun.slice(0, start) + singularOf(noun.slice(start));
}

/** Singulars of irregular plurals; of two plurals the first one listed. */
const PLURAL_OF: ReadonlyMap<string, string> = new Map(
  [...IRREGULAR].reverse().map(([plural, singular]) => [singular, plural]),
);

const PLURAL_RULES: ReadonlyArray<readonly [RegExp, string]> = [
  [/([^aeiou])y$/, '$1ies'],
  [/(ch|sh|x|s|z|[^aeiou]o)$/, '$1es'],
  [/$/, 's'],
];

/**
 * The noun for `count` things, by its last word: "man" is `men`, "fire engine" `fire engines`; for one it stays as it is. A
 * singular, lower case.
 */
export function pluralOf(noun: string, count = 2): string {
  if (count === 1) return noun;
  const start = noun.lastIndexOf(' ') + 1;
  const last = noun.slice(start);
  if (last === '' || PLURAL_ONLY.has(last) || SAME_PLURAL.has(last)) return noun;
  const [pattern, ending] = PLURAL_RULES.find(([ends]) => ends.test(last))!;
  return noun.slice(0, start) + (PLURAL_OF.get(last) ?? last.replace(pattern, ending));
}

/** Said with a vowel, and said with a consonant, against their first letter. */
const VOWEL_SOUND = /^(?:[aeiou]|hour|honest|honou?r|heir|x-|suv\b|8|11\b|18\b)/;
const CONSONANT_SOUND = /^(?:uni(?:[cfoqstv])|u[st][ei]|uk|ur[aio]|eu|ewe|one\b|once)/;

/** "an apple", "a unicorn", "an hour"; "scissors" has no article. A singular, lower case. */
export function withArticle(noun: string): string {
  if (PLURAL_ONLY.has(noun.slice(noun.lastIndexOf(' ') + 1))) return noun;
  return `${VOWEL_SOUND.test(noun) && !CONSONANT_SOUND.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** What a verb form may be a form of: "sitting" gives `sitt`, `sitte`, `sit`. */
export function verbStems(word: string): readonly string[] {
  const ending = /(?:ing|ed|es|s)$/.exec(word)?.[0];
  if (ending === undefined) return [];
  const stem = word.slice(0, -ending.length);
  const undoubled = stem.replace(/([^aeiou])\1$/, '$1');
  return [stem, `${stem}e`, undoubled, stem.replace(/i$/, 'y')];
}
