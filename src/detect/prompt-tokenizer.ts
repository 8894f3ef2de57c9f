import { Tokenizer } from '@huggingface/tokenizers';
import { asVgrError, quoted, VgrError } from '../core/error.js';
import { memoized } from '../core/lru.js';
import { withinTime } from '../core/time-limit.js';
import type { Category } from '../formats/coco.js';
import type { PromptInput } from '../formats/model-card.js';
import { parseExpression } from '../language/parser.js';
import type { Phrase, TokenizedPrompt, Word } from './prompt.js';
import type { TextTokens } from './writing.js';

/** Prompts that are kept: neighbouring queries ask alike. */
const MAX_PROMPTS = 4096;

/**
 * Characters of a text that are looked at. No model reads more than 256 tokens, which are 4 to 5 characters of English each; the
 * time of the tokenisers grows with the square of a text.
 */
export const MAX_TEXT_LENGTH = 4096;

/** For one text. The patterns of a foreign tokeniser may take for ever on some. Milliseconds. */
const LIMIT_MS = 5000;

/** @throws VgrError MODEL_CORRUPT where it takes too long */
function encoded(tokenizer: Tokenizer, text: string, options?: Parameters<Tokenizer['encode']>[1]) {
  try {
    return withinTime(LIMIT_MS, () => tokenizer.encode(text, options));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause;
    throw new VgrError(
      'MODEL_CORRUPT',
      `the tokenizer.json of the model takes more than ${LIMIT_MS / 1000} s for ${quoted(text, 40)}`,
      { cause, hint: 'use the `tokenizer.json` from the repository of the model' },
    );
  }
}

/** A text as tokens without the special ones, and the category that its boxes are called by. */
interface NamedText extends Category {
  readonly ids: readonly number[];
  readonly words: readonly Word[];
}

/** A prompt, and whether words were cut off it. */
export interface CutPrompt extends TokenizedPrompt {
  readonly cut: boolean;
}

/**
 * Makes prompts of texts as the model was trained on them. Grounding DINO reads small letters and ends each phrase with a dot;
 * OWL-ViT reads a text as it is.
 */
