import type {
  Attribute,
  AttributePart,
  Expression,
  HeadNoun,
  Quantity,
  RelationKind,
} from './expression.js';
import { isAnimate, isPerson, isWorn, pointersOf } from './lexicon.js';
import { type Chunk, type Description, headNoun, headOf, modifierRole } from './phrase.js';
import { quantityOf } from './quantity.js';
import { joinOrdinals, type OpenSelector } from './selector.js';
import { PART_OF_NOUN, PARTITIVES, wordSet } from './vocabulary.js';
import type { Token } from './words.js';

export interface RelationDraft {
  kind: RelationKind;
  readonly words: string;
  readonly landmarks: ExpressionDraft[];
  readonly negated: boolean;
}

/** An expression while it is being put together. */
export class ExpressionDraft {
  head: HeadNoun | null = null;
  attributes: Attribute[] = [];
  selectors: OpenSelector[] = [];
  relations: RelationDraft[] = [];
  count: number | null = null;
  /** What words before the noun say of how many are meant; null where they say nothing. */
  quantity: Quantity | null = null;
  deniedKinds: HeadNoun[] = [];
  leftovers: string[] = [];

  constructor(public tokens: readonly Token[]) {}
}

/** Where the garment or part sits; `worn` where the lexicon knows only that it is one. */
const partOf = (noun: string): AttributePart =>
  PART_OF_NOUN.get(noun) ?? PART_OF_NOUN.get(noun.split(' ').at(-1)!) ?? 'worn';

/** Colours, patterns and bare "light" or "dark" show in pixels of a certain part. */
const shows = ({ kind, shade }: Description): boolean =>
  kind === 'colour' || kind === 'pattern' || shade !== null;

/** A word that describes the thing as a whole. */
const plainAttribute = (word: string): Attribute => ({
  kind: 'other',
  value: word,
  word,
  shade: null,
  negated: false,
  part: 'whole',
  owner: null,
});

/** Skin, not clothes, is what these tell before a person: "white guy". */
const SKIN = new Set(['white', 'black', 'brown', 'yellow']);

function ownPart(description: Description, head: HeadNoun | null, before: boolean): AttributePart {
  if (head === null || !shows(description)) return 'whole';
  if (isWorn(head.lemma)) return partOf(head.lemma);
  if (!isPerson(head.lemma)) return 'whole';
  return before && SKIN.has(description.value) ? 'whole' : 'worn';
}

/** The chunk's describing words as attributes of its noun: "gray haired woman" and "blonde girl" tell of hair. */
function ownAttributes({ descriptions, nouns }: Chunk, head: HeadNoun | null): Attribute[] {
  const person = head !== null && isPerson(head.lemma);
  const haired = person && descriptions.some(({ word }) => word === 'haired');
  return descriptions.map((description) => {
    const hair = person && (haired || /^blonde?$/.test(description.word)) && shows(description);
    if (hair) return { ...description, part: 'head', owner: 'hair' };
    return { ...description, part: ownPart(description, head, nouns.length > 0), owner: null };
  });
}

/** Lays the chunk's words on the draft as its own noun and attributes. */
export function fill(draft: ExpressionDraft, chunk: Chunk): void {
  const found = headOf(chunk.nouns);
  draft.count = chunk.count ?? draft.count;
  draft.leftovers.push(...chunk.leftovers);
  if (found === null) {
    draft.attributes.push(...ownAttributes(chunk, draft.head));
    return;
  }
  const { head, modifiers } = found;
  draft.head = head;
  const garment = modifiers.find((modifier) => modifierRole(modifier, head) === 'worn')?.word;
  for (const own of ownAttributes(chunk, head)) {
    const ofGarment = garment !== undefined && own.owner === null && shows(own);
    draft.attributes.push(ofGarment ? { ...own, part: partOf(garment), owner: garment } : own);
  }
  for (const modifier of modifiers) addModifier(draft, modifier, head, chunk);
}

const MODIFIER_RELATIONS = { possessor: 'of', worn: 'wearing', thing: 'with' } as const;

