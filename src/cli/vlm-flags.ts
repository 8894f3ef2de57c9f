import { Flags } from '@oclif/core';
import { flagGroup } from './flags.js';

/** The flags of `--refiner vlm` and `--refiner cascade`. The key comes from VGR_VLM_API_KEY alone. */
export const vlmFlags = flagGroup('LARGE REFINER', {
  'vlm-url': Flags.string({
    summary: 'root of an OpenAI-compatible API, such as http://localhost:8000/v1',
  }),
  'vlm-model': Flags.string({
    summary: "the server's name of the model",
  }),
  protocol: Flags.option({
    summary: 'two stages, or one turn with the boxes of the tools in the prompt',
    options: ['think-rethink', 'piter'] as const,
    default: 'think-rethink',
  })(),
  'prompt-template': Flags.string({
    summary: 'Jinja template in place of the own prompt, with the variable `content`',
  }),
  'vlm-mode': Flags.option({
    summary: "go on with the assistant's message, or take a new turn; auto asks the server once",
    options: ['auto', 'continue', 'multi-turn'] as const,
    default: 'auto',
  })(),
  'vlm-preset': Flags.option({
    summary: 'pixels and coordinates of a model family',
    options: ['qwen2-vl', 'qwen2.5-vl', 'qwen3-vl', 'internvl'] as const,
    default: 'qwen2.5-vl',
  })(),
  'vlm-grid': Flags.integer({
    summary: "sides of the picture are multiples of this, pixels [default: the preset's]",
    min: 1,
    max: 1024,
  }),
  'vlm-min-pixels': Flags.integer({
    summary: "fewest pixels of the picture [default: the preset's]",
    min: 1,
  }),
  'vlm-max-pixels': Flags.integer({
    summary: "most pixels of the picture [default: the preset's]",
    min: 1,
  }),
  'vlm-image': Flags.option({
    summary: 'how the picture is encoded',
    options: ['jpeg', 'png'] as const,
    default: 'jpeg',
  })(),
  'vlm-tool-boxes': Flags.integer({
    summary: 'boxes of each tool that the model is shown',
    default: 1,
    min: 1,
    max: 100,
  }),
  'vlm-reply-tokens': Flags.integer({
    summary: 'most tokens of one reply',
    default: 2048,
    min: 16,
    max: 65_536,
  }),
  'vlm-repetition-penalty': Flags.string({
    summary: 'sent as repetition_penalty [default: 1.05 to servers that go on with messages]',
  }),
  'vlm-logprobs': Flags.boolean({
    summary: "ask for the tokens' probabilities and score answers by them",
    default: false,
  }),
  'vlm-body': Flags.string({
    summary: 'JSON object of further fields for each request; null takes one away',
  }),
  'no-vlm-stream': Flags.boolean({
    summary: 'ask for whole replies; in pieces, stalls and endless ones are seen sooner',
    default: false,
  }),
  'vlm-concurrency': Flags.integer({
    summary: 'requests under way at a time',
    default: 16,
    min: 1,
    max: 1024,
  }),
  'vlm-rpm': Flags.integer({
    summary: 'most requests a minute',
    min: 1,
  }),
  'vlm-tpm': Flags.integer({
    summary: 'most tokens a minute',
    min: 1,
  }),
  'vlm-timeout': Flags.integer({
    summary: 'seconds for one reply',
    default: 120,
    min: 1,
    max: 3600,
  }),
  'vlm-attempts': Flags.integer({
    summary: 'attempts at one request',
    default: 6,
    min: 1,
    max: 100,
  }),
  'max-requests': Flags.integer({
    summary: 'budget: stop after N requests to the server',
    min: 0,
  }),
  'max-tokens': Flags.integer({
    summary: 'budget: stop after N tokens, in and out',
    min: 0,
  }),
  'vlm-price': Flags.string({
    summary: 'money for a million tokens in and out, as `0.2/0.6`; run.json then tells the cost',
  }),
  'vlm-cache': Flags.string({
    summary: "folder of the replies' cache, or `none` [default: the user's cache folder]",
  }),
  'vlm-share': Flags.string({
    summary: 'cascade: most queries that go to the large refiner, 0 to 1 [default: 0.2]',
  }),
  'vlm-threshold': Flags.string({
    summary: 'cascade: only queries go there whose confidence is below this, 0 to 1',
  }),
  'cascade-small': Flags.string({
    summary: 'cascade: the refiner that answers first, and judges',
    default: 'lite',
  }),
});
