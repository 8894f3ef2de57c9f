/** Plurals that no rule gives, with the singulars they come from. */
const IRREGULAR: Readonly<Record<string, string>> = {
  men: 'man',
  women: 'woman',
  children: 'child',
  people: 'person',
  persons: 'person',
  mice: 'mouse',
  geese: 'goose',
  feet: 'foot',
  teeth: 'tooth',
  knives: 'knife',
  wives: 'wife',
  lives: 'life',
  loaves: 'loaf',
  leaves: 'leaf',
  shelves: 'shelf',
  halves: 'half',
  calves: 'calf',
  wolves: 'wolf',
  scarves: 'scarf',
  hooves: 'hoof',
  thieves: 'thief',
  oxen: 'ox',
  dice: 'die',
  cookies: 'cookie',
  movies: 'movie',
  zombies: 'zombie',
  kiddies: 'kiddie',
  hoodies: 'hoodie',
  selfies: 'selfie',
  veggies: 'veggie',
  ties: 'tie',
  pies: 'pie',
  shoes: 'shoe',
  canoes: 'canoe',
  toes: 'toe',
  heroes: 'hero',
  axes: 'axe',
  buses: 'bus',
  busses: 'bus',
  gases: 'gas',
  vases: 'vase',
  horses: 'horse',
  houses: 'house',
  cases: 'case',
  purses: 'purse',
  suitcases: 'suitcase',
  dresses: 'dress',
  noses: 'nose',
  roses: 'rose',
  geezers: 'geezer',
};

/** Words that end in s and stand for one thing as they are, or that have no singular of their own. */
const UNCHANGED = new Set(
  (
    'bus gas glasses sunglasses eyeglasses specs goggles shades jeans pants shorts trousers slacks leggings tights ' +
    'stockings trunks scissors skis overalls pajamas pyjamas clothes sweatpants khakis capris bottoms headphones binoculars ' +
    'grass dress glass class cross boss moss mattress waitress actress princess hostess albatross chess lens canvas ' +
    'tennis iris octopus walrus cactus campus series species this his its us less swiss business plus christmas rhinoceros ' +
    'hippopotamus status circus citrus virus sheep fish deer bangs'
  ).split(' '),
);

const RULES: ReadonlyArray<readonly [RegExp, string]> = [
  [/([^aeiou])ies$/, '$1y'],
  [/(ch|sh|x|ss|zz|[^aeiou]o)es$/, '$1'],
  [/([^su])s$/, '$1'],
];

/** "ladies" is `lady`, "men" is `man`; a word that is no plural stays as it is. Lower case in and out. */
export function singularOf(word: string): string {
  const irregular = Object.hasOwn(IRREGULAR, word) ? IRREGULAR[word] : undefined;
  if (irregular !== undefined) return irregular;
  if (UNCHANGED.has(word) || word.length < 4) return word;
  for (const [pattern, replacement] of RULES) {
    if (pattern.test(word)) return word.replace(pattern, replacement);
  }
  return word;
}

/** What a verb form may be a form of: "sitting" gives `sitt`, `sitte`, `sit`. */
export function verbStems(word: string): readonly string[] {
  const ending = /(?:ing|ed|es|s)$/.exec(word)?.[0];
  if (ending === undefined) return [];
  const stem = word.slice(0, -ending.length);
  const undoubled = stem.replace(/([^aeiou])\1$/, '$1');
  return [stem, `${stem}e`, undoubled, stem.replace(/i$/, 'y')];
}
