import { Args, Errors, Flags, type Interfaces } from '@oclif/core';
import { WHOLE } from '../run/shard.js';

/**
 * Every flag that more than one command takes, with its environment variable. Help, completion and the table of
 * variables are made from here.
 */

/** A finite number from `min` to `max` as a flag's value. Refused in the words of oclif's own numbers. */
export function number(min: number, max = Number.POSITIVE_INFINITY) {
  return async (text: string): Promise<number> => {
    const value = Number(text);
    const within = Number.isFinite(value) && value >= min && value <= max;
    if (text.trim() !== '' && within) return value;
    const range = max === Number.POSITIVE_INFINITY ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new Errors.CLIError(`Expected a number ${range} but received: ${text}`);
  };
}

/**
 * Flags that help shows together. Each is also set by the environment: `val-share` by `VGR_VAL_SHARE`, unless it names another
 * variable.
 */
export function flagGroup<Group extends Interfaces.FlagInput>(title: string, flags: Group): Group {
  for (const [name, flag] of Object.entries(flags)) {
    flag.helpGroup = title;
    flag.env ??= `VGR_${name.toUpperCase().replaceAll('-', '_')}`;
  }
  return flags;
}

/** Where models come from and how they run. */
export const inferenceFlags = {
  detector: Flags.string({
    summary: 'detector: a name from `vgr models list`, an ONNX file, or `none`',
    env: 'VGR_DETECTOR',
    default: 'centernet',
    helpGroup: 'MODELS',
  }),
  device: Flags.string({
    summary: 'auto, cpu, cuda, cuda:N, webgpu, dml or coreml',
    env: 'VGR_DEVICE',
    default: 'auto',
    helpGroup: 'MODELS',
  }),
  sessions: Flags.integer({
    summary: 'worker threads, each with a session of its own [default: one a core, at most 8]',
    env: 'VGR_SESSIONS',
    min: 1,
    max: 256,
    helpGroup: 'MODELS',
  }),
  threads: Flags.integer({
    summary: 'threads in each session [default: cores / sessions]',
    env: 'VGR_THREADS',
    min: 1,
    max: 256,
    helpGroup: 'MODELS',
  }),
  tune: Flags.boolean({
    summary: 'measure which sessions, threads and batch are fastest here, once a model and machine',
    env: 'VGR_TUNE',
    default: false,
    exclusive: ['sessions', 'threads', 'batch-size'],
    helpGroup: 'MODELS',
  }),
  'batch-size': Flags.integer({
    summary:
      'photos in one run of the detector, where its graph allows [default: 1 on the CPU, else 8]',
    env: 'VGR_BATCH_SIZE',
    min: 1,
    max: 256,
    helpGroup: 'MODELS',
  }),
  'input-size': Flags.integer({
    summary:
      "longest side at which photos go into a detector that keeps their shape, pixels; rounded up to what its graph takes [default: the model card's]",
    env: 'VGR_INPUT_SIZE',
    min: 1,
    max: 8192,
    helpGroup: 'MODELS',
  }),
  classes: Flags.string({
    summary:
      'labels that count, with commas between them: `--classes person,dog` [default: all]; for a detector that is asked in words, what to look for',
    env: 'VGR_CLASSES',
    helpGroup: 'MODELS',
  }),
  nms: Flags.string({
    summary:
      "IoU from which the weaker of two boxes of one label goes, 0 to 1; 1 keeps all [default: the model card's]",
    env: 'VGR_NMS',
    helpGroup: 'MODELS',
  }),
  'min-score': Flags.string({
    summary: "lowest detector score that counts, 0 to 1 [default: the model card's]",
    env: 'VGR_MIN_SCORE',
    helpGroup: 'MODELS',
  }),
  'max-detections': Flags.integer({
    summary: "most boxes in one photo [default: the model card's]",
    env: 'VGR_MAX_DETECTIONS',
    min: 1,
    max: 10_000,
    helpGroup: 'MODELS',
  }),
};

