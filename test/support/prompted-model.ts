import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { type PromptedPlan, promptedGraph } from './prompted-graph.js';
import {
  BERT_CONFIG,
  bertTokenizer,
  CLIP_CONFIG,
  clipTokenizer,
  clipVocabulary,
} from './tokenizer-files.js';
import { freshFolder, type Outcome, vgr } from './vgr.js';

/** Words that the test graphs know. `control` comes before `train`, whose pairs would tear it. */
const WORDS = [
  'the',
  'left',
  'right',
  'lion',
  'cat',
  'remote',
  'control',
  'probe',
  'dog',
  'person',
  'cup',
  'train',
];

/** 128 x 96, red 51, green 102, blue 204: a fifth, two fifths, four fifths. */
export async function wordedPhotos(count = 1): Promise<string> {
  const folder = freshFolder();
  for (let index = 0; index < count; index++) {
    const background = { r: 51, g: 102, b: 204 };
    await sharp({ create: { width: 128, height: 96, channels: 3, background } })
      .png()
      .toFile(join(folder, `photo-${index}.png`));
  }
  return folder;
}

/** Which box fits which word how well, by logit. */
const FITS: readonly (readonly [word: string, box: number, logit: number])[] = [
  ['left', 0, 2],
  ['right', 1, 2],
  ['lion', 0, 1],
  ['lion', 1, 1],
  ['cat', 2, 2.5],
  ['remote', 3, 1.5],
  ['control', 3, 0.5],
  ['probe', 4, 3],
];

/** Scores of these logits as results give them. */
export const SCORES = {
  left: 0.8808,
  right: 0.8808,
  lion: 0.7311,
  cat: 0.9241,
  remote: 0.8176,
  control: 0.6225,
  probe: 0.9526,
};

const PIECES = [...WORDS, '##ness', '.', "'", 's', ','];
const MERGES = WORDS.flatMap((word) => {
  const letters = [...word];
  return letters.slice(1).map((letter, at) => {
    const end = at === letters.length - 2 ? '</w>' : '';
    return `${word.slice(0, at + 1)} ${letter}${end}`;
  });
});

/** A graph of Grounding DINO's signature over photos of 64 x 64, or of any size. */
export function groundingGraph(changes: Partial<PromptedPlan> = {}): Uint8Array {
  const tokenOf = (word: string): number => PIECES.indexOf(word) + 4;
  return promptedGraph({
    family: 'grounding-dino',
    batch: 1,
    length: 'sequence_length',
    side: 64,
    vocabulary: PIECES.length + 4,
    boxes: [
      [0.25, 0.5, 0.25, 0.5],
      [0.75, 0.5, 0.25, 0.5],
      [0.5, 0.25, 0.5, 0.25],
      [0.5, 0.75, 0.25, 0.25],
      [1.5, -0.5, 0, 0],
    ],
    logits: FITS.map(([word, box, logit]) => [tokenOf(word), box, logit]),
    probe: 4,
    ...changes,
  });
}

/** A graph of OWLv2's signature over squares of 64 x 64, whose upper three quarters are the photo. */
export function owlGraph(changes: Partial<PromptedPlan> = {}): Uint8Array {
  const vocabulary = clipVocabulary(MERGES);
  return promptedGraph({
    family: 'owl',
    batch: 1,
    prompts: 'num_queries',
    length: 16,
    side: 64,
    vocabulary: Object.keys(vocabulary).length,
    boxes: [
      [0.25, 0.375, 0.25, 0.375],
      [0.75, 0.375, 0.25, 0.375],
      [0.5, 0.25, 0.5, 0.25],
      [0.5, 0.5, 0.25, 0.25],
      [1.25, -0.5, 0, 0],
    ],
    logits: FITS.map(([word, box, logit]) => [vocabulary[`${word}</w>`]!, box, logit]),
    probe: 4,
    ...changes,
  });
}

/** Files of a model's repository. */
export type Repository = Readonly<Record<string, string | Uint8Array>>;

export const GROUNDING: Repository = {
  'onnx/model.onnx': groundingGraph(),
  'tokenizer.json': JSON.stringify(bertTokenizer(PIECES)),
  'tokenizer_config.json': JSON.stringify(BERT_CONFIG),
};

export const OWL: Repository = {
  'onnx/model.onnx': owlGraph(),
  'tokenizer.json': JSON.stringify(clipTokenizer(MERGES)),
  'tokenizer_config.json': JSON.stringify(CLIP_CONFIG),
};

/** Writes a repository to a folder. @returns the model's path */
function writeRepository(files: Repository): string {
  const folder = join(freshFolder(), 'worded');
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
  }
  return join(folder, 'onnx/model.onnx');
}

export interface AddedModel {
  readonly run: Outcome;
  readonly env: { readonly VGR_MODELS_DIR: string };
  /** The folder that the model lies in. */
  readonly folder: string;
  readonly card: () => Record<string, unknown>;
}

/** Adds a repository's model under the name `worded`. */
export async function addWorded(
  files: Repository,
  flags: readonly string[] = [],
): Promise<AddedModel> {
  const env = { VGR_MODELS_DIR: freshFolder() };
  const photo = join(await wordedPhotos(), 'photo-0.png');
  const run = await vgr(
    ['models', 'add', writeRepository(files), '--device', 'cpu', '--photo', photo, ...flags],
    { env },
  );
  const folder = join(env.VGR_MODELS_DIR, 'worded');
  return {
    run,
    env,
    folder,
    card: () => JSON.parse(readFileSync(join(folder, 'card.json'), 'utf8')),
  };
}
