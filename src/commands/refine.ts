import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { VgrCommand } from '../cli/base-command.js';
import {
  flagGroup,
  imageFolderArgs,
  inferenceFlags,
  inputFlags,
  number,
  outputFlags,
  photoInput,
  photosFlag,
  toolFlag,
} from '../cli/flags.js';
import { vlmFlags } from '../cli/vlm-flags.js';
import { quoted, VgrError } from '../core/error.js';
import { readsLikeExpression } from '../photos/image-path.js';
import { startThreads, tuned } from '../runtime/threads.js';

export default class Refine extends VgrCommand<typeof Refine> {
  static override summary = 'Finds what each expression means: one box, several, or nothing.';
  static override description =
    `The detector proposes boxes; the refiner thinks on its own, sees the detector's answer, rethinks, and confirms or corrects it.
Queries are JSONL, one object a line: {"id": "q1", "image": "zoo/3.jpg", "query": "the left lion"}. Every line has one line of output; a line that cannot be answered becomes an error record.
Fields: \`query\`, the expression; \`image\`, relative to IMAGES; \`id\`, text (else the line's number); \`tools\`, boxes of other tools, best first: {"NAME": [{"bbox_2d": [x1, y1, x2, y2], "score": 0.7, "label": "lion"}]}; \`width\` and \`height\` where there is no photo; \`bbox\`, [x, y, width, height], or \`boxes\`, a list of them, ground truth. docs/formats.md has them all.`;
  static override examples = [
    '<%= config.bin %> refine dog.jpg --query "the left dog" --show',
    '<%= config.bin %> refine ./images --queries q.jsonl | jq .answer.bbox_2d',
    '<%= config.bin %> refine ./images --queries q.jsonl --output out --show',
    'grep lion q.jsonl | <%= config.bin %> refine ./images --queries -',
    '<%= config.bin %> refine --queries with-tools.jsonl --tool grounding-dino',
  ];
  static override strict = false;
  static override args = imageFolderArgs;
  static override flags = {
    ...flagGroup('INPUT', {
      query: Flags.string({
        helpValue: 'TEXT',
        summary: 'expression to look for in every photo; may be given several times',
        multiple: true,
        multipleNonGreedy: true,
        exclusive: ['queries'],
      }),
      queries: Flags.string({
        helpValue: 'FILE',
        summary: 'JSONL file of expressions; - reads standard input',
      }),
    }),
    ...photosFlag,
    ...flagGroup('MODELS', {
      refiner: Flags.string({
        helpValue: 'NAME',
        summary:
          'lite, name or folder of your own, vlm (a server), cascade (lite, and vlm where it is unsure), none',
        default: 'lite',
      }),
      tool: toolFlag,
      answers: Flags.option({
        summary: 'auto: several boxes where the words ask for several',
        options: ['auto', 'one'] as const,
        default: 'auto',
      })(),
      'min-confidence': Flags.custom<number>({
        helpValue: '0..1',
        summary: 'answers with a lower score become `none`, 0 to 1',
        default: 0,
        parse: number(0, 1),
      })(),
    }),
    ...inferenceFlags,
    ...inputFlags,
    ...outputFlags,
    ...vlmFlags,
  };

  protected override async work(): Promise<number> {
    // Without photos no detector runs, and there is nothing to measure.
    const input = askedOf(this.positional, this.flags);
    const hasPhotos = input.images.length > 0 || input.photos !== undefined;
    const flags = hasPhotos ? await tuned(this.flags, this.printer) : this.flags;
    await using threads = startThreads(flags, this.printer);
    const { refine } = await import('../run/refine.js');
    const cacheFolder = join(this.config.cacheDir, 'chat');
    const { images, photos } = input;
    const settings = { images, flags: { ...flags, photos }, threads, cacheFolder };
    return await refine(settings, this.terminal);
  }
}

/**
 * The photos of the command. @throws VgrError USAGE where nothing is asked, or where an expression has no photo
 */
function askedOf(
  words: readonly string[],
  { query, queries, photos }: { query?: string[]; queries?: string; photos?: string },
) {
  if (query === undefined && queries === undefined) {
    const expression = words.find(readsLikeExpression);
    const photo = words.find((word) => word !== expression) ?? 'dog.jpg';
    throw new VgrError('USAGE', 'expected `--query TEXT` or `--queries FILE`, got neither', {
      hint: `${quotedCommand(photo, expression)}; \`vgr refine -h\` has more examples`,
    });
  }
  if (queries !== undefined) {
    if (photos === undefined && !words.includes('-')) return { images: words };
    throw new VgrError('USAGE', '--photos: a list of photos goes with `--query`, got `--queries`', {
      hint: 'the lines of the queries name their photos themselves',
    });
  }
  const input = photoInput(words, photos);
  if (input.images.length > 0 || input.photos !== undefined) return input;
  throw new VgrError('USAGE', 'expected photos to look at, got `--query` alone', {
    hint: quotedCommand('dog.jpg', query![0]),
  });
}

function quotedCommand(photo: string, expression = 'the left dog'): string {
  return `for example ${quoted(`vgr refine ${photo} --query "${expression}"`, 120)}`;
}
