import type { BoxXywh } from '../core/box.js';
import { VgrError } from '../core/error.js';
import { exactText } from '../core/exact-json.js';
import { SeededRandom } from '../core/random.js';
import type { CocoAnnotation, CocoEntry } from '../formats/coco-records.js';
import type { CocoId } from '../formats/foreign-json.js';
import type { Query } from '../formats/query-line.js';
import { pointersOf } from '../language/lexicon.js';
import { pluralOf } from '../language/morphology.js';

/**
 * What a query made from annotations is about. `absent`: the photo has nothing of the kind. `unreached`: it has some, but
 * fewer than the ordinal asks for. `set`: all of a kind. `present`: the only one of its kind, so that "the zebra" alone is no
 * sign of absence.
 */
type AnnotatedKind = 'absent' | 'unreached' | 'set' | 'present';

const ABSENT_PER_PHOTO = 6;
/** A photo that holds nearly every kind gets fewer queries. */
const MAX_DRAWS = 40;
/** Share of the categories with up to five objects of which one object more is asked for. */
const UNREACHED_SHARE = 0.5;
/** Annotators leave some out where there are more objects than this. */
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
      const [name, nouns] = line.split(': ') as [string, string];
      const lists = nouns.split('/').map((list) => list.match(/\w[\w ]*\w/g) ?? []);
      const [same = [], narrower = [], wider = []] = lists;
      return [name, { same, narrower, wider }];
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

/**
 * Makes queries from annotations that name everything of their categories in each photo: what is absent, what the words do
 * not reach, sets, and single things. The same entries and seed give the same queries; no photo has the same words twice.
 * The queries of a photo do not depend on which other photos are taken.
 * @param entries a COCO dataset, see `cocoEntries`
 * @param images file names; without them, every photo is taken
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
    // One number a photo, taken or not: its queries stay the same whichever other photos are taken.
    const random = new SeededRandom(root.nextUint32());
    if (images !== undefined && !images.has(photo.imagePath)) continue;
    addAbsent(photo, names, random);
    for (const name of photo.objects.keys()) addPresent(photo, name, random);
    for (const query of photo.queries) queries.push({ ...query, line: queries.length + 1 });
  }
  return queries;
}

function photosOf(entries: readonly CocoEntry[]): readonly AnnotatedPhoto[] {
  const names = new Map<CocoId, string>();
  const photos = new Map<CocoId, AnnotatedPhoto>();
  for (const entry of entries) {
    if (entry.kind === 'category') names.set(entry.category.id, entry.category.name);
    if (entry.kind !== 'image') continue;
    const { id, fileName } = entry.image;
    if (fileName === undefined) throw invalid(`image ${id} has no \`file_name\``);
    photos.set(id, new AnnotatedPhoto(id, fileName));
  }
  for (const entry of entries) {
    if (entry.kind !== 'annotation') continue;
    const { id, imageId, categoryId } = entry.annotation;
    const name = names.get(categoryId);
    if (name === undefined) {
      throw invalid(
        `annotation ${id} has category ${categoryId}, which \`categories\` does not list`,
      );
    }
    const objects = photos.get(imageId)?.objects;
    objects?.set(name, [...(objects.get(name) ?? []), entry.annotation]);
  }
  return [...photos.values()];
}

const invalid = (what: string): VgrError =>
  new VgrError('INPUT_INVALID', `annotations: ${what}`, {
    hint: 'annotations are a COCO dataset: `images` with `file_name`, `annotations`, `categories`',
  });

class AnnotatedPhoto {
  /** What is annotated in it, by category. */
  readonly objects = new Map<string, readonly CocoAnnotation[]>();
  /** No two with the same words. */
  readonly queries: Query[] = [];

  constructor(
    private readonly id: CocoId,
    readonly imagePath: string,
  ) {}

  add(kind: AnnotatedKind, query: string, truthsXywh: readonly BoxXywh[]): void {
    const { queries, imagePath } = this;
    if (queries.some((each) => each.query === query)) return;
    const id = `${kind}-${exactText(this.id)}-${queries.length}`;
    queries.push({ id, line: 0, query, imagePath, truthsXywh, tools: [], extra: { kind } });
  }

  /** Whether the noun may mean something in the photo, other than what is of the category `except`. */
  mayShow(noun: string, except?: string): boolean {
    const meant = labelsOf(noun);
    return [...this.objects.keys()].some(
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
  template.replace(/[A-Z]+/g, (slot) => words[slot]!);

function addAbsent(photo: AnnotatedPhoto, names: readonly string[], random: SeededRandom): void {
  const { objects } = photo;
  const absent = names.filter((name) => !objects.has(name));
  if (absent.length === 0) return;
  for (let draw = 0; draw < MAX_DRAWS && photo.queries.length < ABSENT_PER_PHOTO; draw++) {
    const { same, narrower } = nounsOf(pick(absent, random));
    const noun = pick([...same, ...narrower], random);
    const template = pick(ABSENT_TEMPLATES, random);
    if (photo.mayShow(noun) || (UNCOUNTED.has(noun) && COUNTING.test(template))) continue;
    if (template.includes('OTHER') && objects.size === 0) continue;
    const others = nounsOf(objects.size === 0 ? '' : pick([...objects.keys()], random)).same;
    const words = filled(template, { N: noun, OTHER: pick(others, random) });
    photo.add('absent', words.replace(/^a (?=[aeiou])/, 'an '), []);
  }
}

/** Queries about a category that the photo has, where its objects are annotated one by one. */
function addPresent(photo: AnnotatedPhoto, name: string, random: SeededRandom): void {
  const all = photo.objects.get(name)!;
  const { same, wider } = nounsOf(name);
  const noun = pick([...same, ...wider], random);
  const fewer = random.next() < UNREACHED_SHARE;
  const end = pick(['left', 'right'], random);
  const draw = random.next();
  if (all.some(({ crowd }) => crowd) || photo.mayShow(noun, name)) return;
  const boxes = all.map(({ boxXywh }) => boxXywh);
  if (all.length === 1) photo.add('present', `the ${noun}`, boxes);
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
    if (kept) photo.add('set', words, boxes);
  }
  const rank = ORDINALS[all.length - 1];
  if (fewer && rank !== undefined && !UNCOUNTED.has(noun)) {
    photo.add('unreached', `the ${rank} ${noun} from the ${end}`, []);
  }
}

const setTemplates = (count: number): readonly string[] =>
  count === 2
    ? ['both P', 'all the P', 'the two P', 'all P']
    : ['all the P', 'the COUNT P', 'all P', 'every N'];