function addModifier(draft: ExpressionDraft, modifier: Token, head: HeadNoun, chunk: Chunk): void {
  const { word } = modifier;
  const role = modifierRole(modifier, head);
  if (role === 'word') {
    draft.attributes.push(plainAttribute(word));
    return;
  }
  const landmark = new ExpressionDraft([modifier]);
  landmark.head = headNoun(word);
  if (role === 'worn') {
    const shown = chunk.descriptions.filter(shows);
    landmark.attributes = shown.map((each) => ({ ...each, part: partOf(word), owner: null }));
  }
  relate(draft, MODIFIER_RELATIONS[role], landmark);
}

/** Adds a relation that no words of its own tell. */
export function relate(
  draft: ExpressionDraft,
  kind: RelationKind,
  landmark: ExpressionDraft,
  negated = false,
): void {
  draft.relations.push({ kind, words: '', landmarks: [landmark], negated });
}

/** A draft of its own for a chunk that names another thing; `tokens` are the chunk's words by default. */
export function draftOf(chunk: Chunk, tokens?: readonly Token[]): ExpressionDraft {
  const describing = chunk.descriptions.map(({ word }) => ({ word, possessive: false }));
  const draft = new ExpressionDraft(tokens ?? [...describing, ...chunk.nouns]);
  fill(draft, chunk);
  return draft;
}

/**
 * The chunk that names what is meant: the first with a noun, but a person further on goes before a garment ("blue shirt,
 * lady").
 */
export function mainChunk(chunks: readonly Chunk[]): Chunk | undefined {
  const named = chunks.filter((chunk) => chunk.nouns.length > 0);
  const [first] = named;
  if (!isWorn(first?.lemma ?? '')) return first;
  return named.find(({ lemma = '' }) => isPerson(lemma)) ?? first;
}

/** Chunks beside the main one: garments are worn, other things come along, bare words describe. */
export function addBeside(draft: ExpressionDraft, chunk: Chunk): void {
  if (chunk.nouns.length === 0) {
    fill(draft, chunk);
    return;
  }
  const other = draftOf(chunk);
  const lemma = other.head?.lemma ?? '';
  const apposition = draft.head !== null && isPerson(lemma) && isPerson(draft.head.lemma);
  if (apposition || draft.head === null) {
    draft.leftovers.push(...other.tokens.map(({ word }) => word));
    return;
  }
  if (namesSame(draft.head.lemma, lemma)) {
    draft.attributes.push(...other.attributes);
    draft.leftovers.push(...other.leftovers);
    return;
  }
  const kind = isWorn(lemma) ? 'wearing' : 'with';
  if (chunk.denial === 'other-kind' && kind === 'with') deny(draft, other);
  else relate(draft, kind, other, chunk.denial !== null);
}

/**
 * "vehicle that is not a car" is of another kind; "cup, not the red one" has another colour. A kind that is told closer ("not a
 * red car") is not denied as a whole.
 */
export function deny(draft: ExpressionDraft, other: ExpressionDraft): void {
  const closer = other.attributes.length + other.selectors.length + other.relations.length > 0;
  if (other.head !== null && !closer) draft.deniedKinds.push(other.head);
  else if (other.head !== null && other.head.phrase !== draft.head?.phrase) {
    draft.leftovers.push(other.head.phrase);
  }
  const along = other.relations.flatMap(({ landmarks }) =>
    landmarks.flatMap(({ tokens }) => tokens),
  );
  draft.leftovers.push(...along.map(({ word }) => word));
  draft.attributes.push(...other.attributes.map((own) => ({ ...own, negated: true })));
  draft.selectors.push(...other.selectors.map((own) => ({ ...own, negated: true })));
  draft.leftovers.push(...other.leftovers);
}

/** "double decker, orange bus": another name for the same kind of thing tells more of the thing. */
function namesSame(one: string, other: string): boolean {
  const label = (lemma: string) =>
    pointersOf(lemma).find(({ kind }) => kind !== 'worn' && kind !== 'hypernym')?.label;
  return label(one) !== undefined && label(one) === label(other);
}

