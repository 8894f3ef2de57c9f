import { z } from 'zod';
import { printable, quoted, VgrError } from '../core/error.js';
import { proxyFor } from '../core/http.js';
import { isSafeAddress } from '../core/text.js';
import type { RunSettings } from '../formats/run-summary.js';
import type { PhotoFlags } from '../photos/decode.js';
import { ReplyCache } from './cache.js';
import type { ChatSettings } from './client.js';
import type { VlmMode, VlmProtocol } from './conversation.js';
import type { PictureFormat } from './photo.js';
import { GRIDS, type GridName, type PixelGrid } from './prompt.js';
import type { UsageLimits } from './usage.js';

/** The flags of `vlmFlags`, and the size of photos, as the parser gives them. */
export interface VlmFlags extends PhotoFlags {
  readonly 'vlm-url'?: string;
  readonly 'vlm-model'?: string;
  readonly protocol: VlmProtocol;
  readonly 'prompt-template'?: string;
  readonly 'vlm-mode': 'auto' | VlmMode;
  readonly 'vlm-preset': GridName;
  readonly 'vlm-grid'?: number;
  readonly 'vlm-min-pixels'?: number;
  readonly 'vlm-max-pixels'?: number;
  readonly 'vlm-image': PictureFormat;
  readonly 'vlm-tool-boxes': number;
  readonly 'vlm-reply-tokens': number;
  readonly 'vlm-repetition-penalty'?: string;
  readonly 'vlm-logprobs': boolean;
  readonly 'vlm-body'?: string;
  readonly 'vlm-header'?: readonly string[];
  readonly 'vlm-plain-http': boolean;
  readonly 'no-vlm-stream': boolean;
  readonly 'vlm-concurrency': number;
  readonly 'vlm-rpm'?: number;
  readonly 'vlm-tpm'?: number;
  readonly 'vlm-timeout': number;
  readonly 'vlm-attempts': number;
  readonly 'max-requests'?: number;
  readonly 'max-tokens'?: number;
  readonly 'vlm-price'?: string;
  readonly 'vlm-cache'?: string;
  readonly 'vlm-share'?: number;
  readonly 'vlm-threshold'?: number;
  readonly 'cascade-small': string;
  readonly 'cascade-large'?: string;
}

export interface LargeRefinerOptions {
  /** Where replies are kept between runs. */
  readonly cacheFolder: string;
  readonly signal: AbortSignal;
  /** Told what the run waits for. */
  readonly notice: (text: string) => void;
}

/** Limit between two events of a stream. */
const MAX_IDLE_MS = 30_000;
const BACKOFF_MS = 500;

/** @throws VgrError USAGE, CONFIG_INVALID */
export function chatSettings(
  flags: VlmFlags,
  { cacheFolder, signal, notice }: LargeRefinerOptions,
): ChatSettings {
  const { url, query } = serverAddress(flags['vlm-url']);
  const headers = extraHeaders(flags['vlm-header'] ?? []);
  const hasHeaders = Object.keys(headers).length > 0;
  const timeoutMs = flags['vlm-timeout'] * 1000;
  const cache = flags['vlm-cache'] ?? cacheFolder;
  return {
    url,
    query,
    key: safeKey(url, flags['vlm-plain-http'], hasHeaders),
    headers,
    proxy: proxyFor(new URL(url)),
    stream: !flags['no-vlm-stream'],
    timeoutMs,
    idleMs: Math.min(timeoutMs, MAX_IDLE_MS),
    model: required('vlm-model', flags['vlm-model']),
    logProbabilities: flags['vlm-logprobs'],
    extra: bodyFields(flags['vlm-body']),
    concurrency: flags['vlm-concurrency'],
    requestsPerMinute: flags['vlm-rpm'] ?? Number.POSITIVE_INFINITY,
    tokensPerMinute: flags['vlm-tpm'] ?? Number.POSITIVE_INFINITY,
    attempts: flags['vlm-attempts'],
    backoffMs: BACKOFF_MS,
    maxRequests: flags['max-requests'] ?? Number.POSITIVE_INFINITY,
    maxTokens: flags['max-tokens'] ?? Number.POSITIVE_INFINITY,
    ...prices(flags['vlm-price']),
    cache: cache === 'none' ? undefined : new ReplyCache(cache, url + query),
    signal,
    notice,
  };
}

/** The grid of the preset, changed by the other flags. @throws VgrError USAGE */
export function pixelGrid(
  flags: Pick<VlmFlags, 'vlm-preset' | 'vlm-grid' | 'vlm-min-pixels' | 'vlm-max-pixels'>,
): PixelGrid {
  const preset: PixelGrid = GRIDS[flags['vlm-preset']];
  const step = flags['vlm-grid'] ?? preset.step;
  const maxPixels = flags['vlm-max-pixels'] ?? preset.maxPixels;
  const minPixels = flags['vlm-min-pixels'] ?? Math.min(preset.minPixels, maxPixels);
  if (minPixels > maxPixels || step * step > maxPixels) {
    throw new VgrError(
      'USAGE',
      `--vlm-max-pixels: expected at least ${Math.max(minPixels, step * step)}, got ${maxPixels}`,
    );
  }
  return { ...preset, step, minPixels, maxPixels };
}

/** @throws VgrError USAGE */
export function repetitionPenalty(flags: VlmFlags): number | undefined {
  const text = flags['vlm-repetition-penalty'];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && value <= 2) return value;
  throw new VgrError(
    'USAGE',
    `--vlm-repetition-penalty: expected a number above 0, at most 2, got ${quoted(text)}`,
  );
}

