import { type ExpressionDraft, newDraft, type RelationDraft } from './expression-draft.js';
import { isAnimate, pointersOf } from './lexicon.js';
import { headNoun } from './phrase.js';

/** Parts by which a body holds or carries. Detectors box the body, not these. */
const PARTS = new Set(
  'hand arm lap mouth beak paw trunk fist palm head face neck back shoulder wrist waist foot leg'.split(
    ' ',
  ),
);
/** Parts that are a person's where nobody is named: "in hand", "on her lap". */
const PERSONAL = new Set('hand arm lap fist palm shoulder wrist waist'.split(' '));
const PRONOUNS = new Set('he she they someone somebody i you'.split(' '));
/** What may stand between who does something and the deed: "he is not riding". */
const AUXILIARIES = new Set('is are was were am be been being has have had not'.split(' '));
const DEEDS: ReadonlySet<string> = new Set(['holding', 'riding', 'wearing', 'other']);
/** Places beside a body, which are its parts' as well; all others say that the thing is with it. */
const SIDES: ReadonlySet<string> = new Set(['left-of', 'right-of', 'behind', 'in-front-of']);
const SEATS = new Set('bench chair couch bed toilet bicycle motorcycle boat'.split(' '));
const EMPTY = new Set('empty unoccupied vacant'.split(' '));

/**
 * Names who a thing is with, where the words say so by a part of the body ("in the man's hand"), by a pronoun ("the bike he is
 * riding") or by the lack of anyone ("empty chair", "with nobody on it").
 */
export function nameOwners(draft: ExpressionDraft): void {
  const thing = draft.head !== null && !isAnimate(draft.head.lemma);
  for (const [at, relation] of draft.relations.entries()) {
    const bearer = ownedBy(relation, draft, thing);
    if (bearer !== null) draft.relations[at] = bearer;
    for (const landmark of relation.landmarks) nameOwners(landmark);
  }
  if (thing && isEmptySeat(draft)) {
    draft.relations.push({ kind: 'with', words: '', landmarks: [person('person')], negated: true });
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

function person(phrase: string): ExpressionDraft {
  return { ...newDraft([]), head: { ...headNoun('person'), phrase } };
}
