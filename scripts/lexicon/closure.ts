import type { Synset, Wordnet } from './wordnet.js';

/**
 * How a name stands to a label. `exact`: the label itself. `synonym`: another word for it. `hyponym`: a kind of it ("jeep"
 * of car). `hypernym`: a class that holds it ("vehicle" of car). `worn`: a part or garment that points at its bearer.
 */
export type DenotationKind = 'exact' | 'synonym' | 'hyponym' | 'hypernym' | 'worn';

export interface Pointer {
  readonly label: string;
  readonly kind: DenotationKind;
  /** 0..1 */
  readonly weight: number;
}

export type Seeds = Readonly<Record<string, readonly string[]>>;

/** Lexicographer files of things that a photo shows: animals, artifacts, food, persons. */
const SEEN_FIELDS = new Set([5, 6, 13, 18]);
/** Bodies, groups, natural objects, plants: shown at times, seldom what is meant. */
const HALF_SEEN_FIELDS = new Set([8, 14, 17, 20]);
const PERSON_FIELD = 18;
/** A class that holds more labels than this says nothing: "artifact", "object". */
const MAX_LABELS_OF_CLASS = 26;
const CLASS_WEIGHT = 0.8;
const WORN_WEIGHT = 0.5;
/** Pointers lighter than this are odd senses: "pole" is a person from Poland. */
const MIN_WEIGHT = 0.2;

/** The synsets of `lemma#n` entries. Throws where WordNet has no such sense. */
function seedSynsets(wordnet: Wordnet, senses: readonly string[]): Synset[] {
  return senses.map((sense) => {
    const [lemma, number] = sense.split('#') as [string, string];
    const synset = wordnet.synsets.get(wordnet.senses.get(lemma)?.[Number(number) - 1] ?? '');
    if (synset === undefined) {
      throw new Error(`WordNet has no noun sense \`${sense}\`; correct it in the seed file`);
    }
    return synset;
  });
}

/** Offsets below the roots, roots included; other seeds are borders that the walk does not cross. */
function below(
  wordnet: Wordnet,
  roots: readonly Synset[],
  borders: ReadonlySet<string>,
): Set<string> {
  const found = new Set(roots.map((root) => root.offset));
  const queue = [...roots];
  for (let synset = queue.shift(); synset !== undefined; synset = queue.shift()) {
    for (const offset of synset.hyponyms) {
      const next = wordnet.synsets.get(offset);
      if (next === undefined || found.has(offset) || borders.has(offset)) continue;
      found.add(offset);
      queue.push(next);
    }
  }
  return found;
}

/** Offsets above the roots, roots left out. */
function above(wordnet: Wordnet, roots: readonly Synset[]): Set<string> {
  const found = new Set<string>();
  const queue = roots.flatMap((root) => root.hypernyms);
  for (let offset = queue.shift(); offset !== undefined; offset = queue.shift()) {
    if (found.has(offset)) continue;
    found.add(offset);
    queue.push(...(wordnet.synsets.get(offset)?.hypernyms ?? []));
  }
  return found;
}

function senseShown(synset: Synset): number {
  if (SEEN_FIELDS.has(synset.field)) return 1;
  return HALF_SEEN_FIELDS.has(synset.field) ? 0.3 : 0.05;
}

/**
 * The chance that the name means each of its senses in a photo, summing to 1: tags of SemCor plus 1 / order, so that rare
 * words have a prior too, times how often photos show things of that field. Nicknames for persons ("pig") give way to the
 * things they are taken from.
 */
function senseWeights(wordnet: Wordnet, name: string): Map<string, number> {
  const offsets = wordnet.senses.get(name) ?? [];
  const synsets = offsets.map((offset) => wordnet.synsets.get(offset) as Synset);
  const things = synsets.some((s) => SEEN_FIELDS.has(s.field) && s.field !== PERSON_FIELD);
  const raw = synsets.map((synset, at) => {
    const tags = wordnet.tags.get(`${name}@${synset.offset}`) ?? 0;
    const nickname = things && synset.field === PERSON_FIELD && tags < 5 ? 0.3 : 1;
    return (tags + 1 / (at + 1)) * senseShown(synset) * nickname;
  });
  const total = raw.reduce((sum, value) => sum + value, 0);
  return new Map(offsets.map((offset, at) => [offset, (raw[at] as number) / total]));
}

