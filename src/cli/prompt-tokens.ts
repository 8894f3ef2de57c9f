import type { PromptTokenizer } from '../detection/prompt-tokenizer.js';
import { printable, quoted, VgrError } from '../formats/fault.js';
import type { PromptedCard } from '../formats/model-card.js';
import type { TokenizerFiles } from '../io/model-files.js';
import type { Printer } from './printer.js';

/**
 * The tokeniser of a detector that is asked in words. The library is loaded for such detectors alone.
 * @param path of the tokeniser's file, for the message
 * @throws VgrError MODEL_CORRUPT
 */
export async function makeTokenizer(
  { tokenizer, config }: TokenizerFiles,
  { family, input }: Pick<PromptedCard, 'family' | 'input'>,
  path: string,
): Promise<PromptTokenizer> {
  const { PromptTokenizer } = await import('../detection/prompt-tokenizer.js');
  try {
    return new PromptTokenizer(tokenizer, config, input.text, family);
  } catch (cause) {
    const reason = printable((cause as Error).message).slice(0, 200);
    throw new VgrError('MODEL_CORRUPT', `${quoted(path)}: expected a tokeniser, got ${reason}`, {
      hint: 'it is the `tokenizer.json` of the model, as the Hugging Face hub keeps it',
      cause,
    });
  }
}

/** Counts prompts that are longer than a model reads, and tells of them once. */
export class CutPrompts {
  readonly #model: string;
  readonly #length: number;
  #count = 0;

  constructor({ name, input }: PromptedCard) {
    this.#model = name;
    this.#length = input.text.length;
  }

  readonly add = (count: number): void => {
    this.#count += count;
  };

  tell(printer: Printer): void {
    if (this.#count === 0) return;
    printer.note(
      `warning: ${this.#count} ${this.#count === 1 ? 'prompt is' : 'prompts are'} longer than the ${this.#length} tokens that ${this.#model} reads; the rest was cut off`,
    );
  }
}