/** Settings that decide the model's answers; the server's address and its limits do not. */
export function vlmRunSettings(flags: VlmFlags, template: string | undefined): RunSettings {
  const { step, minPixels, maxPixels, scale } = pixelGrid(flags);
  return {
    vlm_model: flags['vlm-model'] ?? null,
    vlm_protocol: flags.protocol,
    vlm_mode: flags['vlm-mode'],
    vlm_prompt: template ?? 'own',
    vlm_grid: `${step} ${minPixels} ${maxPixels} ${scale ?? 'pixels'}`,
    vlm_image: flags['vlm-image'],
    vlm_tool_boxes: flags['vlm-tool-boxes'],
    vlm_reply_tokens: flags['vlm-reply-tokens'],
    vlm_repetition_penalty: flags['vlm-repetition-penalty'] ?? null,
    vlm_logprobs: flags['vlm-logprobs'],
    vlm_body: flags['vlm-body'] ?? null,
  };
}

/** The root of the API, and the query that each request to it carries, such as `?api-version=1`. @throws VgrError USAGE */
function serverAddress(text: string | undefined): { readonly url: string; readonly query: string } {
  const given = required('vlm-url', text);
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    // A secret may be before `@` or behind `?`.
    const got = /[@?]/.test(given) ? 'another value' : quoted(given);
    throw new VgrError('USAGE', `--vlm-url: expected an http or https address, got ${got}`, {
      hint: 'for example `--vlm-url http://localhost:8000/v1`',
    });
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new VgrError('USAGE', '--vlm-url: expected an address without name and password', {
      hint: 'put the key into the environment variable VGR_VLM_API_KEY, or see `--vlm-header`',
    });
  }
  // run.json holds the address, so it must hold no secret: a query may be one.
  const query = url.search;
  url.search = '';
  return { url: url.href.replace(/\/+$/, ''), query };
}

/** Headers of `NAME=VARIABLE`: their values come from the environment. @throws VgrError USAGE, CONFIG_INVALID */
function extraHeaders(
  flags: readonly string[],
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): Readonly<Record<string, string>> {
  const entries = flags.map((flag) => {
    const [, name, variable] = /^([\w-]+)=([A-Za-z_]\w*)$/.exec(flag) ?? [];
    if (name === undefined || variable === undefined) {
      throw new VgrError('USAGE', '--vlm-header: expected NAME=VARIABLE, got another value', {
        hint: 'the value comes from a variable of the environment: `AZURE_KEY=... vgr refine .. --vlm-header api-key=AZURE_KEY`',
      });
    }
    const value = env[variable]?.trim();
    if (value && /^[ -~]+$/.test(value)) return [name.toLowerCase(), value] as const;
    const got = value ? 'one with other characters' : 'none';
    throw new VgrError(
      'CONFIG_INVALID',
      `--vlm-header ${name}: expected a value in visible ASCII characters in ${variable}, got ${got}`,
    );
  });
  return Object.fromEntries(entries);
}

/** The key, for a server to which nobody can listen. @throws VgrError CONFIG_INVALID */
function safeKey(url: string, allowPlain: boolean, hasHeaders: boolean): string | undefined {
  const key = serverKey(url);
  const isSecret = key !== undefined || hasHeaders;
  if (!isSecret || allowPlain || isSafeAddress(url)) return key;
  throw new VgrError(
    'CONFIG_INVALID',
    `--vlm-url: expected an https address, since there is a key; got ${quoted(url)}`,
    {
      hint: 'whoever listens could read the key: unset it, or pass `--vlm-plain-http` in a network that you trust',
    },
  );
}

/**
 * The key from the environment. OPENAI_API_KEY is read for OpenAI's own address alone.
 * @throws VgrError CONFIG_INVALID where no header can hold it; the message does not repeat it
 */
export function serverKey(
  url: string,
  env: Readonly<NodeJS.ProcessEnv> = process.env,
): string | undefined {
  const isOpenAi = new URL(url).hostname === 'api.openai.com';
  const names = ['VGR_VLM_API_KEY', ...(isOpenAi ? ['OPENAI_API_KEY'] : [])];
  const name = names.find((each) => env[each]?.trim());
  if (name === undefined) return undefined;
  const key = env[name]!.trim();
  const odd = key.search(/[^!-~]/);
  if (odd < 0) return key;
  const what = /\s/.test(key[odd]!) ? 'white space' : 'another character';
  throw new VgrError(
    'CONFIG_INVALID',
    `${name}: expected a key in visible ASCII characters, got one with ${what} at position ${odd + 1} of ${key.length}`,
    { hint: 'copy the bare key, without `Bearer`, quotes or a second line' },
  );
}

function required(flag: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw new VgrError('USAGE', `--${flag} is missing: \`--refiner vlm\` and \`cascade\` need it`, {
    hint: '`--refiner vlm --vlm-url http://localhost:8000/v1 --vlm-model NAME`; docs/large-models.md shows how to serve a model',
  });
}

function bodyFields(text = '{}'): Readonly<Record<string, unknown>> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw new VgrError('USAGE', `--vlm-body: expected a JSON object, got ${quoted(text)}`);
  }
}

/** @throws VgrError USAGE */
export function prices(text: string | undefined): Partial<UsageLimits> {
  if (text === undefined) return {};
  const parts = text.split('/').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (parts.length === 2 && parts.every((price) => price >= 0 && price < 1e9)) {
    return { pricePrompt: parts[0], priceCompletion: parts[1] };
  }
  throw new VgrError(
    'USAGE',
    `--vlm-price: expected two numbers, such as \`0.2/0.6\`, got ${quoted(printable(text))}`,
  );
}
