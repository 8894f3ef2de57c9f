import { memoized } from '../core/lru.js';
import type { Expression, HeadNoun, Quantity, RelationKind } from './expression.js';
import {
  addBeside,
  deny,
  draftOf,
  ExpressionDraft,
  fill,
  finish,
  mainChunk,
  nameOwners,
  type RelationDraft,
  relate,
  wordsOf,
} from './expression-draft.js';
import { isAnimate, isPerson, isWorn } from './lexicon.js';
import { type Chunk, chunksOf, headNoun } from './phrase.js';
import { exceptionsIn, exclusionsDenied, quantified } from './quantity.js';
import type { RelationPhrase } from './relation.js';
import { type Segment, segmentsOf } from './segment.js';
import type { SelectorMatch } from './selector.js';
import { DETERMINERS, isContentWord, QUESTION_WORDS, STAND_INS, wordSet } from './vocabulary.js';
import { corrected, isKnown, type Token, tokensOf, withoutPrompt } from './words.js';

const CARRIED_KINDS = wordSet('holding wearing with riding facing other');
const isAnimated = ({ head }: ExpressionDraft): boolean => isAnimate(head?.lemma ?? '');

/** The draft that a relation belongs to, among the chain from the whole expression to the landmark named last. */
function subjectOf(
  chain: readonly ExpressionDraft[],
  { kind, verbal }: RelationPhrase,
  joined: boolean,
  previous: RelationKind | null,
): ExpressionDraft {
  const [top, last] = [chain[0]!, chain.at(-1)!];
  if (chain.length === 1) return top;
  if (kind === 'of') return last;
  if (joined) return top;
  const hasOwner = kind === 'with' && (isAnimated(top) || isAnimated(last));
  if (verbal || hasOwner || kind === 'wearing') return chain.findLast(isAnimated) ?? top;
  if (previous !== null && CARRIED_KINDS.has(previous)) return top;
  return last.head === null || isWorn(last.head.lemma) ? top : last;
}

/** "everything except the cat". */
const LEAVES_OUT = /^(?:except|other than|but not)/;
const BODY_PARTS = wordSet('hand mouth arm lap hair face foot neck back head eye ear');

/** "in red", "in a blue shirt" tell what a person wears. */
function dressed(phrase: RelationPhrase, first: Chunk | undefined): RelationPhrase {
  if (phrase.kind !== 'in') return phrase;
  const lemma = first?.lemma;
  const bareColour = lemma === undefined && first?.descriptions.some((d) => d.kind === 'colour');
  const garment = lemma !== undefined && isWorn(lemma) && !BODY_PARTS.has(lemma);
  return bareColour || garment ? { ...phrase, kind: 'wearing' } : phrase;
}

/** "with mountains in the background": those are far, whatever the thing itself is. */
const isBehind = (kind: RelationKind, { words }: SelectorMatch): boolean =>
  kind === 'with' && /background|distance/.test(words);

/** What a relation and the words behind it leave the parser with. */
interface Attached {
  /** From the whole expression to the landmark named last. */
  readonly chain: readonly ExpressionDraft[];
  readonly kind: RelationKind | null;
}

/** Puts a relation phrase and what follows it where it belongs. */
function attach(
  { chain, kind: previous }: Attached,
  segment: Segment,
  read: RelationPhrase,
): Attached {
  const chunks = chunksOf(segment.items, read.kind !== 'wearing' && read.kind !== 'in');
  const [first, ...rest] = chunks;
  const phrase = dressed(read, first);
  const { kind, words } = phrase;
  const top = chain[0]!;
  const subject = subjectOf(chain, phrase, segment.joined, previous);
  if (LEAVES_OUT.test(words) && previous === null && first !== undefined) {
    const left = draftOf(first, segment.tokens);
    left.selectors.push(...segment.selectors);
    if (!isWorn(left.head?.lemma ?? '')) {
      for (const each of [left, ...rest.map((chunk) => draftOf(chunk))]) deny(top, each);
      return { chain: [top], kind: 'other' };
    }
  }
  const landmark = first && draftOf(first, segment.tokens);
  if (landmark && kind !== 'wearing') nameAsSubject(landmark, subject);
  const selectors = segment.selectors.toSorted((a, b) => Number(b.ofNoun) - Number(a.ofNoun));
  for (const selector of selectors) {
    const isOfLandmark = selector.ofNoun || isBehind(kind, selector);
    (isOfLandmark && landmark ? landmark : top).selectors.push(selector);
  }
  const landmarks = landmark ? [landmark] : [];
  const relation = { kind, words, landmarks, negated: segment.negated || phrase.negated };
  subject.relations.push(relation);
  for (const chunk of rest) addLater(subject, top, relation, chunk);
  const upTo = chain.slice(0, chain.indexOf(subject) + 1);
  return { chain: [...upTo, ...landmarks.slice(-1)], kind };
}

