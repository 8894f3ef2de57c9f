import { nameOwners } from './bearer.js';
import type { Expression, HeadNoun, Quantity, RelationKind } from './expression.js';
import {
  addBeside,
  chunkTokens,
  deny,
  draftOf,
  type ExpressionDraft,
  fill,
  finish,
  mainChunk,
  newDraft,
  type RelationDraft,
  wordsOf,
} from './expression-draft.js';
import { isAnimate, isPerson, isWorn } from './lexicon.js';
import { type Chunk, chunksOf, headNoun, headOf } from './phrase.js';
import { exceptionsIn, exclusionsDenied, quantified } from './quantity.js';
import { Recent } from './recent.js';
import type { RelationPhrase } from './relation.js';
import { namedInQuestion, withoutPrompt } from './request.js';
import { type Segment, segmentsOf } from './segment.js';
import type { SelectorMatch } from './selector.js';
import { corrected, isKnown } from './spelling.js';
import { FUNCTION_WORDS, QUESTION_WORDS } from './vocabulary.js';
import { type Token, tokensOf } from './words.js';

/** The draft that a relation belongs to, among the chain from the whole expression to the landmark named last. */
function subjectOf(
  chain: readonly ExpressionDraft[],
  segment: Segment,
  previous: RelationKind | null,
): ExpressionDraft {
  const top = chain[0] as ExpressionDraft;
  const last = chain.at(-1) as ExpressionDraft;
  const relationPhrase = segment.relationPhrase;
  if (chain.length === 1 || relationPhrase === null) return top;
  if (relationPhrase.kind === 'of') return last;
  if (segment.joined) return top;
  const bearer = [top, last].some((draft) => isAnimate(draft.head?.lemma ?? ''));
  const looksBack = relationPhrase.verbal || (relationPhrase.kind === 'with' && bearer);
  const dressing = relationPhrase.kind === 'wearing';
  if (looksBack || dressing) {
    return chain.findLast((draft) => isAnimate(draft.head?.lemma ?? '')) ?? top;
  }
  const carried = new Set<RelationKind>([
    'holding',
    'wearing',
    'with',
    'riding',
    'facing',
    'other',
  ]);
  if (previous !== null && carried.has(previous)) return top;
  return last.head === null || isWorn(last.head.lemma) ? top : last;
}

/** "everything except the cat". */
const LEAVES_OUT = /^(?:except|other than|but not)/;
const BODY_PARTS = new Set('hand mouth arm lap hair face foot neck back head eye ear'.split(' '));

/** "in red", "in a blue shirt", "with a hat" tell what a person wears. */
function dressed(segment: Segment, chunks: readonly Chunk[]): Segment {
  const { relationPhrase } = segment;
  if (relationPhrase === null || relationPhrase.kind !== 'in') return segment;
  const first = chunks[0];
  const lemma = headOf(first?.nouns ?? [])?.head.lemma;
  const bareColour = lemma === undefined && first?.descriptions.some((d) => d.kind === 'colour');
  const garment = lemma !== undefined && isWorn(lemma) && !BODY_PARTS.has(lemma);
  if (!bareColour && !garment) return segment;
  return { ...segment, relationPhrase: { ...relationPhrase, kind: 'wearing' } };
}

