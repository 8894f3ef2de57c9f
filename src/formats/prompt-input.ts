import { z } from 'zod';

const name = z.string().min(1);
const positiveInteger = z.int().positive();

/** What a graph takes beside the photo where it is asked in words: token ids [prompts, tokens] and what belongs to them. */
export const promptInput = z.strictObject({
  /** Names of the graph's inputs. */
  ids: name,
  mask: name,
  /** Segments of the text, all of them 0. */
  types: name.optional(),
  type: z.enum(['int64', 'int32']),
  /** Most tokens of a prompt, the special ones among them. */
  length: positiveInteger,
  /** Whether every prompt is filled up to `length`; otherwise to the longest of its run. */
  padded: z.boolean(),
  /** The token that fills. */
  pad: z.int().min(0),
  /** Prompts that the graph takes for one photo: `any`, or the number that it fixes. */
  prompts: z.union([z.literal('any'), positiveInteger]),
  /** Which of the card's `files` hold the tokeniser and its configuration. */
  tokenizer: name,
  config: name.optional(),
});

export type PromptInput = Readonly<z.output<typeof promptInput>>;
