import { lazy, memoized } from '../core/lru.js';
import type { Expression, HeadNoun } from './expression.js';
import {
  labelNames,
  looksLikePerson,
  type Pointer,
  type PointerKind,
  pointersOf,
} from './lexicon.js';
import { singularOf, verbStems } from './morphology.js';
import { isContentWord, QUESTION_WORDS } from './vocabulary.js';
import { isKnown } from './words.js';

/** How well a label of a detector names what an expression is about; the weight is 1 where the noun is the label itself. */
type Denotation = Omit<Pointer, 'label'>;

/** Label, as the detector writes it, to how well it names the head. Labels that do not fit are left out. */
export type Denotations = ReadonlyMap<string, Denotation>;

/** A kind stated by the noun, of which the label is only one sort: "car" where the label is "taxi". */
const NARROWER_LABEL = 0.8;
/** The noun's last word alone is the label: "race car" for "car", but "toy car" too. */
const LAST_WORD = 0.9;
/** Names of less weight hardly name the label. */
const NAMES = 0.7;
/** "dog petter", "drummer": persons by the look of the word. */
const AGENT_WEIGHT = 0.4;

/** "Traffic_Light" and "traffic lights" are `traffic light`. */
function plainName(name: string): string {
  const words = name
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .split(' ');
  return [...words.slice(0, -1), singularOf(words.at(-1) ?? '')].join(' ');
}

/** Pointers of the longest known name that ends the noun: "kitchen sink" points where "sink" does. */
function pointersByEnd(noun: string): readonly Pointer[] {
  const words = noun.split(' ');
  for (let from = 0; from < words.length; from++) {
    const pointers = pointersOf(words.slice(from).join(' '));
    if (pointers.length > 0) return pointers;
  }
  return looksLikePerson(words.at(-1) ?? '')
    ? [{ label: 'person', kind: 'hyponym', weight: AGENT_WEIGHT }]
    : [];
}

/** What a detector's label stands for in COCO's words: "sofa" is `couch` itself, "taxi" a kind of `car`. */
function labelPointer(label: string): Pointer | null {
  // Tools that read expressions label boxes with pieces of them: "person bottom".
  const pointers = [...pointersByEnd(label), ...label.split(' ').flatMap(pointersOf)];
  return pointers.find(({ weight, kind }) => weight >= NAMES && kind !== 'worn') ?? null;
}

function throughLexicon(pointers: readonly Pointer[], target: Pointer | null): Denotation | null {
  if (target === null) return null;
  const pointer = pointers.find((candidate) => candidate.label === target.label);
  if (pointer === undefined) return null;
  if (isSameThing(target.kind)) return pointer;
  // Two sorts of one thing ("jeep", "taxi") exclude each other; the thing itself covers its sorts.
  return isSameThing(pointer.kind)
    ? { weight: pointer.weight * NARROWER_LABEL, kind: 'hypernym' }
    : null;
}

const isSameThing = (kind: PointerKind): boolean => kind === 'exact' || kind === 'synonym';

/** A detector's label whatever the noun. Detectors have few labels; tools that read expressions make up new ones. */
const knownLabel = memoized(1024, (label) => {
  const name = plainName(label);
  return { name, target: name === '' ? null : labelPointer(name) };
});

function denote(noun: string, pointers: readonly Pointer[], label: string): Denotation | null {
  const { name, target } = knownLabel(label);
  if (name === '') return null;
  if (name === noun) return { weight: 1, kind: 'exact' };
  const known = throughLexicon(pointers, target);
  if (known !== null) return known;
  // A piece of the expression that the lexicon does not know: "left lion" is a lion.
  if (target === null && ` ${name} `.includes(` ${noun} `)) {
    return { weight: LAST_WORD, kind: 'exact' };
  }
  if (pointersOf(noun).length > 0) return null;
  const last = noun.split(' ').at(-1) ?? '';
  return last === name ? { weight: LAST_WORD, kind: 'hyponym' } : null;
}

/**
 * How well each label of a detector names the head noun. Any set of labels will do: equal names first, plural or not, then
 * the lexicon, then the noun's last word. Empty where there is no noun or it names nothing the detector knows; the caller
 * says so. For "the left jeep" and the labels `car`, `dog` it is `car` with weight 1, a hyponym.
 */
