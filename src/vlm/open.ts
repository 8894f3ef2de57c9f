import { quoted, VgrError } from '../core/error.js';
import { readTextIfThere } from '../core/files.js';
import { Gate } from '../core/semaphore.js';
import { counted, sha256Of } from '../core/text.js';
import type { OutputLine } from '../formats/result-line.js';
import type { RunSettings } from '../formats/run-summary.js';
import type { DecodingMemory } from '../photos/decode.js';
import type { AnswerRules, LiteSpec } from '../refine/lite-refiner.js';
import type { Refiner } from '../refine/refiner.js';
import type { PhotoSource } from '../run/refine-run.js';
import { cropMatching, warmEncoder } from '../runtime/encoder.js';
import type { WarmUp } from '../runtime/memory-limit.js';
import type { SessionPool } from '../runtime/pool.js';
import { openRefiner, type SmallRefiner } from '../runtime/refiner.js';
import { CallQuota, type CascadeTally, createCascade } from './cascade.js';
import { ChatClient } from './client.js';
import { detectMode, type VlmMode, type VlmProtocol } from './conversation.js';
import { PictureMaker } from './photo.js';
import { type PromptWriter, piterPrompt, twoStagePrompt } from './prompt.js';
import { templatePrompt } from './prompt-template.js';
import {
  chatSettings,
  pixelGrid,
  quotaSettings,
  repetitionPenalty,
  type VlmFlags,
  vlmRunSettings,
} from './settings.js';
import { createVlmRefiner, emptyTally } from './vlm-refiner.js';

/** Enough to tell colours by, pixels. */
export const PLAIN_SIDE = 512;

/**
 * Conversations that are open for each request that may be under way: some are between two requests. Where a run is stopped, no
 * more than these are half done.
 */
const OPEN_PER_REQUEST = 1.5;

/** A refiner with what a run must know of it. */
export interface OpenedRefiner {
  readonly refiner: Refiner;
  /** The same for the threads of the pool, where they can do without the main thread. */
  readonly spec?: LiteSpec;
  /** Settings that decide its answers. */
  readonly settings: RunSettings;
  /** Present where it looks at the photos themselves. */
  readonly picture?: (memory: DecodingMemory) => NonNullable<PhotoSource['picture']>;
  /** Present where it holds crops of the photos against words. */
  readonly crops?: (memory: DecodingMemory) => NonNullable<PhotoSource['crops']>;
  /** Of the model that reads the crops. */
  readonly warmUp?: WarmUp;
  /** Side of the raster that it is shown where no detector looks at the photo, pixels. */
  readonly rasterSide?: number;
  /** Queries to keep in work so that nobody waits for them. */
  readonly inFlight: number;
  /** Takes in a line that an earlier run wrote. */
  readonly recall?: (line: OutputLine) => void;
  /** For run.json. */
  readonly report?: () => Readonly<Record<string, unknown>>;
  /** What a person must know of the answers of this run; empty where all went well. */
  readonly warnings?: () => readonly string[];
  close(): Promise<void>;
}

export interface OpenRefinerFlags extends VlmFlags {
  readonly refiner: string;
  readonly answers: string;
  readonly 'min-confidence': number;
  readonly 'max-pixels': number;
}

export interface OpenRefinerOptions {
  /** Where replies are kept between runs. */
  readonly cacheFolder: string;
  readonly signal: AbortSignal;
  /** Where trained refiners run. */
  readonly pool: SessionPool;
}

/**
 * The refiner that `--refiner` means: a large one behind a server, a cascade of both, or one of the small ones.
 * @throws VgrError USAGE, CONFIG_INVALID, MODEL_UNKNOWN, INPUT_MISSING
 */
export async function openAnyRefiner(
  flags: OpenRefinerFlags,
  options: OpenRefinerOptions,
): Promise<OpenedRefiner> {
  if (flags.refiner === 'vlm') return openLarge(flags, options);
  if (flags.refiner === 'cascade') return openCascade(flags, options);
  const small = await openRefiner(flags.refiner, rulesOf(flags), options.pool);
  return {
    refiner: small.refiner,
    ...(small.spec && { spec: small.spec }),
    settings: settingsOf(small),
    ...cropsOf(small, flags),
    inFlight: 0,
    close: async () => undefined,
  };
}

function rulesOf(flags: OpenRefinerFlags): AnswerRules {
  return {
    answers: flags.answers === 'one' ? 'one' : 'auto',
    minConfidence: flags['min-confidence'],
  };
}

function settingsOf({ model, spec, encoder }: SmallRefiner): RunSettings {
  return {
    ...(model && { refiner_sha256: model.sha256 }),
    ...(spec && { answers: spec.rules.answers, min_confidence: spec.rules.minConfidence }),
    ...(encoder && { encoder: encoder.card.name }),
  };
}