/** Puts one relation phrase and what follows it in its place. Returns the chain to the landmark named last. */
function attach(
  chain: readonly ExpressionDraft[],
  raw: Segment,
  previous: RelationKind | null,
): { chain: ExpressionDraft[]; kind: RelationKind } {
  const chunks = chunksOf(
    raw.items,
    raw.relationPhrase?.kind !== 'wearing' && raw.relationPhrase?.kind !== 'in',
  );
  const segment = dressed(raw, chunks);
  const relationPhrase = segment.relationPhrase as NonNullable<Segment['relationPhrase']>;
  const top = chain[0] as ExpressionDraft;
  const owner = subjectOf(chain, segment, previous);
  const [first, ...rest] = chunks;
  const before = segment.selectors.filter((s) => s.prenominal && s.beforeNoun);
  const after = segment.selectors.filter((s) => !(s.prenominal && s.beforeNoun));
  if (LEAVES_OUT.test(relationPhrase.words) && previous === null && first !== undefined) {
    const left = draftOf(first, segment.tokens);
    left.selectors.push(...segment.selectors);
    if (!isWorn(left.head?.lemma ?? '')) {
      deny(top, left);
      for (const chunk of rest) deny(top, draftOf(chunk, chunkTokens(chunk)));
      return { chain: [top], kind: 'other' };
    }
  }
  const landmarks: ExpressionDraft[] = [];
  if (first !== undefined) {
    const landmark = draftOf(first, segment.tokens);
    landmark.selectors.push(...before);
    if (relationPhrase.kind !== 'wearing') nameAsOwner(landmark, owner);
    landmarks.push(landmark);
  } else {
    after.unshift(...before);
  }
  for (const selector of after) {
    const landmark = isBehindIt(relationPhrase, selector) ? landmarks.at(-1) : undefined;
    (landmark ?? top).selectors.push(selector);
  }
  const relation: RelationDraft = {
    kind: relationPhrase.kind,
    words: relationPhrase.words,
    landmarks,
    negated: segment.negated || relationPhrase.negated,
  };
  owner.relations.push(relation);
  for (const chunk of rest) addLater(owner, top, relation, chunk);
  const landmark = landmarks.at(-1);
  const upTo = chain.slice(0, chain.indexOf(owner) + 1);
  return { chain: landmark === undefined ? upTo : [...upTo, landmark], kind: relationPhrase.kind };
}

/** "with mountains in the background": those are far, whatever the thing itself is. */
const isBehindIt = ({ kind }: RelationPhrase, { words }: SelectorMatch): boolean =>
  kind === 'with' && /background|distance/.test(words);

const SAME_KIND = new Set('other others another one ones'.split(' '));

/** "in front of two others", "left of the white one": the landmark is of the same kind. */
function nameAsOwner(landmark: ExpressionDraft, owner: ExpressionDraft): void {
  const said = landmark.tokens.findLast(({ word }) => SAME_KIND.has(word))?.word;
  const other = landmark.head === null || SAME_KIND.has(landmark.head.lemma);
  if (said === undefined || !other || owner.head === null) return;
  const plural = said === 'others' || said === 'ones';
  landmark.head = { phrase: said, lemma: owner.head.lemma, plural };
}

/** "not a dog", "the one that is not a dog" name nothing; "not the left dog" means another dog. */
const tellsWhatItIsNot = (chunk: Chunk, { selectors }: Segment): boolean =>
  chunk.denial === 'other-kind' &&
  chunk.descriptions.length === 0 &&
  !selectors.some(({ negated }) => negated);

/** Further phrases after a relation phrase: "hat and white top", "the dog and the cat", "black shirt lady". */
function addLater(
  owner: ExpressionDraft,
  top: ExpressionDraft,
  relation: RelationDraft,
  chunk: Chunk,
): void {
  const lemma = headOf(chunk.nouns)?.head.lemma ?? null;
  if (top.head === null && lemma !== null && isPerson(lemma) && relation.kind !== 'between') {
    fill(top, chunk);
    return;
  }
  const landmark = draftOf(chunk, chunkTokens(chunk));
  if (relation.kind === 'between' && lemma !== null && relation.landmarks.length < 2) {
    relation.landmarks.push(landmark);
    return;
  }
  if (chunk.nouns.length === 0) {
    const last = relation.landmarks.at(-1);
    if (last !== undefined) fill(last, chunk);
    else fill(owner, chunk);
    return;
  }
  const worn = lemma !== null && isWorn(lemma);
  const kind = worn && isAnimate(owner.head?.lemma ?? 'person') ? 'wearing' : relation.kind;
  const negated = relation.negated || chunk.denial === 'absence';
  owner.relations.push({ kind, words: '', landmarks: [landmark], negated });
}

function questionExpression(tokens: readonly Token[]): Expression {
  const draft = newDraft(tokens);
  draft.leftovers = draft.tokens
    .map((token) => token.word)
    .filter((word) => word !== ',' && !FUNCTION_WORDS.has(word) && !QUESTION_WORDS.has(word));
  return finish(draft);
}

