import type { BoxXywh } from '../core/box.js';
import { VgrError } from '../core/error.js';
import { SeededRandom } from '../core/random.js';
import type { CocoAnnotation, CocoEntry } from '../formats/coco-records.js';
import type { Query } from '../formats/query-line.js';
import { pointersOf } from '../language/lexicon.js';
import { pluralOf } from '../language/morphology.js';

/**
 * What a query made from annotations teaches. `absent`: the photo has nothing of the kind. `unreached`: it has some, but
 * fewer than the place asked for. `set`: all of a kind. `present`: the only one of its kind, so that "the zebra" alone is no
 * sign of absence.
 */
type AnnotatedKind = 'absent' | 'unreached' | 'set' | 'present';

const ABSENT_PER_PHOTO = 6;
/** A photo that holds nearly every kind gets fewer queries. */
const MAX_DRAWS = 40;
/** Of the kinds that are present, up to five of each. */
const UNREACHED_SHARE = 0.5;
/** Of more things than this, annotators leave some out. */
const MAX_SET = 8;

/**
 * COCO's words for kinds that people call otherwise. `same` mean the kind and nothing else; `narrower` some of it, absent with
 * it; `wider` more than it, so that a photo without the kind may still show one.
 */
type Nouns = Readonly<Record<'same' | 'narrower' | 'wider', readonly string[]>>;

/** Category: same / narrower / wider. */
const NOUNS: ReadonlyMap<string, Nouns> = new Map(
  `person: person / man, woman, child, girl, boy, guy, lady, kid
bicycle: bicycle, bike
car: car / taxi, suv, sedan
motorcycle: motorcycle, motorbike
airplane: airplane, plane
boat: boat / ship, sailboat, canoe
fire hydrant: fire hydrant, hydrant
bird: bird / duck, pigeon, seagull
cow: cow / bull, calf
sports ball: sports ball / soccer ball, tennis ball / ball
baseball bat: baseball bat // bat
baseball glove: baseball glove // glove
tennis racket: tennis racket, tennis racquet // racket
wine glass: wine glass // glass
cup: cup / mug
couch: couch, sofa
potted plant: potted plant // plant
dining table: dining table // table
tv: tv, television
mouse: computer mouse // mouse
cell phone: cell phone, cellphone // phone
refrigerator: refrigerator, fridge`
    .split('\n')
    .map((line) => {
      const [name, rest] = line.split(': ') as [string, string];
      const lists = rest.split('/').map((words) => words.split(',').map((each) => each.trim()));
      const [same, narrower, wider] = lists.map((words) => words.filter((each) => each !== ''));
      return [name, { same: same!, narrower: narrower ?? [], wider: wider ?? [] }];
    }),
);

/** The bare noun comes three times: it is what people ask most. */
const ABSENT_TEMPLATES = (
  'the N,the N,the N,a N,the left N,the N on the left,the right N,the N on the right,the second N from the left,the red N,' +
  'the blue N,the largest N,the N next to the OTHER,the white N in the back,the N in the middle,the N in front'
).split(',');
/** "a scissors", "the second skis" and "two broccolis" are not English, and "all broccoli" is no set. */
const UNCOUNTED = new Set(['scissors', 'skis', 'broccoli']);
const COUNTING = /^a N$|^all P$|second|every|both|two|COUNT/;
const ORDINALS = ['second', 'third', 'fourth', 'fifth', 'sixth'];
const COUNTS = ['two', 'three', 'four', 'five', 'six', 'seven', 'eight'];
/** One photo with what is annotated in it, by category. */
interface Photo {
  readonly id: number;
  readonly image: string;
  readonly kinds: ReadonlyMap<string, readonly CocoAnnotation[]>;
}

/**
 * Makes queries from annotations that name everything of their categories in each photo: what is absent, what the words do
 * not reach, sets, and single things. The same entries and seed give the same queries; no photo has the same words twice.
 * The queries of a photo do not depend on which others count. @param entries a COCO dataset, see `cocoEntries`
 * @param images file names; without them, every photo counts
 * @param seed its lowest 32 bits count
 * @returns in the order of the photos; `extra.kind` is `absent`, `unreached`, `set` or `present`
 * @throws VgrError INPUT_INVALID for a photo without a file name or an annotation of a category that is not listed
 */
export function annotatedQueries(
  entries: readonly CocoEntry[],
  { images, seed }: { readonly images?: ReadonlySet<string>; readonly seed: number },
): Query[] {
  const listed = entries.flatMap((each) => (each.kind === 'category' ? each.category.name : []));
  const names = [...new Set(listed)];
  const root = new SeededRandom(seed);
  const queries: Query[] = [];
  for (const photo of photosOf(entries)) {
    // One number a photo, wanted or not: its queries stay the same whichever others are wanted.
    const random = new SeededRandom(root.nextUint32());
    if (images !== undefined && !images.has(photo.image)) continue;
    const asked = new Questions(photo);
    askAbsent(asked, names, random);
    for (const name of photo.kinds.keys()) askPresent(asked, name, random);
    for (const query of asked.queries) queries.push({ ...query, line: queries.length + 1 });
  }
  return queries;
}

