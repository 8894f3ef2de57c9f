import type { Expression } from './expression.js';
import { pointersOf } from './lexicon.js';
import { singularOf, verbStems } from './morphology.js';
import { FUNCTION_WORDS, QUESTION_WORDS } from './vocabulary.js';

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

const LABELS = Object.keys(PURPOSES);

/** Word to the labels that it asks for; made on first use. */
let labelsOfWord: ReadonlyMap<string, readonly string[]> | undefined;

function purposeIndex(): ReadonlyMap<string, readonly string[]> {
  if (labelsOfWord !== undefined) return labelsOfWord;
  const index = new Map<string, string[]>();
  for (const [label, words] of Object.entries(PURPOSES)) {
    for (const word of words.split(' ')) index.set(word, [...(index.get(word) ?? []), label]);
  }
  labelsOfWord = index;
  return index;
}

/** Labels that ask for less than this share of what the best one does are not meant. */
const FAINT = 0.5;
/** Names below weight this hardly name the label. */
const NAMES = 0.7;

function labelsAsked(word: string): readonly string[] {
  const index = purposeIndex();
  const forms = [word, singularOf(word), ...verbStems(word)];
  return forms.map((form) => index.get(form)).find((labels) => labels !== undefined) ?? [];
}

/** True for words that tell what a question asks for: "sit" and "animal", not "abstruse". */
export function tellsPurpose(word: string): boolean {
  return labelsAsked(word).length > 0 || pointersOf(word).length > 0;
}

/** "What animal", "which vehicle": the noun right after the question word names the kind. */
function kindAsked(words: readonly string[]): ReadonlyMap<string, number> {
  const [question, noun] = words;
  if (
    noun === undefined ||
    FUNCTION_WORDS.has(noun) ||
    (question !== 'what' && question !== 'which')
  )
    return new Map();
  return new Map(
    pointersOf(noun)
      .filter(({ kind }) => kind !== 'worn')
      .map(({ label, weight }) => [label, weight]),
  );
}

/** Things that a question names outright, as in "what is used to hit the ball", are not what it asks for. */
function namedOutright(words: readonly string[]): ReadonlySet<string> {
  return new Set(
    words
      .slice(2)
      .filter((word) => !FUNCTION_WORDS.has(word))
      .flatMap((word) =>
        pointersOf(word)
          .filter(({ kind, weight }) => (kind === 'exact' || kind === 'synonym') && weight >= NAMES)
          .map(({ label }) => label),
      ),
  );
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
    if (FUNCTION_WORDS.has(word) || QUESTION_WORDS.has(word)) continue;
    const labels = labelsAsked(word);
    for (const label of labels) {
      worth.set(label, (worth.get(label) ?? 0) + Math.log(LABELS.length / labels.length));
    }
  }
  for (const label of worth.keys()) {
    if (named.has(label) || (kind.size > 0 && !kind.has(label))) worth.delete(label);
  }
  if (worth.size === 0) return kind;
  const best = Math.max(...worth.values());
  return new Map(
    [...worth]
      .map(([label, value]) => [label, value / best] as const)
      .filter(([, share]) => share >= FAINT),
  );
}
