import type {
  Attribute,
  AttributePart,
  Expression,
  HeadNoun,
  Quantity,
  Relation,
  RelationKind,
} from './expression.js';
import { isAnimate, isPerson, isWorn, pointersOf } from './lexicon.js';
import type { Chunk, Description } from './phrase.js';
import { headNoun, headOf, modifierRole } from './phrase.js';
import { quantityOf } from './quantity.js';
import { joinOrdinals, type SelectorMatch } from './selector.js';
import { PART_OF_NOUN, PARTITIVES } from './vocabulary.js';
import type { Token } from './words.js';

export interface RelationDraft {
  kind: RelationKind;
  readonly words: string;
  readonly landmarks: ExpressionDraft[];
  readonly negated: boolean;
}

/** An expression while it is being put together. */
export interface ExpressionDraft {
  tokens: Token[];
  head: HeadNoun | null;
  attributes: Attribute[];
  selectors: Array<SelectorMatch & { negated: boolean }>;
  relations: RelationDraft[];
  count: number | null;
  /** What words before the noun say of how many are meant; null where they say nothing. */
  quantity: Quantity | null;
  exceptions: Expression[];
  deniedKinds: HeadNoun[];
  leftovers: string[];
}

export const newDraft = (tokens: readonly Token[]): ExpressionDraft => ({
  tokens: [...tokens],
  head: null,
  attributes: [],
  selectors: [],
  relations: [],
  count: null,
  quantity: null,
  exceptions: [],
  deniedKinds: [],
  leftovers: [],
});

/** Where the garment or part sits; `worn` where the lexicon knows only that it is one. */
function partOf(noun: string): AttributePart {
  const word = noun.split(' ').at(-1) ?? noun;
  return PART_OF_NOUN.get(noun) ?? PART_OF_NOUN.get(word) ?? 'worn';
}

/** Colours, patterns and bare "light" or "dark" show in pixels of a certain part. */
const shows = ({ kind, shade }: Pick<Attribute, 'kind' | 'shade'>): boolean =>
  kind === 'colour' || kind === 'pattern' || shade !== null;

function attribute(description: Description, part: AttributePart, owner: string | null): Attribute {
  return { ...description, part, owner };
}

/** Skin, not clothes, is what these tell before a person: "white guy". */
const SKIN = new Set(['white', 'black', 'brown', 'yellow']);

function ownPart(description: Description, head: HeadNoun | null, before: boolean): AttributePart {
  if (head === null || !shows(description)) return 'whole';
  if (isWorn(head.lemma)) return partOf(head.lemma);
  if (!isPerson(head.lemma)) return 'whole';
  return before && SKIN.has(description.value) ? 'whole' : 'worn';
}