export function denotationsOf(
  expression: Pick<Expression, 'head' | 'deniedKinds' | 'exceptions'>,
  labels: Iterable<string>,
): Denotations {
  const { head } = expression;
  if (head === null) return new Map();
  const found = namedBy(head.lemma, labels);
  for (const label of labelsDenied(expression, found.keys())) found.delete(label);
  return found;
}

function namedBy(lemma: string, labels: Iterable<string>): Map<string, Denotation> {
  const found = new Map<string, Denotation>();
  const noun = plainName(lemma);
  const pointers = pointersByEnd(lemma);
  for (const label of labels) {
    const denotation = denote(noun, pointers, label);
    if (denotation !== null) found.set(label, denotation);
  }
  return found;
}

/** A noun that may mean a label among others does not deny it: "not a bat" is no word on birds. */
const DENYING_WEIGHT = 0.5;

/**
 * Labels that the expression says its thing is not: `car` for "vehicle that isn't a car". Empty where that would leave none of
 * them: labels cannot tell "the person who is not a child".
 */
export function labelsDenied(
  expression: Pick<Expression, 'deniedKinds' | 'exceptions'>,
  labels: Iterable<string>,
): ReadonlySet<string> {
  const deniedKinds = [...expression.deniedKinds, ...expression.exceptions.flatMap(wholeKind)];
  if (deniedKinds.length === 0) return new Set();
  const all = [...labels];
  const denied = deniedKinds.flatMap((kind) =>
    [...namedBy(kind.lemma, all)].filter(([, { weight }]) => weight >= DENYING_WEIGHT),
  );
  const found = new Set(denied.map(([label]) => label));
  return found.size < all.length ? found : new Set();
}

/** "everything but the birds" leaves out a kind; "everything but the red birds" some of it. */
function wholeKind({ head, attributes, selectors, relations }: Expression): HeadNoun[] {
  const closer = attributes.length + selectors.length + relations.length > 0;
  return head === null || closer ? [] : [head];
}

/**
 * The same, and for a question that names nothing the labels that it may ask for: "What can I sit on?" is `chair`, `bench`,
 * `couch`. A tool that looks for named things cannot be asked so; {@link denotationsOf} is what it is held to.
 */
export function meaningsOf(expression: Expression, labels: Iterable<string>): Denotations {
  if (expression.head !== null) return denotationsOf(expression, labels);
  const asked = labelsAskedFor(expression);
  if (asked.size === 0) return new Map();
  const found = new Map<string, Denotation>();
  for (const label of labels) {
    const weight = asked.get(knownLabel(label).target?.label ?? '');
    if (weight !== undefined) found.set(label, { weight, kind: 'hypernym' });
  }
  return found;
}

/**
 * What is known of the noun that names the thing. `unnamed`: there is none. `named`: a label says the same. `narrower`: it is a
 * sort of what the label says ("jeep" of car). `wider`: it holds the label and others ("vehicle"). `worn`: only a garment or part
 * that points at who has it. `other-kind`: English for a thing that no label names. `no-word`: no English word.
 */
export interface HeadKnowledge {
  readonly kind: 'unnamed' | 'named' | 'narrower' | 'wider' | 'worn' | 'other-kind' | 'no-word';
  /** The label that the noun names best; null where none does. */
  readonly label: string | null;
}

const KNOWLEDGE_OF: Readonly<Record<PointerKind, HeadKnowledge['kind']>> = {
  exact: 'named',
  synonym: 'named',
  hyponym: 'narrower',
  hypernym: 'wider',
  worn: 'worn',
};

/** How the head noun stands to COCO's labels, whatever a detector found in a photo. */
export const headKnowledge = ({ head }: Pick<Expression, 'head'>): HeadKnowledge =>
  head === null ? { kind: 'unnamed', label: null } : lemmaKnowledge(head.lemma);

const lemmaKnowledge = memoized(4096, (lemma): HeadKnowledge => {
  const [named] = [...namedBy(lemma, labelNames())].sort(([, a], [, b]) => b.weight - a.weight);
  if (named !== undefined) return { kind: KNOWLEDGE_OF[named[1].kind], label: named[0] };
  return { kind: lemma.split(' ').every(isKnown) ? 'other-kind' : 'no-word', label: null };
});

/**
 * What things are for, what they do and where they belong, as common knowledge has it: the words by which people ask for
 * things without naming them ("What can I sit on?"). Base forms; labels of COCO.
 */