/** Words that name a person without a noun: "who is sitting", "the blonde". */
function standIn({ attributes }: ExpressionDraft, tokens: readonly Token[]): HeadNoun | null {
  if (tokens[0]?.word === 'who') return { ...headNoun('person'), phrase: 'who' };
  // Dogs are blond too: "the blond one" is one of whatever stands there.
  if (tokens.some(({ word }) => word === 'one' || word === 'ones')) return null;
  const phrase = attributes.find(({ word }) => /^blonde?$/.test(word))?.word;
  return phrase === undefined ? null : { ...headNoun('person'), phrase };
}

/** Nobody refers to a thing at greater length; what comes after is left over. Keeps nesting shallow. */
const MOST_WORDS = 256;

/** Several steps look at one query, and people say the same of many photos. */
const known = new Recent<Expression>(256);

/** Takes a referring expression apart. Any text is accepted; what is not understood is in `leftovers`. */
export function parseExpression(text: string): Expression {
  return known.of(text, parsed);
}

/** The same words come again and again. */
const spellings = new Recent<{ readonly word: string; readonly known: boolean }>(2048);

function spelling(said: string): { word: string; known: boolean } {
  const word = corrected(said);
  return { word, known: isKnown(word) };
}

function parsed(text: string): Expression {
  const { expression, promptWords } = withoutPrompt(text);
  const said = tokensOf(expression);
  const spelled = said.map(({ word }) => spellings.of(word, spelling));
  const tokens = said.map((token, at) => ({ ...token, word: spelled[at]!.word }));
  const corrections = said.flatMap(({ word: from }, at) =>
    from === spelled[at]!.word ? [] : [{ from, to: spelled[at]!.word }],
  );
  const unknownWords = spelled.flatMap(({ word, known }) => (known || word === ',' ? [] : [word]));
  return { ...read(tokens), corrections, promptWords, unknownWords };
}

/** Reads words in which slips are repaired. What several leave out is read by itself. */
function read(said: readonly Token[]): Expression {
  const { tokens, quantity } = quantified(said);
  const found = exceptionsIn(tokens);
  if (found !== null) {
    const main = readPlain(found.rest, quantity);
    const all = found.rest.length + 1 < tokens.length && tokens[found.rest.length]?.word === 'all';
    if (main.head !== null && (all || main.quantity.kind !== 'one')) {
      const exceptions = found.left.map((left) => ofTheSame(read(left), main.head as HeadNoun));
      const words = wordsOf(tokens);
      return {
        ...main,
        ...(all && { quantity: { kind: 'all', sure: true } }),
        words,
        text: words.join(' '),
        exceptions,
      };
    }
  }
  return readPlain(tokens, quantity);
}

/** "the leftmost" of all cups is a cup. */
const ofTheSame = (left: Expression, head: HeadNoun): Expression =>
  left.head === null ? { ...left, head: { ...headNoun(head.lemma), phrase: head.phrase } } : left;

function readPlain(said: readonly Token[], quantity: Quantity | null): Expression {
  const isQuestion = QUESTION_WORDS.has(said[0]?.word ?? '');
  const all = isQuestion ? namedInQuestion(said) : said;
  if (all === undefined) return questionExpression(said);
  const tokens = exclusionsDenied(all.slice(0, MOST_WORDS));
  const top = newDraft(tokens);
  top.quantity = quantity;
  let chain: ExpressionDraft[] = [top];
  let previous: RelationKind | null = null;
  for (const segment of segmentsOf(tokens)) {
    if (segment.relationPhrase !== null) {
      ({ chain, kind: previous } = attach(chain, segment, previous));
      continue;
    }
    const chunks = chunksOf(segment.items, true);
    const main = top.head === null ? mainChunk(chunks) : undefined;
    if (main !== undefined && tellsWhatItIsNot(main, segment)) {
      deny(top, draftOf(main, []));
    } else if (main !== undefined) fill(top, main);
    for (const chunk of chunks) if (chunk !== main) addBeside(top, chunk);
    top.selectors.push(...segment.selectors);
    chain = [top];
    previous = null;
  }
  top.head ??= standIn(top, tokens);
  top.tokens = [...all];
  const beyond = all.slice(MOST_WORDS).map((token) => token.word);
  top.leftovers = top.leftovers.concat(
    beyond.filter((word) => word !== ',' && !FUNCTION_WORDS.has(word)),
  );
  nameOwners(top);
  return finish(top);
}