function cropsOf(
  { encoder }: SmallRefiner,
  flags: OpenRefinerFlags,
): Pick<OpenedRefiner, 'crops' | 'warmUp'> {
  if (!encoder) return {};
  return {
    crops: (memory) => {
      const matching = cropMatching(encoder, flags, memory);
      return (ref) => matching.of(ref);
    },
    warmUp: (sessions) => warmEncoder(encoder, sessions),
  };
}

async function openLarge(
  flags: OpenRefinerFlags,
  options: OpenRefinerOptions,
): Promise<OpenedRefiner> {
  const client = new ChatClient(chatSettings(flags, options));
  const { prompt, sha256 } = await promptOf(flags);
  const penalty = repetitionPenalty(flags);
  const tally = emptyTally();
  const conversations = new Gate(Math.ceil(OPEN_PER_REQUEST * flags['vlm-concurrency']));
  let mode: VlmMode | undefined;
  let detected: Promise<VlmMode> | undefined;
  return {
    refiner: createVlmRefiner({
      chat: client.chat,
      model: flags['vlm-model']!,
      protocol: flags.protocol as VlmProtocol,
      mode: async () => {
        if (flags['vlm-mode'] !== 'auto') return flags['vlm-mode'] as VlmMode;
        detected ??= detectMode(client.chat);
        mode = await detected;
        return mode;
      },
      prompt,
      grid: pixelGrid(flags),
      boxesPerTool: flags['vlm-tool-boxes'],
      maxTokens: flags['vlm-reply-tokens'],
      ...(penalty !== undefined && { repetitionPenalty: penalty }),
      admit: (begin) => conversations.run(begin),
      tally,
    }),
    settings: vlmRunSettings(flags, sha256),
    picture: (memory) => {
      const pictures = new PictureMaker({
        format: flags['vlm-image'] === 'png' ? 'png' : 'jpeg',
        maxPixels: flags['max-pixels'],
        memory,
      });
      return ({ path }, size) => pictures.url(path, size);
    },
    // It opens the photo itself: here only the size is wanted.
    rasterSide: 16,
    // One query for each request, and as many whose photos are made ready.
    inFlight: 2 * flags['vlm-concurrency'],
    report: () => ({ ...client.report(), ...(mode && { mode }), answers: { ...tally } }),
    warnings: () =>
      tally.fallbacks === 0
        ? []
        : [
            `${counted(tally.fallbacks, 'answer')} could not be read; the box of the tool stands there`,
          ],
    close: () => client.close(),
  };
}

async function openCascade(
  flags: OpenRefinerFlags,
  options: OpenRefinerOptions,
): Promise<OpenedRefiner> {
  const quotaOf = quotaSettings(flags);
  const small = await openRefiner(flags['cascade-small'], rulesOf(flags), options.pool);
  const large = await openLarge(flags, options);
  const quota = new CallQuota(quotaOf);
  const tally = { asked: 0, failed: 0, unpaid: 0 };
  return {
    ...large,
    refiner: createCascade({ small: small.refiner, large: large.refiner, quota, tally }),
    ...cropsOf(small, flags),
    rasterSide: PLAIN_SIDE,
    settings: {
      ...large.settings,
      ...settingsOf(small),
      vlm_share: quotaOf.share,
      vlm_threshold: Number.isFinite(quotaOf.threshold) ? quotaOf.threshold : null,
    },
    recall: (line) => {
      const cascade = line.type === 'result' ? line.answer.cascade : undefined;
      if (cascade) quota.recall(cascade.confidence, cascade.asked);
    },
    // Most queries do not go to the server: more must be in work to find those that do.
    inFlight: Math.min(Math.ceil(large.inFlight / Math.max(quotaOf.share, 0.1)), 1024),
    report: () => ({ ...large.report?.(), cascade: { ...tally, seen: quota.seen } }),
    warnings: () => cascadeWarnings(tally),
  };
}

function cascadeWarnings({ asked, failed, unpaid }: CascadeTally): string[] {
  if (failed === 0) return [];
  const budget = unpaid === 0 ? '' : `, to ${unpaid} of them since the budget is spent`;
  return [
    `the large refiner gave no answer to ${failed} of ${counted(asked, 'query')}${budget}; that of the small one stands there`,
  ];
}

/** The prompt, and the sha256 of the template's file where it is from one. */
export async function promptOf(
  flags: Pick<VlmFlags, 'prompt-template' | 'protocol'>,
): Promise<{ readonly prompt: PromptWriter; readonly sha256?: string }> {
  const file = flags['prompt-template'];
  if (file === undefined) {
    return { prompt: flags.protocol === 'piter' ? piterPrompt : twoStagePrompt };
  }
  const text = await readTextIfThere(file);
  if (text === undefined) {
    throw new VgrError('INPUT_MISSING', `--prompt-template: no file ${quoted(file)}`);
  }
  return { prompt: templatePrompt(text, file), sha256: sha256Of(text) };
}