const PURPOSES: Readonly<Record<string, string>> = {
  person: 'speak talk think work write smile live human wear clothes teach laugh',
  bicycle: 'ride pedal cycle transport travel wheel exercise vehicle move',
  car: 'drive travel transport road vehicle ride wheel fuel engine garage park passenger',
  motorcycle: 'ride drive helmet vehicle speed engine race transport travel road wheel',
  airplane: 'fly air sky travel flight wing pilot airport vehicle transport passenger',
  bus: 'passenger travel transport public commute vehicle road drive stop ride school',
  train: 'rail track railway station passenger travel transport commute vehicle locomotive',
  truck: 'cargo load haul carry goods transport deliver drive vehicle road heavy move',
  boat: 'sail water float sea river lake row ocean fish transport travel vehicle cross ship',
  'traffic light': 'signal traffic stop control regulate cross light road intersection vehicle',
  'fire hydrant': 'fire water extinguish firefighter hose emergency flame',
  'stop sign': 'stop sign halt traffic warn road driver obey',
  'parking meter': 'pay park coin parking money meter',
  bench: 'sit seat rest park relax wait',
  bird: 'fly wing feather beak nest sing chirp egg peck sky animal',
  cat: 'pet meow purr mouse scratch whisker milk kitten feline fur hunt catch rat house animal tail claw',
  dog: 'pet bark guard bone fetch walk leash puppy fur loyal protect animal tail friend house hunt wag',
  horse: 'ride gallop saddle race pull carriage rider hoof mane neigh animal farm',
  sheep: 'wool graze lamb shear herd flock farm animal grass',
  cow: 'milk graze beef cattle moo farm herd animal grass dairy',
  elephant: 'trunk tusk ivory largest heavy animal wild',
  bear: 'hibernate honey claw fur animal wild forest dangerous',
  zebra: 'stripe striped graze animal wild grass',
  giraffe: 'neck tall leaf spot animal wild tallest',
  backpack: 'carry bag shoulder back school hike store pack belonging luggage travel',
  umbrella: 'rain shade protect sun wet dry cover shelter open weather',
  handbag: 'carry bag purse wallet belonging money lady store accessory makeup',
  tie: 'neck wear formal suit knot collar accessory dress business',
  suitcase: 'luggage pack travel clothes carry trip baggage store belonging',
  frisbee: 'throw catch toss disc disk play fly game spin',
  skis: 'ski snow slide glide slope winter sport foot mountain downhill',
  snowboard: 'snow slide glide slope winter sport mountain downhill ride',
  'sports ball': 'kick throw catch bounce play game hit sport score round roll dribble',
  kite: 'fly wind string sky air toy play float',
  'baseball bat': 'hit swing strike baseball game sport player',
  'baseball glove': 'catch glove hand baseball protect game sport player',
  skateboard: 'skate ride wheel trick slide sport ramp',
  surfboard: 'surf wave ride ocean sea water sport',
  'tennis racket': 'hit swing tennis strike serve game sport player',
  bottle: 'drink water liquid beverage store pour thirst juice hold contain container beer',
  'wine glass': 'drink wine toast sip alcohol beverage liquid pour party champagne',
  cup: 'drink coffee tea sip mug beverage hot liquid pour hold milk thirst water',
  fork: 'eat food utensil stab pick cutlery meal tine',
  knife: 'cut slice chop spread sharp blade utensil peel food eat weapon bread',
  spoon: 'eat stir scoop soup utensil sip food cutlery sugar',
  bowl: 'soup cereal salad food serve hold mix eat contain store fruit put container snack',
  banana: 'eat fruit peel yellow monkey sweet healthy snack potassium food',
  apple: 'eat fruit sweet healthy snack doctor juice crunchy food',
  sandwich: 'eat bread lunch snack bite hungry food meal filling',
  orange: 'eat fruit juice citrus vitamin peel squeeze sweet healthy food',
  broccoli: 'eat vegetable green healthy vegetarian nutritious food',
  carrot: 'eat vegetable rabbit healthy vegetarian orange nutritious food',
  'hot dog': 'eat sausage bun mustard ketchup lunch snack hungry fast food meal',
  pizza: 'eat cheese slice italian dough bake dinner topping hungry fast food meal',
  donut: 'eat sweet glaze dessert sugar snack bake hole food',
  cake: 'eat birthday dessert sweet celebrate candle bake sugar party food',
  chair: 'sit seat rest relax furniture leg',
  couch: 'sit seat rest relax lie nap furniture living comfortable watch',
  'potted plant':
    'grow plant leaf oxygen water decorate flower soil green pot garden air photosynthesis',
  bed: 'sleep lie rest nap bedroom night dream furniture tired comfortable',
  'dining table': 'table dine eat put place meal dinner serve furniture gather food surface',
  toilet: 'flush pee poop bathroom urinate defecate restroom waste relieve',
  tv: 'watch show program movie news channel screen display entertainment entertain film',
  laptop:
    'type compute work computer internet program browse portable screen game study surf email',
  mouse: 'click cursor computer scroll point pointer control move',
  remote: 'control channel change switch volume tv button press',
  keyboard: 'type key press letter computer input write text button enter',
  'cell phone':
    'call talk phone text message communicate contact ring dial photo speak picture internet',
  microwave: 'heat warm food cook reheat kitchen appliance meal defrost',
  oven: 'bake cook roast heat food kitchen appliance hot stove boil fry meal',
  toaster: 'toast bread heat breakfast kitchen appliance slice',
  sink: 'wash dish hand water clean faucet drain rinse tap',
  refrigerator:
    'cool cold store food fresh keep freeze kitchen appliance chill preserve fridge spoil',
  book: 'read page learn study knowledge story text author information write library title',
  clock: 'time hour tell minute tick watch alarm late show',
  vase: 'flower hold decorate put water decoration bouquet',
  scissors: 'cut paper trim hair sharp blade snip fabric',
  'teddy bear': 'toy cuddle hug child play stuffed soft sleep gift',
  'hair drier': 'hair dry blow wet hot air style',
  toothbrush: 'brush tooth clean teeth mouth hygiene toothpaste dentist',
};

