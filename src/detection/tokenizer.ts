import { Tokenizer } from '@huggingface/tokenizers';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';

/** Numbers of the tokens of a text, the special ones among them. */
export type Tokenize = (text: string) => readonly number[];

/**
 * Characters of a text that are looked at. No model reads more than 256 tokens, which are 4 to 5 characters of English each; the
 * time of the tokenisers grows with the square of a text.
 */
export const LONGEST_TEXT = 4096;

/** @throws VgrError MODEL_CORRUPT */
export function readTokenizer(json: object, { name }: { readonly name: string }): Tokenize {
  try {
    const tokenizer = new Tokenizer(json, {});
    return (text) => {
      const { ids } = tokenizer.encode(text.slice(0, LONGEST_TEXT));
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
