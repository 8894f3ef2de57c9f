import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  encodeOnnxModel,
  type OnnxNode,
  type OnnxTensor,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../../scripts/onnx/model.js';

/** Side of the crops that the tiny encoders take. */
const ENCODER_SIDE = 16;

const PAD = 0;
const START = 1;
const END = 2;

/** Colours in the encoders' space: red, green and blue, each less their mean; the last place is the same for all. */
const direction = (r: number, g: number, b: number): readonly number[] => {
  const mean = (r + g + b) / 3;
  return [r - mean, g - mean, b - mean, 0];
};

/** Words with a meaning; `blicket`, `dax` and `wug` are in no dictionary. All others mean nothing. */
const MEANINGS: Readonly<Record<string, readonly number[]>> = {
  red: direction(1, 0, 0),
  green: direction(0, 1, 0),
  blue: direction(0, 0, 1),
  blicket: direction(1, 0, 0),
  wug: direction(0, 1, 0),
  dax: direction(0, 0, 1),
};

const WORDS = ['<pad>', '<start>', '<end>', '<unk>', ...Object.keys(MEANINGS)];
const WIDTH = 4;

/** What every crop and every text have in common, so that neither is a vector of nothing. */
const COMMON = 0.1;

export interface EncoderPlan {
  readonly family?: 'clip' | 'siglip';
  readonly name?: string;
  /** One graph with both towers. */
  readonly whole?: boolean;
  /** Numbers of the text tower's embeddings where they are to differ. */
  readonly textWidth?: number;
  /** Times which the weights of the text tower are multiplied: other weights, the same directions. */
  readonly strength?: number;
}

interface Tower {
  readonly nodes: readonly OnnxNode[];
  readonly weights: readonly OnnxTensor[];
  readonly inputs: readonly ReturnType<typeof onnxValueInfo>[];
  readonly outputs: readonly ReturnType<typeof onnxValueInfo>[];
}

/** The mean colour of a crop, 0..1, less its mean, and {@link COMMON}. */
function imageTower(output: string): Tower {
  const project = Array.from({ length: 3 }, (_, row) =>
    Array.from({ length: WIDTH }, (_, column) =>
      column === 3 ? 0 : (row === column ? 1 : 0) - 1 / 3,
    ),
  );
  return {
    nodes: [
      onnxNode('ReduceMean', ['pixel_values'], ['colours'], { axes: [2, 3], keepdims: 0 }),
      onnxNode('MatMul', ['colours', 'project'], ['projected']),
      onnxNode('Add', ['projected', 'common'], [output]),
    ],
    weights: [
      onnxTensor('project', 'float32', [3, WIDTH], new Float32Array(project.flat())),
      onnxTensor('common', 'float32', [WIDTH], new Float32Array([0, 0, 0, COMMON])),
    ],
    inputs: [onnxValueInfo('pixel_values', 'float32', ['batch', 3, ENCODER_SIDE, ENCODER_SIDE])],
    outputs: [onnxValueInfo(output, 'float32', ['batch', WIDTH])],
  };
}

/** The sum of the tokens' meanings; the start gives {@link COMMON}. With a mask, tokens that are masked count as nothing. */
function textTower(output: string, masked: boolean, width: number, strength: number): Tower {
  const rows = WORDS.map((word, id) => {
    const meaning = MEANINGS[word] ?? [0, 0, 0, id === START ? COMMON : 0];
    return Array.from({ length: width }, (_, at) => (meaning[at] ?? 0) * strength);
  });
  return {
    nodes: [
      onnxNode('Gather', ['table', 'input_ids'], ['words'], { axis: 0 }),
      ...(masked
        ? [
            onnxNode('Cast', ['attention_mask'], ['mask'], { to: 1 }),
            onnxNode('Unsqueeze', ['mask', 'last'], ['column']),
            onnxNode('Mul', ['words', 'column'], ['heard']),
          ]
        : [onnxNode('Identity', ['words'], ['heard'])]),
      onnxNode('ReduceSum', ['heard', 'sequence'], [output], { keepdims: 0 }),
    ],
    weights: [
      onnxTensor('table', 'float32', [WORDS.length, width], new Float32Array(rows.flat())),
      onnxTensor('sequence', 'int64', [1], [1]),
      ...(masked ? [onnxTensor('last', 'int64', [1], [2])] : []),
    ],
    inputs: [
      onnxValueInfo('input_ids', 'int64', ['texts', 'sequence_length']),
      ...(masked ? [onnxValueInfo('attention_mask', 'int64', ['texts', 'sequence_length'])] : []),
    ],
    outputs: [onnxValueInfo(output, 'float32', ['texts', width])],
  };
}