/** Word to the labels that it asks for. */
const purposeIndex = lazy(() => {
  const index = new Map<string, string[]>();
  for (const [label, words] of Object.entries(PURPOSES)) {
    for (const word of words.split(' ')) index.set(word, [...(index.get(word) ?? []), label]);
  }
  return index;
});

/** Labels that ask for less than this share of what the best one does are not meant. */
const FAINT = 0.5;

function labelsAsked(word: string): readonly string[] {
  const forms = [word, singularOf(word), ...verbStems(word)];
  return purposeIndex().get(forms.find((form) => purposeIndex().has(form)) ?? '') ?? [];
}

/** True for words that tell what a question asks for: "sit" and "animal", not "abstruse". */
export function tellsPurpose(word: string): boolean {
  return labelsAsked(word).length > 0 || pointersOf(word).length > 0;
}

/** "What animal", "which vehicle": the noun right after the question word names the kind. */
function kindAsked(words: readonly string[]): ReadonlyMap<string, number> {
  const [question, noun] = words;
  const isAsked = isContentWord(noun) && (question === 'what' || question === 'which');
  const pointers = isAsked ? pointersOf(noun).filter(({ kind }) => kind !== 'worn') : [];
  return new Map(pointers.map(({ label, weight }) => [label, weight]));
}

/** Things that a question names outright, as in "what is used to hit the ball", are not what it asks for. */
function namedOutright(words: readonly string[]): ReadonlySet<string> {
  const pointers = words.slice(2).filter(isContentWord).flatMap(pointersOf);
  const named = pointers.filter(({ kind, weight }) => isSameThing(kind) && weight >= NAMES);
  return new Set(named.map(({ label }) => label));
}

/**
 * Labels that a question may ask for, each 0..1; empty for what is no question and where no word tells. A word counts the
 * more, the fewer labels it fits, and the best label has 1; where only the kind is told, the lexicon's weights count.
 * "What do we use to slide on snow?" is skis and snowboard.
 */
export function labelsAskedFor({ words }: Expression): ReadonlyMap<string, number> {
  if (!QUESTION_WORDS.has(words[0] ?? '')) return new Map();
  const kind = kindAsked(words);
  const named = namedOutright(words);
  const worth = new Map<string, number>();
  for (const word of new Set(words)) {
    if (!isContentWord(word) || QUESTION_WORDS.has(word)) continue;
    const labels = labelsAsked(word);
    const rarity = Math.log(Object.keys(PURPOSES).length / labels.length);
    for (const label of labels) worth.set(label, (worth.get(label) ?? 0) + rarity);
  }
  for (const label of worth.keys()) {
    if (named.has(label) || (kind.size > 0 && !kind.has(label))) worth.delete(label);
  }
  if (worth.size === 0) return kind;
  const best = Math.max(...worth.values());
  const shares = [...worth].map(([label, value]) => [label, value / best] as const);
  return new Map(shares.filter(([, share]) => share >= FAINT));
}