/** Everything WordNet says about which label a synset falls under: offset to pointers of weight 1 or less. */
function synsetPointers(
  wordnet: Wordnet,
  seeds: Seeds,
  worn: readonly string[],
): Map<string, Pointer[]> {
  const pointers = new Map<string, Pointer[]>();
  const add = (offset: string, pointer: Pointer) => {
    pointers.set(offset, [...(pointers.get(offset) ?? []), pointer]);
  };
  const seedsOf = new Map(
    Object.entries(seeds).map(([label, senses]) => [label, seedSynsets(wordnet, senses)]),
  );
  const borders = new Set([...seedsOf.values()].flat().map((synset) => synset.offset));
  const labelsAbove = new Map<string, string[]>();
  for (const [label, roots] of seedsOf) {
    const first = roots[0]?.offset;
    for (const offset of below(wordnet, roots, borders)) {
      add(offset, { label, kind: offset === first ? 'synonym' : 'hyponym', weight: 1 });
    }
    for (const offset of above(wordnet, roots)) {
      labelsAbove.set(offset, [...(labelsAbove.get(offset) ?? []), label]);
    }
  }
  for (const [offset, labels] of labelsAbove) {
    if (labels.length > MAX_LABELS_OF_CLASS || pointers.has(offset)) continue;
    for (const label of labels) add(offset, { label, kind: 'hypernym', weight: CLASS_WEIGHT });
  }
  for (const offset of below(wordnet, seedSynsets(wordnet, worn), borders)) {
    if (pointers.has(offset)) continue;
    add(offset, { label: 'person', kind: 'worn', weight: WORN_WEIGHT });
  }
  return pointers;
}

const KIND_ORDER: readonly DenotationKind[] = ['exact', 'synonym', 'hyponym', 'hypernym', 'worn'];

/** One pointer a label: weights of several senses add up, the closest kind is kept. Heaviest first. */
function merge(pointers: readonly Pointer[]): Pointer[] {
  const byLabel = new Map<string, Pointer>();
  for (const pointer of pointers) {
    const known = byLabel.get(pointer.label);
    const kinds = known === undefined ? [pointer.kind] : [known.kind, pointer.kind];
    byLabel.set(pointer.label, {
      label: pointer.label,
      kind: KIND_ORDER.find((kind) => kinds.includes(kind)) as DenotationKind,
      weight: Math.min(1, (known?.weight ?? 0) + pointer.weight),
    });
  }
  return [...byLabel.values()]
    .filter((pointer) => pointer.weight >= MIN_WEIGHT)
    .sort((a, b) => b.weight - a.weight || (a.label < b.label ? -1 : 1));
}

/** Names with letters only, of three words at most; proper names of individuals are out with their synsets. */
const PLAIN_NAME = /^[a-z]+(?:[-_'][a-z]+){0,2}$/;

/** Every name of WordNet that may denote one of the labels, with spaces for underscores. */
export function closeOver(
  wordnet: Wordnet,
  seeds: Seeds,
  worn: readonly string[],
): Map<string, Pointer[]> {
  const ofSynset = synsetPointers(wordnet, seeds, worn);
  const names = new Map<string, Pointer[]>();
  for (const name of wordnet.senses.keys()) {
    if (!PLAIN_NAME.test(name)) continue;
    const pointers = [...senseWeights(wordnet, name)].flatMap(([offset, weight]) =>
      (ofSynset.get(offset) ?? []).map((p) => ({ ...p, weight: p.weight * weight })),
    );
    const merged = merge(pointers);
    if (merged.length > 0) names.set(name.replaceAll('_', ' '), merged);
  }
  for (const label of Object.keys(seeds)) names.set(label, [{ label, kind: 'exact', weight: 1 }]);
  return names;
}
