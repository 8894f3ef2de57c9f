import { Tokenizer } from '@huggingface/tokenizers';
import { asVgrError, quoted, VgrError } from '../formats/fault.js';

/** Numbers of the tokens of a text, the special ones among them. */
export type Tokenize = (text: string) => readonly number[];

/** @throws VgrError MODEL_CORRUPT */
export function readTokenizer(json: object, { name }: { readonly name: string }): Tokenize {
  try {
    const tokenizer = new Tokenizer(json, {});
    return (text) => {
      const { ids } = tokenizer.encode(text);
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
