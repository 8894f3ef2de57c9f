import { Flags } from '@oclif/core';
import { flagGroup, number } from './flags.js';

/** The flags of `--refiner vlm` and `--refiner cascade`. The key comes from VGR_VLM_API_KEY alone. */
export const vlmFlags = flagGroup('LARGE REFINER', {
  'vlm-url': Flags.string({
    helpValue: 'URL',
    summary: 'root URL of an OpenAI-compatible API, such as http://localhost:8000/v1',
  }),
  'vlm-model': Flags.string({ helpValue: 'NAME', summary: 'name of the model on the server' }),
  protocol: Flags.option({
    aliases: ['vlm-protocol'],
    helpLabel: '--vlm-protocol',
    summary: 'two stages, or one turn with the boxes of the tools in the prompt',
    options: ['think-rethink', 'piter'] as const,
    default: 'think-rethink',
  })(),
  'prompt-template': Flags.string({
    helpValue: 'FILE',
    aliases: ['vlm-prompt-template'],
    helpLabel: '--vlm-prompt-template',
    summary: 'Jinja template that replaces the built-in prompt; `content` is the expression',
  }),
  'vlm-mode': Flags.option({
    summary: "second stage: continue the assistant's message or take a turn; auto asks the server",
    options: ['auto', 'continue', 'multi-turn'] as const,
    default: 'auto',
  })(),
  'vlm-preset': Flags.option({
    summary: 'model family, which sets picture sizes and coordinates',
    options: ['qwen2-vl', 'qwen2.5-vl', 'qwen3-vl', 'internvl', 'gemini'] as const,
    default: 'qwen2.5-vl',
  })(),
  'vlm-grid': Flags.integer({
    summary: "picture sides are multiples of N pixels [default: the preset's]",
    min: 1,
    max: 1024,
  }),
  'vlm-min-pixels': Flags.integer({
    summary: "minimum size of the picture, pixels [default: the preset's]",
    min: 1,
  }),
  'vlm-max-pixels': Flags.integer({
    summary: "maximum size of the picture, pixels [default: the preset's]",
    min: 1,
  }),
  'vlm-image': Flags.option({
    summary: 'encoding of the picture',
    options: ['jpeg', 'png'] as const,
    default: 'jpeg',
  })(),
  'vlm-tool-boxes': Flags.integer({
    summary: 'number of boxes that the model sees of each tool',
    default: 1,
    min: 1,
    max: 100,
  }),
  'vlm-reply-tokens': Flags.integer({
    summary: 'maximum length of one reply, tokens',
    default: 2048,
    min: 16,
    max: 65_536,
  }),
  'vlm-repetition-penalty': Flags.string({
    summary: 'sent as repetition_penalty [default: 1.05 to servers that continue messages]',
  }),
  'vlm-logprobs': Flags.boolean({
    summary: 'ask for token probabilities and score answers by them',
    default: false,
  }),
  'vlm-body': Flags.string({
    helpValue: 'JSON',
    summary: 'JSON object with more fields for each request; null removes a field',
  }),
  'vlm-header': Flags.string({
    helpValue: 'NAME=VARIABLE',
    summary: 'header whose value is in a variable of the environment',
    multiple: true,
  }),
  'vlm-plain-http': Flags.boolean({
    summary: 'send the key over plain http to a server that is not this machine',
    default: false,
  }),
  'no-vlm-stream': Flags.boolean({
    summary: 'ask for whole replies; a stream shows stalled and endless ones sooner',
    default: false,
  }),
  'vlm-concurrency': Flags.integer({
    summary: 'maximum number of requests at a time',
    default: 16,
    min: 1,
    max: 1024,
  }),
  'vlm-rpm': Flags.integer({ summary: 'maximum number of requests per minute', min: 1 }),
  'vlm-tpm': Flags.integer({ summary: 'maximum number of tokens per minute', min: 1 }),
  'vlm-timeout': Flags.integer({
    summary: 'timeout for one reply, seconds',
    default: 120,
    min: 1,
    max: 3600,
  }),
  'vlm-attempts': Flags.integer({
    summary: 'maximum number of attempts for one request',
    default: 6,
    min: 1,
    max: 100,
  }),
  'max-requests': Flags.integer({
    aliases: ['vlm-max-requests'],
    helpLabel: '--vlm-max-requests',
    summary: 'budget: stop after N requests to the server',
    min: 0,
  }),
  'max-tokens': Flags.integer({
    aliases: ['vlm-token-budget'],
    helpLabel: '--vlm-token-budget',
    summary: 'budget: stop after N tokens of prompts and replies',
    min: 0,
  }),
  'vlm-price': Flags.string({
    helpValue: 'IN/OUT',
    summary: 'price of a million prompt and reply tokens, as `0.2/0.6`; run.json then has the cost',
  }),
  'vlm-cache': Flags.string({
    helpValue: 'DIR',
    summary: "folder of the reply cache, or `none` [default: the user's cache folder]",
  }),
  'vlm-share': Flags.custom<number>({
    helpValue: '0..1',
    summary: 'cascade: maximum share of queries for it [default: 0.2]',
    parse: number(0, 1),
  })(),
  'vlm-threshold': Flags.custom<number>({
    helpValue: '0..1',
    summary: 'cascade: send only queries whose confidence is below this, 0 to 1',
    parse: number(0, 1),
  })(),
  'cascade-large': Flags.string({
    helpValue: 'NAME',
    summary:
      "cascade: model that is asked in words on this machine, in the server's place: a name from `vgr models list`",
  }),
  'cascade-small': Flags.string({
    helpValue: 'NAME',
    summary: 'cascade: refiner that answers first and judges the large refiner',
    default: 'lite',
  }),
});