function photosOf(entries: readonly CocoEntry[]): Photo[] {
  const names = new Map<number, string>();
  const photos = new Map<number, { image: string; kinds: Map<string, CocoAnnotation[]> }>();
  for (const entry of entries) {
    if (entry.kind === 'category') names.set(entry.category.id, entry.category.name);
    if (entry.kind !== 'image') continue;
    const { id, fileName } = entry.image;
    if (fileName === undefined) throw invalid(`image ${id} has no \`file_name\``);
    photos.set(id, { image: fileName, kinds: new Map() });
  }
  for (const entry of entries) {
    if (entry.kind !== 'annotation') continue;
    const { id, imageId, categoryId: category } = entry.annotation;
    const name = names.get(category);
    if (name === undefined) {
      throw invalid(
        `annotation ${id} has category ${category}, which \`categories\` does not list`,
      );
    }
    const kinds = photos.get(imageId)?.kinds;
    kinds?.set(name, [...(kinds.get(name) ?? []), entry.annotation]);
  }
  return Array.from(photos, ([id, photo]) => ({ id, ...photo }));
}

const invalid = (what: string): VgrError =>
  new VgrError('INPUT_INVALID', `annotations: ${what}`, {
    hint: 'annotations are a COCO dataset: `images` with `file_name`, `annotations`, `categories`',
  });

/** The queries of one photo; the same words are asked once. */
class Questions {
  readonly queries: Query[] = [];
  readonly #asked = new Set<string>();

  constructor(readonly photo: Photo) {}

  ask(kind: AnnotatedKind, query: string, truthsXywh: readonly BoxXywh[]): void {
    if (this.#asked.has(query)) return;
    this.#asked.add(query);
    const { id, image } = this.photo;
    this.queries.push({
      id: `${kind}-${id}-${this.queries.length}`,
      line: 0,
      query,
      imagePath: image,
      truthsXywh,
      tools: [],
      extra: { kind },
    });
  }

  /** Whether the noun may mean something in the photo, other than what is of the category `except`. */
  mayShow(noun: string, except?: string): boolean {
    const meant = labelsOf(noun);
    return [...this.photo.kinds.keys()].some(
      (name) =>
        name !== except && labelsOf(name.toLowerCase()).some((label) => meant.includes(label)),
    );
  }
}

/** The noun itself, as categories need not be COCO's, and what it means of those. */
const labelsOf = (noun: string): string[] => [noun, ...pointersOf(noun).map(({ label }) => label)];

const nounsOf = (name: string): Nouns =>
  NOUNS.get(name) ?? { same: [name.toLowerCase()], narrower: [], wider: [] };
const pick = <T>(items: readonly T[], random: SeededRandom): T =>
  items[random.nextBelow(items.length)]!;
const filled = (template: string, words: Readonly<Record<string, string>>): string =>
  template.replace(/[A-Z]+/g, (place) => words[place]!);

function askAbsent(asked: Questions, names: readonly string[], random: SeededRandom): void {
  const { kinds } = asked.photo;
  const absent = names.filter((name) => !kinds.has(name));
  if (absent.length === 0) return;
  for (let draw = 0; draw < MAX_DRAWS && asked.queries.length < ABSENT_PER_PHOTO; draw++) {
    const { same, narrower } = nounsOf(pick(absent, random));
    const noun = pick([...same, ...narrower], random);
    const template = pick(ABSENT_TEMPLATES, random);
    if (asked.mayShow(noun) || (UNCOUNTED.has(noun) && COUNTING.test(template))) continue;
    if (template.includes('OTHER') && kinds.size === 0) continue;
    const others = nounsOf(kinds.size === 0 ? '' : pick([...kinds.keys()], random)).same;
    const words = filled(template, { N: noun, OTHER: pick(others, random) });
    asked.ask('absent', words.replace(/^a (?=[aeiou])/, 'an '), []);
  }
}

/** What can be asked of a kind that the photo has, where every one of it is told apart. */
function askPresent(asked: Questions, name: string, random: SeededRandom): void {
  const all = asked.photo.kinds.get(name)!;
  const { same, wider } = nounsOf(name);
  const noun = pick([...same, ...wider], random);
  const fewer = random.next() < UNREACHED_SHARE;
  const end = pick(['left', 'right'], random);
  const draw = random.next();
  if (all.some(({ crowd }) => crowd) || asked.mayShow(noun, name)) return;
  const boxes = all.map(({ boxXywh }) => boxXywh);
  if (all.length === 1) asked.ask('present', `the ${noun}`, boxes);
  else if (all.length <= MAX_SET) {
    const plural = UNCOUNTED.has(noun) ? noun : pluralOf(noun);
    const isSaid = (template: string) => !UNCOUNTED.has(noun) || !COUNTING.test(template);
    const templates = setTemplates(all.length).filter(isSaid);
    // "the two glasses" is what someone wears.
    const kept = labelsOf(noun)
      .slice(1)
      .every((label) => labelsOf(plural).includes(label));
    const template = templates[Math.floor(draw * templates.length)]!;
    const words = filled(template, { N: noun, P: plural, COUNT: COUNTS[all.length - 2]! });
    if (kept) asked.ask('set', words, boxes);
  }
  const rank = ORDINALS[all.length - 1];
  if (fewer && rank !== undefined && !UNCOUNTED.has(noun)) {
    asked.ask('unreached', `the ${rank} ${noun} from the ${end}`, []);
  }
}

const setTemplates = (count: number): readonly string[] =>
  count === 2
    ? ['both P', 'all the P', 'the two P', 'all P']
    : ['all the P', 'the COUNT P', 'all P', 'every N'];