/** Adds the colours of what is worn to the wearer, with the part where they show. */
function foldGarments(draft: ExpressionDraft): void {
  for (const { kind, landmarks, negated } of draft.relations) {
    const garment = landmarks[0]?.head?.lemma;
    const wears = garment === undefined ? isAnimate(draft.head?.lemma ?? '') : isWorn(garment);
    if (kind !== 'wearing' && !(kind === 'with' && wears)) continue;
    for (const landmark of landmarks) foldGarment(draft, landmark, negated);
  }
}

function foldGarment(draft: ExpressionDraft, garment: ExpressionDraft, negated: boolean): void {
  const owner = garment.head?.lemma ?? null;
  if (owner !== null && !isWorn(owner)) return;
  const part = owner === null ? 'worn' : partOf(owner);
  for (const shown of garment.attributes.filter(shows)) {
    const twice = draft.attributes.some((own) => own.word === shown.word && own.owner === owner);
    if (twice) continue;
    draft.attributes.push({ ...shown, part, owner, negated: shown.negated !== negated });
  }
}

/** The landmark of the relation at an index, which has a noun, stands for what the draft names. */
function absorb(draft: ExpressionDraft, at: number, head: HeadNoun): void {
  const whole = draft.relations[at]!.landmarks[0]!;
  draft.head = head;
  draft.attributes.push(...whole.attributes);
  draft.selectors.push(...whole.selectors);
  draft.leftovers.push(...whole.leftovers);
  draft.relations.splice(at, 1, ...whole.relations);
}

/** "pair of skis", "side of a bus": the thing after "of" is meant, not the part. */
function liftPartitive(draft: ExpressionDraft): void {
  const { head } = draft;
  const at = draft.relations.findIndex(({ kind }) => kind === 'of');
  const { landmarks: [whole] = [], words = '' } = draft.relations[at] ?? {};
  if (head === null || !whole?.head || words === '' || !PARTITIVES.has(head.lemma)) return;
  draft.attributes.push(plainAttribute(head.phrase));
  if (!head.plural) draft.quantity ??= { kind: 'one' };
  draft.count ??= whole.count;
  absorb(draft, at, whole.head);
}

/** "the bigger of the two dogs", "one of the dogs": a thing without a name of its own is one of those. */
function liftGroup(draft: ExpressionDraft): void {
  const at = draft.relations.findIndex(({ kind, words }) => kind === 'of' && words === 'of');
  const { landmarks: [group] = [], negated } = draft.relations[at] ?? {};
  if (draft.head !== null || !group?.head?.plural || negated) return;
  absorb(draft, at, { ...group.head, plural: false });
}

/** "right side of the bed": nothing else is named, so it is the bed on the right. */
function liftSide(draft: ExpressionDraft): void {
  const at = draft.relations.findIndex(
    ({ kind, words }) =>
      (kind === 'left-of' || kind === 'right-of') && /(?:^| )side of$/.test(words),
  );
  const relation = draft.relations[at];
  const whole = relation?.landmarks[0];
  if (draft.head !== null || relation === undefined || !whole?.head) return;
  const { kind, words, negated } = relation;
  absorb(draft, at, whole.head);
  const end = kind === 'left-of' ? 'min' : 'max';
  draft.selectors.push({ axis: 'x', end, rank: null, words, negated });
}

/** "the man walking in front": of no thing in particular, so of the others. */
function placeInDepth(draft: ExpressionDraft): void {
  const isAlone = ({ kind, landmarks }: RelationDraft) =>
    landmarks.length === 0 && (kind === 'in-front-of' || kind === 'behind');
  for (const { kind, words, negated } of draft.relations.filter(isAlone)) {
    const end = kind === 'behind' ? 'max' : 'min';
    draft.selectors.push({ axis: 'depth', end, rank: null, words, negated });
  }
  draft.relations = draft.relations.filter((relation) => !isAlone(relation));
}

/** Without pauses. */
export const wordsOf = (tokens: readonly Token[]): string[] =>
  tokens.map(({ word }) => word).filter((word) => word !== ',');

/** The expression that a draft has come to, its landmarks too. Changes the draft. */
export function finish(draft: ExpressionDraft): Expression {
  liftPartitive(draft);
  liftGroup(draft);
  liftSide(draft);
  placeInDepth(draft);
  foldGarments(draft);
  const { tokens, ...parts } = draft;
  const words = wordsOf(tokens);
  return {
    ...parts,
    text: words.join(' '),
    words,
    selectors: joinOrdinals(draft.selectors),
    relations: draft.relations.map((each) => ({ ...each, landmarks: each.landmarks.map(finish) })),
    quantity: draft.quantity ?? quantityOf(draft.head, draft.count, tokens),
    exceptions: [],
    corrections: [],
    promptWords: [],
    unknownWords: [],
  };
}

