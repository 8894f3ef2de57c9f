import { Args, Errors, Flags, type Interfaces } from '@oclif/core';
import { quoted, VgrError } from '../core/error.js';
import { TASK_NAMES } from '../formats/model-card.js';
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

/** Flags that the environment sets too: `val-share` is set by `VGR_VAL_SHARE`, unless it names another variable. */
export function withVariables<Group extends Interfaces.FlagInput>(flags: Group): Group {
  for (const [name, flag] of Object.entries(flags)) {
    flag.env ??= `VGR_${name.toUpperCase().replaceAll('-', '_')}`;
  }
  return flags;
}

/** The same, shown together by help. */
export function flagGroup<Group extends Interfaces.FlagInput>(title: string, flags: Group): Group {
  for (const flag of Object.values(flags)) flag.helpGroup = title;
  return withVariables(flags);
}

/** Where models come from and how they run. */
export const inferenceFlags = flagGroup('MODELS', {
  detector: Flags.string({
    helpValue: 'NAME',
    summary:
      'name from `vgr models list`, ONNX file, or `none`; may be repeated: the first is the tool',
    multiple: true,
    multipleNonGreedy: true,
    default: ['centernet'],
  }),
  device: Flags.string({
    helpValue: 'TYPE',
    summary: 'auto, cpu, cuda, cuda:N, webgpu, dml or coreml',
    default: 'auto',
  }),
  sessions: Flags.integer({
    char: 'j',
    summary: 'worker threads, each with a session of its own [default: one a core, at most 8]',
    min: 1,
    max: 256,
  }),
  threads: Flags.integer({
    summary: 'threads in each session [default: cores / sessions]',
    min: 1,
    max: 256,
  }),
  tune: Flags.boolean({
    summary: 'measure the fastest sessions, threads and batch, once',
    default: false,
    exclusive: ['sessions', 'threads', 'batch-size'],
  }),
  'session-timeout': Flags.integer({
    summary: 'time for one request to a model, seconds',
    default: 600,
    min: 1,
    max: 86_400,
  }),
  'batch-size': Flags.integer({
    summary:
      'photos in one run of the detector, where its graph allows [default: 1 on the CPU, else 8]',
    min: 1,
    max: 256,
  }),
  'input-size': Flags.integer({
    summary:
      "longest side of photos in a detector that keeps their shape, pixels [default: the model card's]",
    min: 1,
    max: 8192,
  }),
  classes: Flags.string({
    helpValue: 'A,B',
    summary:
      'labels that count, or what a detector that is asked in words looks for: `person,dog` [default: all]',
  }),
  task: Flags.option({
    summary: "how a detector is asked that has several ways [default: the model card's]",
    options: TASK_NAMES,
  })(),
  nms: Flags.custom<number>({
    helpValue: '0..1',
    summary: "IoU from which the weaker of two boxes of a label goes [default: the model card's]",
    parse: number(0, 1),
  })(),
  'min-score': Flags.custom<number>({
    helpValue: '0..1',
    aliases: ['conf'],
    summary: "lowest detector score that counts, 0 to 1 [default: the model card's]",
    parse: number(0, 1),
  })(),
  'max-detections': Flags.integer({
    summary: "most boxes in one photo [default: the model card's]",
    min: 1,
    max: 10_000,
  }),
});

/** Whose answer a refiner is asked about. */
export const toolFlag = Flags.string({
  helpValue: 'NAME',
  summary:
    "whose answer counts as the tool's [default: the first of a line's `tools`, else the detector]",
});

/** Words of a command line without a flag, such as names of files. */
export function words(description: string, { required = true } = {}) {
  return Args.string({ ignoreStdin: true, description, required });
}

/** The folders of commands that take query lines. */
export const imageFolderArgs = {
  images: words(
    'folders that `image` in the lines is relative to; not needed where every line has `tools`',
    { required: false },
  ),
};

/** The list of `--photos`, in commands that look for photos themselves. */
export const photosFlag = flagGroup('INPUT', {
  photos: Flags.string({
    helpValue: 'FILE',
    summary: 'list of photos, one a line, in place of IMAGES; or -',
  }),
});

