/** How old an animal is tells how large it is among its kind. */
export type Age = 'young' | 'grown';

const AGE_WORDS: Readonly<Record<Age, string>> = {
  young: 'baby infant young younger youngest juvenile newborn',
  grown: 'adult grown mature old older oldest mother mom mama father dad papa parent',
};

const AGE_OF_WORD: ReadonlyMap<string, Age> = new Map(
  (Object.entries(AGE_WORDS) as Array<[Age, string]>).flatMap(([age, words]) =>
    words.split(' ').map((word) => [word, age] as const),
  ),
);

/** The age that a word tells: "baby" is `young`. Null where it tells none. */
export function ageOf(word: string): Age | null {
  return AGE_OF_WORD.get(word) ?? null;
}