const SAME_KIND = wordSet('other others another one ones');

/** "in front of two others", "left of the white one": the landmark is of the same kind. */
function nameAsSubject(landmark: ExpressionDraft, { head }: ExpressionDraft): void {
  const said = landmark.tokens.findLast(({ word }) => SAME_KIND.has(word))?.word;
  const other = landmark.head === null || SAME_KIND.has(landmark.head.lemma);
  if (said === undefined || !other || head === null) return;
  landmark.head = { phrase: said, lemma: head.lemma, plural: said.endsWith('s') };
}

/** Further phrases after a relation phrase: "hat and white top", "the dog and the cat", "black shirt lady". */
function addLater(
  subject: ExpressionDraft,
  top: ExpressionDraft,
  relation: RelationDraft,
  chunk: Chunk,
): void {
  const { lemma } = chunk;
  const isBetween = relation.kind === 'between';
  if (top.head === null && lemma !== undefined && isPerson(lemma) && !isBetween) {
    fill(top, chunk);
  } else if (lemma === undefined) {
    fill(relation.landmarks.at(-1) ?? subject, chunk);
  } else if (isBetween && relation.landmarks.length < 2) {
    relation.landmarks.push(draftOf(chunk));
  } else {
    const worn = isWorn(lemma) && isAnimate(subject.head?.lemma ?? 'person');
    const kind = worn ? 'wearing' : relation.kind;
    const negated = relation.negated || chunk.denial === 'absence';
    relate(subject, kind, draftOf(chunk), negated);
  }
}

/** A question that names nothing: all that its words say is left over. */
const questionExpression = (tokens: readonly Token[]): Expression =>
  finish({
    ...new ExpressionDraft(tokens),
    leftovers: wordsOf(tokens).filter((word) => isContentWord(word) && !QUESTION_WORDS.has(word)),
  });

const COPULAS = new Set(['is', 'are']);
/** Words behind a copula that tell where: "which dog is on the left". */
const LOCATING = wordSet(
  'on in at to near next behind beside between under above below over left right closest nearest farthest furthest',
);

/**
 * The description inside a question that names its thing: "Which dog is on the left?" means the dog on the left, "Where is the red
 * cup?" the red cup. Undefined where the question does not name it ("What can I sit on?"), or asks for something else of what it
 * names ("What is the man riding?").
 */
function namedInQuestion(tokens: readonly Token[]): Token[] | undefined {
  const [asking, second] = tokens.map(({ word }) => word);
  if (asking !== 'which' && asking !== 'where') return undefined;
  const start = asking === 'which' && STAND_INS.has(second ?? '') ? 2 : 1;
  if (COPULAS.has(tokens[start]?.word ?? '')) {
    const next = tokens[start + 1]?.word ?? '';
    return DETERMINERS.has(next) ? tokens.slice(start + 1) : undefined;
  }
  // "Which dog is on the left?" tells where it is; "Which animal is used for riding?" asks for knowledge.
  const copula = tokens.findIndex(({ word }) => COPULAS.has(word));
  if (asking === 'where' || copula <= start || second === 'of') return undefined;
  const behind = tokens[copula + 1]?.word ?? '';
  if (!LOCATING.has(behind) && !DETERMINERS.has(behind)) return undefined;
  return tokens.filter((_, at) => at !== 0 && at !== copula);
}