/** Parts by which a body holds or carries. Detectors box the body, not these. */
const PARTS = wordSet(
  'hand arm lap mouth beak paw trunk fist palm head face neck back shoulder wrist waist foot leg',
);
/** Parts that are a person's where nobody is named: "in hand", "on her lap". */
const PERSONAL = wordSet('hand arm lap fist palm shoulder wrist waist');
const PRONOUNS = wordSet('he she they someone somebody i you');
/** What may stand between who does something and the deed: "he is not riding". */
const AUXILIARIES = wordSet('is are was were am be been being has have had not');
const DEEDS: ReadonlySet<string> = new Set(['holding', 'riding', 'wearing', 'other']);
/** Places beside a body, which are its parts' as well; all others say that the thing is with it. */
const SIDES: ReadonlySet<string> = new Set(['left-of', 'right-of', 'behind', 'in-front-of']);
const SEATS = wordSet('bench chair couch bed toilet bicycle motorcycle boat');
const EMPTY = wordSet('empty unoccupied vacant');

/**
 * Names who a thing is with, where the words say so by a part of the body ("in the man's hand"), by a pronoun ("the bike he is
 * riding") or by the lack of anyone ("empty chair", "with nobody on it").
 */
export function nameOwners(draft: ExpressionDraft): void {
  const thing = draft.head !== null && !isAnimate(draft.head.lemma);
  for (const [at, relation] of draft.relations.entries()) {
    draft.relations[at] = ownedBy(relation, draft, thing) ?? relation;
    for (const landmark of relation.landmarks) nameOwners(landmark);
  }
  if (thing && isEmptySeat(draft)) {
    relate(draft, 'with', person('person'), true);
  }
}

function ownedBy(
  relation: RelationDraft,
  draft: ExpressionDraft,
  thing: boolean,
): RelationDraft | null {
  const [landmark] = relation.landmarks;
  const { kind, words } = relation;
  if (landmark === undefined) {
    const done = thing && DEEDS.has(kind) && isDoneByPronoun(words, draft);
    // A landmark of its own would make "the bike riding the person" of it.
    return done
      ? { ...relation, kind: 'with', words: 'with', landmarks: [person(`person ${words}`)] }
      : null;
  }
  const part = landmark.head?.lemma ?? '';
  if (part === 'nobody') {
    return { ...relation, landmarks: [person('person')], negated: !relation.negated };
  }
  if (!PARTS.has(part) || kind === 'of' || kind === 'wearing') return null;
  const owner = landmark.relations.find(({ kind }) => kind === 'of')?.landmarks[0];
  const tie = SIDES.has(kind) ? kind : 'with';
  const ties = { ...relation, kind: tie, words: `${words} the ${part} of`.trimStart() };
  if (owner) return isAnimate(owner.head?.lemma ?? '') ? { ...ties, landmarks: [owner] } : null;
  return thing && PERSONAL.has(part) ? { ...ties, landmarks: [person('person')] } : null;
}

/** "the bike he is riding", but not "the bus you see parked". */
function isDoneByPronoun(words: string, { tokens }: ExpressionDraft): boolean {
  const [deed] = words.split(' ');
  let at = tokens.findIndex(({ word }) => word === deed) - 1;
  while (AUXILIARIES.has(tokens[at]?.word ?? '')) at -= 1;
  return PRONOUNS.has(tokens[at]?.word ?? '');
}

function isEmptySeat({ head, attributes }: ExpressionDraft): boolean {
  const label = pointersOf(head?.lemma ?? '')[0]?.label ?? '';
  return SEATS.has(label) && attributes.some(({ value, negated }) => EMPTY.has(value) && !negated);
}

const person = (phrase: string): ExpressionDraft => ({
  ...new ExpressionDraft([]),
  head: { ...headNoun('person'), phrase },
});