/** The chunk's describing words as attributes of its noun: "gray haired woman" and "blonde girl" tell of hair. */
function ownAttributes(chunk: Chunk, head: HeadNoun | null): Attribute[] {
  const person = head !== null && isPerson(head.lemma);
  const haired = person && chunk.descriptions.some(({ word }) => word === 'haired');
  return chunk.descriptions.map((description) => {
    const hair = person && (haired || /^blonde?$/.test(description.word)) && shows(description);
    if (hair) return attribute(description, 'head', 'hair');
    return attribute(description, ownPart(description, head, chunk.nouns.length > 0), null);
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
  draft.head = found.head;
  const garment = found.modifiers.find((m) => modifierRole(m, found.head) === 'worn');
  const own = ownAttributes(chunk, found.head);
  draft.attributes.push(
    ...own.map((a) =>
      garment !== undefined && a.owner === null && shows(a)
        ? { ...a, part: partOf(garment.word), owner: garment.word }
        : a,
    ),
  );
  for (const modifier of found.modifiers) addModifier(draft, modifier, found.head, chunk);
}

function addModifier(draft: ExpressionDraft, modifier: Token, head: HeadNoun, chunk: Chunk): void {
  const role = modifierRole(modifier, head);
  if (role === 'word') {
    draft.attributes.push({
      kind: 'other',
      value: modifier.word,
      word: modifier.word,
      part: 'whole',
      owner: null,
      shade: null,
      negated: false,
    });
    return;
  }
  const landmark = newDraft([modifier]);
  landmark.head = headNoun(modifier.word);
  if (role === 'worn') {
    landmark.attributes = chunk.descriptions
      .filter(shows)
      .map((d) => attribute(d, partOf(modifier.word), null));
  }
  const kind = role === 'possessor' ? 'of' : role === 'worn' ? 'wearing' : 'with';
  draft.relations.push({ kind, words: '', landmarks: [landmark], negated: false });
}

/** A draft of its own for a chunk that names another thing. */
export function draftOf(chunk: Chunk, tokens: readonly Token[]): ExpressionDraft {
  const draft = newDraft(tokens);
  fill(draft, chunk);
  return draft;
}

export const chunkTokens = (chunk: Chunk): Token[] => [
  ...chunk.descriptions.map((d) => ({ word: d.word, possessive: false })),
  ...chunk.nouns,
];

/**
 * The chunk that names what is meant: the first with a noun, but a person further on goes before a garment ("blue shirt,
 * lady").
 */
export function mainChunk(chunks: readonly Chunk[]): Chunk | undefined {
  const named = chunks.filter((chunk) => chunk.nouns.length > 0);
  const lemma = (chunk: Chunk) => headOf(chunk.nouns)?.head.lemma ?? '';
  const first = named[0];
  if (first === undefined || !isWorn(lemma(first))) return first;
  return named.find((chunk) => isPerson(lemma(chunk))) ?? first;
}

/** Chunks beside the main one: garments are worn, other things come along, bare words describe. */
export function addBeside(draft: ExpressionDraft, chunk: Chunk): void {
  if (chunk.nouns.length === 0) {
    fill(draft, chunk);
    return;
  }
  const other = draftOf(chunk, chunkTokens(chunk));
  const lemma = other.head?.lemma ?? '';
  const apposition = draft.head !== null && isPerson(lemma) && isPerson(draft.head.lemma);
  if (apposition || draft.head === null) {
    draft.leftovers.push(...chunkTokens(chunk).map((token) => token.word));
    return;
  }
  if (namesSame(draft.head.lemma, lemma)) {
    draft.attributes.push(...other.attributes);
    draft.leftovers.push(...other.leftovers);
    return;
  }
  const kind = isWorn(lemma) ? 'wearing' : 'with';
  if (chunk.denial === 'other-kind' && kind === 'with') deny(draft, other);
  else {
    const negated = chunk.denial !== null;
    draft.relations.push({ kind, words: '', landmarks: [other], negated });
  }
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

/** Adds the colours of what is worn to the wearer, with the place where they show. */
function foldGarments(draft: ExpressionDraft): void {
  const wears = ({ kind, landmarks }: RelationDraft) => {
    if (kind === 'wearing') return true;
    const garment = landmarks[0]?.head?.lemma;
    return (
      kind === 'with' &&
      (garment !== undefined ? isWorn(garment) : isAnimate(draft.head?.lemma ?? ''))
    );
  };
  for (const relation of draft.relations.filter(wears)) {
    for (const landmark of relation.landmarks) foldGarment(draft, landmark, relation.negated);
  }
}

function foldGarment(draft: ExpressionDraft, garment: ExpressionDraft, negated: boolean): void {
  const owner = garment.head?.lemma ?? null;
  if (owner !== null && !isWorn(owner)) return;
  const part = owner === null ? 'worn' : partOf(owner);
  for (const shown of garment.attributes.filter(shows)) {
    const twice = draft.attributes.some((own) => own.word === shown.word && own.owner === owner);
    if (!twice)
      draft.attributes.push({ ...shown, part, owner, negated: shown.negated !== negated });
  }
}

/** "pair of skis", "side of a bus": the thing after "of" takes the place of the part. */
function liftPartitive(draft: ExpressionDraft): void {
  const at = draft.relations.findIndex((relation) => relation.kind === 'of');
  const relation = draft.relations[at];
  const whole = relation?.landmarks[0];
  if (draft.head === null || relation === undefined || whole?.head == null) return;
  if (!PARTITIVES.has(draft.head.lemma) || relation.words === '') return;
  const word = draft.head.phrase;
  draft.attributes.push(
    { kind: 'other', value: word, word, part: 'whole', owner: null, shade: null, negated: false },
    ...whole.attributes,
  );
  if (!draft.head.plural) draft.quantity ??= { kind: 'one' };
  draft.head = whole.head;
  draft.count = draft.count ?? whole.count;
  draft.leftovers.push(...whole.leftovers);
  draft.selectors.push(...whole.selectors);
  draft.relations.splice(at, 1, ...whole.relations);
}

/** "right side of the bed": nothing else is named, so it is the bed on the right. */
function liftSide(draft: ExpressionDraft): void {
  const at = draft.relations.findIndex(
    ({ kind, words }) =>
      (kind === 'left-of' || kind === 'right-of') && / side of$/.test(` ${words}`),
  );
  const relation = draft.relations[at];
  const whole = relation?.landmarks[0];
  if (draft.head !== null || relation === undefined || whole?.head == null) return;
  draft.head = whole.head;
  draft.attributes.push(...whole.attributes);
  draft.selectors.push(...whole.selectors, {
    length: relation.words.split(' ').length,
    words: relation.words,
    axis: 'x',
    end: relation.kind === 'left-of' ? 'min' : 'max',
    rank: null,
    prenominal: false,
    negated: relation.negated,
  });
  draft.leftovers.push(...whole.leftovers);
  draft.relations.splice(at, 1, ...whole.relations);
}

/** "the bigger of the two dogs", "one of the dogs": a thing without a name of its own is one of those. */
function liftGroup(draft: ExpressionDraft): void {
  const at = draft.relations.findIndex(({ kind, words }) => kind === 'of' && words === 'of');
  const group = draft.relations[at]?.landmarks[0];
  if (draft.head !== null || group?.head?.plural !== true || draft.relations[at]?.negated) return;
  draft.head = { ...group.head, plural: false };
  draft.attributes.push(...group.attributes);
  draft.selectors.push(...group.selectors);
  draft.leftovers.push(...group.leftovers);
  draft.deniedKinds.push(...group.deniedKinds);
  draft.relations.splice(at, 1, ...group.relations);
}

const DEPTH_OF: ReadonlyMap<RelationKind, 'min' | 'max'> = new Map([
  ['in-front-of', 'min'],
  ['behind', 'max'],
]);

/** "the man walking in front": of no thing in particular, so of the others. */
function placeInDepth(draft: ExpressionDraft): void {
  const alone = draft.relations.filter(
    ({ kind, landmarks }) => landmarks.length === 0 && DEPTH_OF.has(kind),
  );
  for (const relation of alone) {
    draft.relations.splice(draft.relations.indexOf(relation), 1);
    draft.selectors.push({
      length: relation.words.split(' ').length,
      words: relation.words,
      axis: 'depth',
      end: DEPTH_OF.get(relation.kind)!,
      rank: null,
      prenominal: false,
      negated: relation.negated,
    });
  }
}

/** Without pauses. */
export const wordsOf = (tokens: readonly Token[]): string[] =>
  tokens.map(({ word }) => word).filter((word) => word !== ',');

export function finish(draft: ExpressionDraft): Expression {
  liftPartitive(draft);
  liftGroup(draft);
  liftSide(draft);
  placeInDepth(draft);
  foldGarments(draft);
  const words = wordsOf(draft.tokens);
  const relations: Relation[] = draft.relations.map((relation) => ({
    kind: relation.kind,
    words: relation.words,
    landmarks: relation.landmarks.map(finish),
    negated: relation.negated,
  }));
  return {
    text: words.join(' '),
    words,
    head: draft.head,
    attributes: draft.attributes,
    selectors: joinOrdinals(draft.selectors),
    relations,
    count: draft.count,
    quantity: quantityOf(draft),
    exceptions: draft.exceptions,
    deniedKinds: draft.deniedKinds,
    leftovers: draft.leftovers,
    corrections: [],
    promptWords: [],
    unknownWords: [],
  };
}