/** The folders of commands that take query lines. */
export const imageFolderArgs = {
  images: Args.string({
    ignoreStdin: true,
    description:
      'folders that `image` on the lines is relative to; may be left out when every line brings `tools`',
  }),
};

/** What is read. */
export const inputFlags = {
  limit: Flags.integer({
    summary: 'stop after N items',
    env: 'VGR_LIMIT',
    min: 0,
    helpGroup: 'INPUT',
  }),
  shard: Flags.string({
    summary: 'do part i of n, by hash of the image: `2/4`, or `auto` in a task of an array',
    env: 'VGR_SHARD',
    default: WHOLE,
    helpGroup: 'INPUT',
  }),
  'max-pixels': Flags.integer({
    summary: 'largest photo that is decoded, pixels',
    env: 'VGR_MAX_PIXELS',
    default: 100_000_000,
    min: 1,
    helpGroup: 'INPUT',
  }),
  'max-memory': Flags.string({
    summary:
      'memory of the whole run, such as 2g; photos that need more are refused [default: decoding takes a quarter of the machine]',
    env: 'VGR_MAX_MEMORY',
    helpGroup: 'INPUT',
  }),
  'allow-outside': Flags.boolean({
    summary: 'allow absolute paths, `..` and links that lead out of the image folder',
    env: 'VGR_ALLOW_OUTSIDE',
    default: false,
    helpGroup: 'INPUT',
  }),
};

/** What is written. */
export const outputFlags = {
  output: Flags.string({
    char: 'o',
    summary: 'folder for results.jsonl, the COCO files and run.json; a rerun continues there',
    env: 'VGR_OUTPUT',
    helpGroup: 'OUTPUT',
  }),
  visualize: Flags.string({
    summary: 'folder for photos with the boxes drawn over them',
    env: 'VGR_VISUALIZE',
    helpGroup: 'OUTPUT',
  }),
  format: Flags.string({
    summary:
      'lines on stdout [default: human on a terminal, jsonl in a pipe, nothing with --output in a pipe]',
    env: 'VGR_FORMAT',
    options: ['jsonl', 'json', 'human'],
    helpGroup: 'OUTPUT',
  }),
  'image-ids': Flags.string({
    summary:
      'COCO file whose image ids are taken, by file name; photos not in it are left out of COCO files',
    env: 'VGR_IMAGE_IDS',
    dependsOn: ['output'],
    helpGroup: 'OUTPUT',
  }),
  'no-resume': Flags.boolean({
    summary: 'start anew: where the folder is in use already, in one beside it (`out-2`)',
    env: 'VGR_NO_RESUME',
    default: false,
    helpGroup: 'OUTPUT',
  }),
  'retry-failed': Flags.boolean({
    summary: 'continue, and do items that became errors once more',
    env: 'VGR_RETRY_FAILED',
    default: false,
    helpGroup: 'OUTPUT',
  }),
  'no-timing': Flags.boolean({
    summary: 'leave timings out of results, so that two runs are equal byte for byte',
    env: 'VGR_NO_TIMING',
    default: false,
    helpGroup: 'OUTPUT',
  }),
  unordered: Flags.boolean({
    summary: 'write results as they come instead of in input order',
    env: 'VGR_UNORDERED',
    default: false,
    helpGroup: 'OUTPUT',
  }),
};

/** How the command itself behaves. */
export const commonFlags = {
  quiet: Flags.boolean({
    char: 'q',
    summary: 'say nothing but errors',
    env: 'VGR_QUIET',
    default: false,
    helpGroup: 'GLOBAL',
  }),
  'no-progress': Flags.boolean({
    summary: 'show no progress on stderr; off by itself without a terminal and in CI',
    env: 'VGR_NO_PROGRESS',
    default: false,
    helpGroup: 'GLOBAL',
  }),
  config: Flags.string({
    summary: 'JSON file with flags by name [default: vgr.config.json in this folder, if there]',
    env: 'VGR_CONFIG',
    helpGroup: 'GLOBAL',
  }),
};