function graphOf(...towers: readonly Tower[]): Uint8Array {
  return encodeOnnxModel({
    irVersion: 8,
    producerName: 'vgr tests',
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'colours and words',
      node: towers.flatMap(({ nodes }) => nodes),
      initializer: towers.flatMap(({ weights }) => weights),
      input: towers.flatMap(({ inputs }) => inputs),
      output: towers.flatMap(({ outputs }) => outputs),
    },
  });
}

/** `tokenizer.json` that knows {@link MEANINGS} and calls all else unknown. */
export function tokenizerJson(): object {
  const special = (content: string, id: number) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special('<pad>', PAD), special('<start>', START), special('<end>', END)],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '<start>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '<end>', type_id: 0 } },
      ],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: {
        '<start>': { id: '<start>', ids: [START], tokens: ['<start>'] },
        '<end>': { id: '<end>', ids: [END], tokens: ['<end>'] },
      },
    },
    decoder: null,
    model: {
      type: 'WordPiece',
      unk_token: '<unk>',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    },
  };
}

/** The files of a tiny encoder by name: mean colours, and words that mean colours. */
export function encoderFiles({
  family = 'clip',
  whole = false,
  textWidth = WIDTH,
  strength = 1,
}: EncoderPlan = {}): Readonly<Record<string, Uint8Array>> {
  const [seen, read] = outputsOf(family, whole);
  const image = imageTower(seen);
  const text = textTower(read, family === 'clip', textWidth, strength);
  const graphs: Record<string, Uint8Array> = whole
    ? { 'model.onnx': graphOf(image, text) }
    : { 'vision_model.onnx': graphOf(image), 'text_model.onnx': graphOf(text) };
  return {
    ...graphs,
    'tokenizer.json': new TextEncoder().encode(JSON.stringify(tokenizerJson())),
  };
}

function outputsOf(family: 'clip' | 'siglip', whole: boolean): readonly [string, string] {
  return family === 'clip' || whole
    ? ['image_embeds', 'text_embeds']
    : ['pooler_output', 'pooler_output'];
}

/** The card of {@link encoderFiles}. */
export function encoderCardOf(plan: EncoderPlan = {}): Record<string, unknown> {
  const { family = 'clip', name = `tiny-${family}`, whole = false } = plan;
  const [seen, read] = outputsOf(family, whole);
  const pins = Object.entries(encoderFiles(plan)).map(([file, bytes]) => ({
    file,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
  }));
  const [{ file, sha256, bytes }, ...files] = pins as [(typeof pins)[number], ...typeof pins];
  return {
    schema: 1,
    kind: 'encoder',
    name,
    family,
    title: 'mean colours, and words that mean colours',
    file,
    sha256,
    bytes,
    licence: 'MIT',
    citation: 'made by the tests',
    source: { added: file },
    files,
    image: {
      name: 'pixel_values',
      type: 'float32',
      layout: 'nchw',
      width: ENCODER_SIDE,
      height: ENCODER_SIDE,
      batch: 'any',
      fit: 'stretch',
      fill: 0,
      channels: 'rgb',
      scale: 1 / 255,
      mean: [0, 0, 0],
      std: [1, 1, 1],
      output: seen,
    },
    text: {
      model: whole ? 'model.onnx' : 'text_model.onnx',
      tokenizer: 'tokenizer.json',
      input: 'input_ids',
      output: read,
      length: family === 'clip' ? 77 : 64,
      padded: family === 'siglip',
      pad: PAD,
      template: 'a photo of {}',
    },
    match: family === 'clip' ? { scale: 10, bias: null } : { scale: 10, bias: -5 },
  };
}

/** Writes an encoder with its card into `folder/NAME`, as a folder of models holds it. @returns the encoder's folder */
export function writeEncoder(folder: string, plan: EncoderPlan = {}): string {
  const card = encoderCardOf(plan);
  const own = join(folder, card.name as string);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'card.json'), JSON.stringify(card));
  for (const [file, bytes] of Object.entries(encoderFiles(plan))) {
    writeFileSync(join(own, file), bytes);
  }
  return own;
}