/** Words that name a person without a noun: "who is sitting", "the blonde". */
function standIn({ attributes }: ExpressionDraft, tokens: readonly Token[]): HeadNoun | null {
  if (tokens[0]?.word === 'who') return { ...headNoun('person'), phrase: 'who' };
  // Dogs are blond too: "the blond one" is one of whatever stands there.
  if (tokens.some(({ word }) => STAND_INS.has(word))) return null;
  const phrase = attributes.find(({ word }) => /^blonde?$/.test(word))?.word;
  return phrase === undefined ? null : { ...headNoun('person'), phrase };
}

/** Nobody refers to an object at greater length; what comes after is left over. Keeps nesting shallow. */
const MAX_WORDS = 256;

/** The same words come again and again. */
const spelling = memoized(2048, (said) => {
  const word = corrected(said);
  return { word, known: isKnown(word) };
});

/** Takes a referring expression apart. Any text is accepted; what is not understood is in `leftovers`. */
export const parseExpression: (text: string) => Expression = memoized(256, (text) => {
  const { expression, promptWords } = withoutPrompt(text);
  const said = tokensOf(expression);
  const spelled = said.map((token) => ({ ...token, ...spelling(token.word) }));
  return {
    ...read(spelled.map(({ word, possessive }) => ({ word, possessive }))),
    corrections: said.flatMap(({ word: from }, at) =>
      from === spelled[at]!.word ? [] : [{ from, to: spelled[at]!.word }],
    ),
    promptWords,
    unknownWords: spelled.flatMap(({ word, known }) => (known || word === ',' ? [] : [word])),
  };
});

/** Reads words in which slips are repaired. What several leave out is read by itself. */
function read(said: readonly Token[]): Expression {
  const { tokens, quantity } = quantified(said);
  const found = exceptionsIn(tokens);
  const main = found && readPlain(found.rest, quantity);
  if (found === null || !main?.head) return readPlain(tokens, quantity);
  const all = found.rest.length + 1 < tokens.length && tokens[found.rest.length]?.word === 'all';
  if (!all && main.quantity.kind === 'one') return readPlain(tokens, quantity);
  const words = wordsOf(tokens);
  return {
    ...main,
    quantity: all ? { kind: 'all', sure: true } : main.quantity,
    words,
    text: words.join(' '),
    exceptions: found.left.map((left) => ofTheSame(read(left), main.head!)),
  };
}

/** "the leftmost" of all cups is a cup. */
const ofTheSame = (left: Expression, head: HeadNoun): Expression =>
  left.head === null ? { ...left, head: { ...headNoun(head.lemma), phrase: head.phrase } } : left;

function readPlain(said: readonly Token[], quantity: Quantity | null): Expression {
  const isQuestion = QUESTION_WORDS.has(said[0]?.word ?? '');
  const all = isQuestion ? namedInQuestion(said) : said;
  if (all === undefined) return questionExpression(said);
  const tokens = exclusionsDenied(all.slice(0, MAX_WORDS));
  const top = new ExpressionDraft(tokens);
  top.quantity = quantity;
  const start: Attached = { chain: [top], kind: null };
  let state = start;
  for (const segment of segmentsOf(tokens)) {
    if (segment.relationPhrase === null) {
      describe(top, segment);
      state = start;
    } else state = attach(state, segment, segment.relationPhrase);
  }
  top.head ??= standIn(top, tokens);
  top.tokens = all;
  top.leftovers = [...top.leftovers, ...wordsOf(all.slice(MAX_WORDS)).filter(isContentWord)];
  nameOwners(top);
  return finish(top);
}

/** Lays the words of a stretch without a relation phrase on the draft. */
function describe(top: ExpressionDraft, { items, selectors }: Segment): void {
  const chunks = chunksOf(items, true);
  const main = top.head === null ? mainChunk(chunks) : undefined;
  // "not a dog", "the one that is not a dog" name nothing; "not the left dog" means another dog.
  const isDenied =
    main?.denial === 'other-kind' &&
    main.descriptions.length === 0 &&
    !selectors.some(({ negated }) => negated);
  if (main !== undefined && isDenied) deny(top, draftOf(main, []));
  else if (main !== undefined) fill(top, main);
  for (const chunk of chunks) if (chunk !== main) addBeside(top, chunk);
  top.selectors.push(...selectors);
}