export class PromptTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #withDots: boolean;
  /** Special tokens before and after a text. */
  readonly #before: readonly number[];
  readonly #after: readonly number[];
  /** Most tokens between those. */
  readonly #room: number;
  readonly #expressions = memoized(MAX_PROMPTS, (text) => ({ prompt: this.#expression(text) }));

  /**
   * @param tokenizer content of a `tokenizer.json`
   * @param config content of its `tokenizer_config.json`, if there is one
   * @throws Error in the library's words where they are no tokeniser
   */
  constructor(
    tokenizer: object,
    config: object,
    { length }: Pick<PromptInput, 'length'>,
    family: string,
  ) {
    this.#tokenizer = new Tokenizer(tokenizer, config);
    this.#withDots = family === 'grounding-dino';
    const { before, after } = frameOf(this.#tokenizer, this.#withDots ? 'a.' : 'a');
    this.#before = before;
    this.#after = after;
    this.#room = length - before.length - after.length;
  }

  /** An expression as one prompt; undefined where it says nothing. */
  expression(text: string): CutPrompt | undefined {
    return this.#expressions(text).prompt;
  }

  #expression(text: string): CutPrompt | undefined {
    const read = text.slice(0, MAX_TEXT_LENGTH);
    const bare = this.#bare(this.#withDots ? withDot(read) : read);
    if (bare.ids.length === 0 || !SAYS_SOMETHING.test(read)) return undefined;
    const framed = this.#framed('expression', [{ id: 1, name: read.trim(), ...bare }]);
    const [phrase] = framed.phrases;
    // Only this family has scores for single words.
    const head = this.#withDots ? headOf(read, phrase!.words) : undefined;
    const phrases = head === undefined ? framed.phrases : [{ ...phrase!, head }];
    return { ...framed, phrases, cut: framed.cut || read.length < text.length };
  }

  /**
   * Names as prompts: as many in one as it takes where the model tells phrases of one text apart, else one each. A name for
   * which no token stands is left out.
   */
  names(names: readonly Category[]): readonly CutPrompt[] {
    const groups: NamedText[][] = [];
    let left = 0;
    for (const { id, name } of names) {
      const text = { id, name, ...this.#bare(this.#withDots ? withDot(name) : name) };
      const { length } = text.ids;
      if (length === 0) continue;
      const group = groups.at(-1);
      if (this.#withDots && group && length <= left) group.push(text);
      else {
        groups.push([text]);
        left = this.#room;
      }
      left -= length;
    }
    return groups.map((group) => this.#framed('names', group));
  }

  #bare(text: string): Omit<NamedText, keyof Category> {
    const { ids, tokens } = encoded(this.#tokenizer, text, { add_special_tokens: false });
    return { ids, words: wordsOf(tokens, text) };
  }

  /** Texts one after the other between the special tokens. What is beyond the model's length is cut off the last. */
  #framed(kind: TokenizedPrompt['kind'], texts: readonly NamedText[]): CutPrompt {
    const whole = texts.flatMap(({ ids }) => ids);
    const kept = whole.slice(0, this.#room);
    const phrases: Phrase[] = [];
    let at = this.#before.length;
    const end = at + kept.length;
    for (const { id, name, ids, words } of texts) {
      const moved = words
        .map((word) => ({ ...word, start: word.start + at, end: Math.min(end, word.end + at) }))
        .filter((word) => word.start < end);
      phrases.push({ label: name, categoryId: id, words: moved });
      at += ids.length;
    }
    return {
      kind,
      ids: [...this.#before, ...kept, ...this.#after],
      phrases,
      cut: kept.length < whole.length,
    };
  }
}

/**
 * The words of a prompt that are the expression's head noun; undefined where it has none, or that is cut off. A noun that comes twice
 * is meant where it comes first.
 */
function headOf(expression: string, words: readonly Word[]): readonly Word[] | undefined {
  const { head, corrections } = parseExpression(expression);
  if (head === null) return undefined;
  const written = head.phrase
    .split(' ')
    .map((word) => corrections.find(({ to }) => to === word)?.from ?? word);
  const noun = lettersOf(written.join(''));
  for (const start of words.keys()) {
    let text = '';
    for (let end = start; end < words.length && noun.startsWith(text); end++) {
      text += lettersOf(words[end]!.text);
      if (text === noun && text !== '') return words.slice(start, end + 1);
    }
  }
  return undefined;
}

/** Letters and digits alone, small, without accents: the tokeniser and the parser part words at other signs. */
const lettersOf = (text: string): string =>
  text
    .normalize('NFD')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');

/** Anything but signs, blanks and invisible characters. */
export const SAYS_SOMETHING = /[^\p{P}\p{Z}\p{C}]/u;

/** As Grounding DINO's own demonstration prepares a caption. */
function withDot(text: string): string {
  const small = text.toLowerCase().trim();
  return small.endsWith('.') ? small : `${small}.`;
}

/** Tokens of a word's later pieces, as BERT's word pieces mark them. */
const LATER_PIECE = /^##/;

/** Tokens to words; which of them follow without a space is read off the text. */
function wordsOf(tokens: readonly string[], text: string): Word[] {
  const plain = text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
  const words: Word[] = [];
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    const piece = token.replace(LATER_PIECE, '');
    const found = plain.indexOf(piece, at);
    const gap = found < 0 ? ' ' : plain.slice(at, found);
    if (found >= 0) at = found + piece.length;
    const last = words.at(-1);
    if (last && LATER_PIECE.test(token)) {
      words[words.length - 1] = { ...last, text: last.text + piece, end: index + 1 };
    } else {
      words.push({ text: piece, glued: gap === '', start: index, end: index + 1 });
    }
  }
  return words;
}

/** The special tokens around a text. @throws Error where there are none around it */
function frameOf(tokenizer: Tokenizer, text: string) {
  const probe: readonly number[] = encoded(tokenizer, text, { add_special_tokens: false }).ids;
  const framed: readonly number[] = encoded(tokenizer, text).ids;
  checkIds(probe);
  checkIds(framed);
  const last = framed.length - probe.length;
  const start = framed.findIndex((id, at) => id === probe[0] && at <= last);
  if (start < 0) throw new Error('the special tokens do not stand around the text');
  return { before: framed.slice(0, start), after: framed.slice(start + probe.length) };
}

/**
 * A tokeniser for models that write. Tokens that were added to the vocabulary are no part of a text, even where it spells one.
 * @param json content of a `tokenizer.json`
 * @param config content of its `tokenizer_config.json`, or nothing
 * @throws Error in the library's words where they are no tokeniser
 */
export function openTextTokens(json: object, config: object): TextTokens {
  const tokenizer = new Tokenizer(json, config);
  const { added_tokens: listed } = json as { added_tokens?: unknown };
  const added = new Map<string, number>();
  for (const { content, id } of Array.isArray(listed) ? listed : []) {
    if (typeof content === 'string' && Number.isSafeInteger(id)) added.set(content, id);
  }
  const isAdded = new Set(added.values());
  return {
    ...frameOf(tokenizer, 'a'),
    added: (text) => added.get(text),
    encode: (text) => {
      const ids: readonly number[] = encoded(tokenizer, text, { add_special_tokens: false }).ids;
      return ids.filter((id) => !isAdded.has(id));
    },
  };
}

/** A vocabulary without a word for what it does not know gives no id. @throws Error */
function checkIds(ids: readonly (number | undefined)[]): void {
  if (ids.length > 0 && ids.every((id) => Number.isSafeInteger(id))) return;
  throw new Error('it has no token for the letter a');
}

/** Numbers of the tokens of a text, the special ones among them. */
export type Tokenize = (text: string) => readonly number[];

/** @throws VgrError MODEL_CORRUPT */
export function readTokenizer(json: object, { name }: { readonly name: string }): Tokenize {
  try {
    const tokenizer = new Tokenizer(json, {});
    return (text) => {
      const { ids } = encoded(tokenizer, text.slice(0, MAX_TEXT_LENGTH));
      if (ids.length > 0 && ids.every(Number.isInteger)) return ids;
      throw new VgrError(
        'MODEL_CORRUPT',
        `model ${quoted(name)}: its tokenizer.json has no numbers for ${quoted(text)}`,
      );
    };
  } catch (thrown) {
    throw new VgrError(
      'MODEL_CORRUPT',
      `model ${quoted(name)}: its tokenizer.json cannot be read: ${asVgrError(thrown).message}`,
    );
  }
}