/**
 * What the arguments of a command say of its photos: a lone `-` is a list on standard input.
 * @throws VgrError USAGE where both are given
 */
export function photoInput(
  words: readonly string[],
  photos: string | undefined,
): { readonly images: readonly string[]; readonly photos?: string } {
  const list = photos ?? (words.includes('-') ? '-' : undefined);
  const others = words.filter((word) => word !== '-' || photos !== undefined);
  if (list === undefined || others.length === 0) return { images: others, photos: list };
  throw new VgrError(
    'USAGE',
    `expected a list of photos or IMAGES, got both: ${quoted(list)} and ${quoted(others[0]!)}`,
    { hint: 'write the names of all photos to the list, or give them all as arguments' },
  );
}

/** What is read. */
export const inputFlags = flagGroup('INPUT', {
  limit: Flags.integer({
    char: 'n',
    summary: 'do N items, then stop; a rerun does N more',
    min: 0,
  }),
  shard: Flags.string({
    helpValue: 'i/n',
    summary: 'do part i of n, as `2/4`; `auto` in a task of an array',
    default: WHOLE,
  }),
  'max-pixels': Flags.integer({
    summary: 'largest photo, pixels',
    default: 100_000_000,
    min: 1,
  }),
  'decode-timeout': Flags.integer({
    summary: 'time for decoding one photo, seconds',
    default: 60,
    min: 1,
    max: 3600,
  }),
  'max-memory': Flags.string({
    helpValue: 'SIZE',
    summary: 'memory of the run, such as 2g [default: a quarter of the machine for decoding]',
  }),
  'allow-outside': Flags.boolean({
    summary: 'allow paths and links that lead out of the folder',
    default: false,
  }),
});

/** For importers of COCO files that take nothing else. */
export const segmentationFlag = Flags.option({
  summary: 'write each box of annotations.json as a polygon, too',
  options: ['none', 'box'] as const,
  default: 'none',
})();

/** What is written. */
export const outputFlags = flagGroup('OUTPUT', {
  output: Flags.string({
    helpValue: 'DIR',
    char: 'o',
    summary: 'folder for results.jsonl, the COCO files and run.json; a rerun continues there',
  }),
  visualize: Flags.string({
    helpValue: 'DIR',
    summary: 'folder for photos with the boxes drawn over them',
  }),
  show: Flags.boolean({
    summary: 'draw the boxes over the photos, and say where',
    default: false,
  }),
  format: Flags.option({
    summary:
      'lines on stdout [default: nothing with --output, else human on a terminal and jsonl in a pipe]',
    options: ['jsonl', 'json', 'human'] as const,
  })(),
  'image-ids': Flags.string({
    helpValue: 'FILE',
    summary:
      'COCO file whose image ids are taken, by file name; photos not in it are left out of COCO files',
    dependsOn: ['output'],
  }),
  segmentation: segmentationFlag,
  'no-resume': Flags.boolean({
    summary: 'start over, in a folder beside the used one (`out-2`)',
    default: false,
  }),
  'retry-failed': Flags.boolean({
    summary: 'continue, and do items that became errors once more',
    default: false,
  }),
  'no-timing': Flags.boolean({
    summary: 'leave timings out, so that equal runs are equal bytes',
    default: false,
  }),
  unordered: Flags.boolean({
    summary: 'write results as they come, not in input order',
    default: false,
  }),
});

/** Of commands that write files under given names. */
export const forceFlag = flagGroup('OUTPUT', {
  force: Flags.boolean({
    summary: 'replace files that no earlier run has written',
    default: false,
  }),
});

/** How the command itself behaves. */
export const commonFlags = flagGroup('GLOBAL', {
  quiet: Flags.boolean({ char: 'q', summary: 'say nothing but errors', default: false }),
  'no-progress': Flags.boolean({
    summary: 'show no progress on stderr; off by itself without a terminal and in CI',
    default: false,
  }),
  config: Flags.string({
    helpValue: 'FILE',
    summary:
      'JSON file with flags by name, or `none` [default: config.json of your configuration folder, then vgr.config.json here, which may set harmless flags only]',
  }),
});
