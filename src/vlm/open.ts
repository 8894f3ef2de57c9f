import { quoted, VgrError } from '../core/error.js';
import { readTextIfThere } from '../core/files.js';
import { Semaphore } from '../core/semaphore.js';
import { counted, sha256Of } from '../core/text.js';
import type { OutputLine } from '../formats/result-line.js';
import type { RunSettings } from '../formats/run-summary.js';
import { type DecodingMemory, photoLimits } from '../photos/decode.js';
import type { Refiner } from '../refine/refiner.js';
import { CallQuota, type CascadeTally, createCascade } from './cascade.js';
import { ChatClient } from './client.js';
import { detectMode, type VlmMode } from './conversation.js';
import { type PictureMaker, pictureMaker } from './photo.js';
import { type PromptWriter, piterPrompt, twoStagePrompt } from './prompt.js';
import { templatePrompt } from './prompt-template.js';
import {
  chatSettings,
  type LargeRefinerOptions,
  pixelGrid,
  repetitionPenalty,
  type VlmFlags,
  vlmRunSettings,
} from './settings.js';
import { createVlmRefiner, emptyTally } from './vlm-refiner.js';

/**
 * Open conversations for each request that may be under way: some are between two requests. A run that is stopped leaves them
 * half done.
 */
const OPEN_PER_REQUEST = 1.5;

/** A refiner that is asked about single queries, with what a run must know about it. */
export interface LargeRefiner {
  readonly refiner: Refiner;
  /** Settings that decide its answers. */
  readonly settings: RunSettings;
  /** Of one that photos are sent to. */
  readonly picture?: (memory: DecodingMemory) => PictureMaker;
  /** Side of the raster that it needs of a photo without a detector, pixels; absent where it looks at colours. */
  readonly rasterSide?: number;
  /** Queries that a run keeps in work, so that it always has the next one. */
  readonly inFlight: number;
  /** Takes in a line that an earlier run wrote. */
  readonly recall?: (line: OutputLine) => void;
  /** The root of the API, to which photos go. */
  readonly server?: string;
  /** For run.json. */
  readonly report: () => Readonly<Record<string, unknown>>;
  /** Warnings about the answers of this run; empty where all went well. */
  readonly warnings: () => readonly string[];
  close(): Promise<void>;
}

/** The large refiner. @throws VgrError USAGE, CONFIG_INVALID, INPUT_MISSING */
export async function openLarge(
  flags: VlmFlags,
  options: LargeRefinerOptions,
): Promise<LargeRefiner> {
  const settings = chatSettings(flags, options);
  const client = new ChatClient(settings);
  const { prompt, sha256 } = await promptOf(flags);
  const tally = emptyTally();
  const conversations = new Semaphore(Math.ceil(OPEN_PER_REQUEST * flags['vlm-concurrency']));
  let detected: Promise<VlmMode> | undefined;
  /** For the report. */
  let mode: VlmMode | undefined;
  const modeOf = async () => {
    if (flags['vlm-mode'] !== 'auto') return flags['vlm-mode'];
    detected ??= detectMode(client.chat);
    mode = await detected;
    return mode;
  };
  return {
    refiner: createVlmRefiner({
      chat: client.chat,
      model: flags['vlm-model']!,
      protocol: flags.protocol,
      mode: modeOf,
      prompt,
      grid: pixelGrid(flags),
      boxesPerTool: flags['vlm-tool-boxes'],
      maxTokens: flags['vlm-reply-tokens'],
      repetitionPenalty: repetitionPenalty(flags),
      admit: (begin) => conversations.run(begin),
      tally,
    }),
    settings: vlmRunSettings(flags, sha256),
    picture: (memory) =>
      pictureMaker({ format: flags['vlm-image'], ...photoLimits(flags), memory }),
    // The server gets the photo: the raster only gives its size.
    rasterSide: 16,
    // One query for each request, and one whose photo is being encoded.
    inFlight: 2 * flags['vlm-concurrency'],
    server: settings.url,
    report: () => ({ server: settings.url, ...client.report(), mode, answers: { ...tally } }),
    warnings: () => {
      if (tally.fallbacks === 0) return [];
      const answers = counted(tally.fallbacks, 'answer');
      return [`${answers} could not be read; the tool's box is used instead`];
    },
    close: () => client.close(),
  };
}

/** A small refiner, and the large one where it is unsure. */
export function openCascade(
  flags: Pick<VlmFlags, 'vlm-share' | 'vlm-threshold'>,
  small: Refiner,
  large: LargeRefiner,
): LargeRefiner {
  const threshold = flags['vlm-threshold'];
  const share = flags['vlm-share'] ?? (threshold === undefined ? 0.2 : 1);
  const quota = new CallQuota({ share, threshold: threshold ?? Number.POSITIVE_INFINITY });
  const tally = { asked: 0, failed: 0, unpaid: 0 };
  return {
    ...large,
    refiner: createCascade({ small, large: large.refiner, quota, tally }),
    settings: {
      ...large.settings,
      vlm_share: share,
      vlm_threshold: threshold ?? null,
    },
    recall: (line) => {
      const cascade = line.type === 'result' ? line.answer.cascade : undefined;
      if (cascade) quota.recall(cascade.confidence, cascade.asked);
    },
    // Few queries go to the large one: more must be in work to find them.
    inFlight: Math.min(Math.ceil(large.inFlight / Math.max(share, 0.1)), 1024),
    report: () => ({ ...large.report(), cascade: { ...tally, seen: quota.seen } }),
    warnings: () => cascadeWarnings(tally),
  };
}

function cascadeWarnings({ asked, failed, unpaid }: CascadeTally): string[] {
  if (failed === 0) return [];
  const budget = unpaid === 0 ? '' : `, to ${unpaid} of them because the budget is spent`;
  return [
    `the large refiner gave no answer to ${failed} of ${counted(asked, 'query')}${budget}; the answers of the small one are used instead`,
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
