import type { RelationKind } from './expression.js';
import { isAdjective, isAnimate, isVerb, pointersOf } from './lexicon.js';
import { verbStems } from './morphology.js';
import type { Surroundings } from './selector.js';
import {
  DETERMINERS,
  FUNCTION_WORDS,
  isContentWord,
  NOT_VERBS,
  PATTERNS,
  POSTURES,
  PREPOSITIONS,
  wordSet,
} from './vocabulary.js';

/** Words that tie a thing to what follows. */
export interface RelationPhrase {
  readonly length: number;
  readonly words: string;
  readonly kind: RelationKind;
  /** True where a verb stands in it; verbs look back to persons and animals. */
  readonly verbal: boolean;
  readonly negated: boolean;
}

const PATTERNS_OF_KIND = (Object.entries(PREPOSITIONS) as Array<[RelationKind, string]>).map(
  ([kind, source]) => [kind, new RegExp(`^(?:${source})(?= |$)`)] as const,
);
/** Most words open no preposition: one look tells. */
const ANY_PREPOSITION = new RegExp(`^(?:${Object.values(PREPOSITIONS).join('|')})(?= |$)`);
const ABSENCE = /^(?:without|except(?: for)?|other than|but not|lacking|minus|missing)(?= |$)/;
const PASTS = wordSet(
  'held worn ridden seen shown made cut driven thrown taken eaten drawn built hit laid sat stood ran lit hung put set kept bent torn',
);
/** Seen from what is carried: "umbrella held by a man". */
const CARRIED_BY = wordSet('held worn carried ridden used pushed pulled driven swung touched');
/** What names nothing: "the one eating" is whoever eats. */
const NAMELESS = wordSet('one ones who that which is are');
/** "parked by" tells where, "held by" a deed. */
const PLACED = wordSet('parked seated positioned located placed situated laid stationed');
/** Words that open a clause about what was just named: "who", "that is". */
const CLAUSE_OPENERS = wordSet('who that which to can not is are and or nor');
/** Verbs by themselves, and not prepositions that may follow a verb and say more than it does. */
const VERBAL_KINDS: ReadonlySet<RelationKind> = new Set(['holding', 'wearing', 'riding', 'facing']);
const NEVER_AFTER_VERB: ReadonlySet<RelationKind> = new Set(['holding', 'wearing', 'riding', 'of']);

function matchPreposition(text: string): RelationPhrase | null {
  const absence = ABSENCE.exec(text)?.[0];
  if (absence !== undefined) {
    const kind = absence.startsWith('except') ? 'other' : 'with';
    return { ...phraseOf(absence, kind), negated: true };
  }
  let best: RelationPhrase | null = null;
  if (!ANY_PREPOSITION.test(text)) return best;
  for (const [kind, pattern] of PATTERNS_OF_KIND) {
    const words = pattern.exec(text)?.[0];
    if (words === undefined) continue;
    const found = phraseOf(words, kind);
    if (best === null || found.length > best.length) best = found;
  }
  return best;
}

const phraseOf = (words: string, kind: RelationKind): RelationPhrase => ({
  length: words.split(' ').length,
  words,
  kind,
  verbal: VERBAL_KINDS.has(kind),
  negated: false,
});

const isContent = (word: string | undefined): word is string =>
  isContentWord(word) && !DETERMINERS.has(word);

/** True where the form, at this position, is what someone does rather than a describing word before a noun. */
function isVerbHere(word: string, next: string | undefined, around: Surroundings): boolean {
  const plainNext = isContent(next);
  if (/ing$/.test(word)) {
    if (around.afterNoun) return true;
    if (around.named && POSTURES.has(word) && !DETERMINERS.has(around.before)) return true;
    if (next === undefined) return NAMELESS.has(around.before);
    if (!plainNext) return !POSTURES.has(word);
    return !POSTURES.has(word) && !isAnimate(next) && !isAdjective(word);
  }
  if (!around.afterNoun) return false;
  if (PASTS.has(word) || /ed$/.test(word)) return !plainNext;
  if (pointersOf(word).length > 0) return false;
  if (/[^s]s$/.test(word)) return verbStems(word).some(isVerb);
  return isVerb(word) && CLAUSE_OPENERS.has(around.before);
}

/** "the mixing bowl", "frying pan": what a thing is for, not what it does. */
function isModifier(word: string, next: string | undefined, around: Surroundings): boolean {
  if (!/ing$/.test(word) || around.afterNoun || !isContent(next)) return false;
  if (isVerbHere(next, undefined, around)) return false;
  return DETERMINERS.has(around.before) || pointersOf(`${word} ${next}`).length > 0;
}

function matchVerb(
  [word, following]: readonly string[],
  text: string,
  around: Surroundings,
): RelationPhrase | null {
  if (word === undefined || word.length < 4) return null;
  if (NOT_VERBS.has(word) || PATTERNS.has(word) || FUNCTION_WORDS.has(word)) return null;
  const particle = matchPreposition(text.slice(word.length + 1));
  const next = particle === null ? following : ',';
  if (isModifier(word, next, around) || !isVerbHere(word, next, around)) return null;
  if (particle === null || NEVER_AFTER_VERB.has(particle.kind)) {
    return { ...phraseOf(word, 'other'), verbal: true };
  }
  const { words, negated } = particle;
  const done = words === 'by' && !/ing$/.test(word) && !PLACED.has(word);
  const kind = !done ? particle.kind : CARRIED_BY.has(word) ? 'with' : 'other';
  return { ...phraseOf(`${word} ${words}`, kind), verbal: true, negated };
}

/**
 * The relation phrase that starts the words, or null; the longest one wins. `words` holds pauses as `,`; `text` is the same,
 * joined by spaces.
 */
export function matchRelation(
  words: readonly string[],
  text: string,
  around: Surroundings,
): RelationPhrase | null {
  const preposition = matchPreposition(text);
  const verb = matchVerb(words, text, around);
  if (preposition === null || verb === null) return preposition ?? verb;
  return verb.length > preposition.length ? verb : preposition;
}
