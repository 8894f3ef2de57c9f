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

/** How a person holds the body, as far as the outline of a box shows it. */
export type Posture = 'upright' | 'seated' | 'lying';

const POSTURE_WORDS: Readonly<Record<Posture, string>> = {
  upright: 'standing stands stand walking walks',
  seated:
    'sitting sits sit seated kneeling kneels crouching crouches crouched squatting squats crouch',
  lying: 'lying lies laying lays sleeping sleeps asleep resting',
};

const POSTURE_OF_WORD: ReadonlyMap<string, Posture> = new Map(
  (Object.entries(POSTURE_WORDS) as Array<[Posture, string]>).flatMap(([posture, words]) =>
    words.split(' ').map((word) => [word, posture] as const),
  ),
);

/** The posture that words tell: "sitting on" is `seated`. Null where they tell none. */
export function postureOf(words: string): Posture | null {
  for (const word of words.split(' ')) {
    const posture = POSTURE_OF_WORD.get(word);
    if (posture !== undefined) return posture;
  }
  return null;
}
