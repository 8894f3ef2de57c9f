import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeOnnxModel,
  encodeOnnxModel,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../../scripts/onnx/model.js';
import { detectorGraph, type GraphPlan, scaledInput } from '../support/detector-graph.js';
import { vgrHere } from '../support/in-process.js';
import { freshFolder, jsonLines, vgr } from '../support/vgr.js';

/** 128 x 96, red 51, green 102, blue 204: a fifth, two fifths, four fifths. */
const PHOTO = { width: 128, height: 96, colour: { r: 51, g: 102, b: 204 } };

/** One detection, in pixels of the photo. */
type Expected = readonly [
  label: string,
  score: number,
  x1: number,
  y1: number,
  x2: number,
  y2: number,
];

interface Case {
  readonly family: string;
  readonly plan: GraphPlan;
  readonly flags?: readonly string[];
  readonly labels?: readonly string[];
  /** Files beside the model. */
  readonly beside?: Readonly<Record<string, unknown>>;
  readonly expected: readonly Expected[];
  /** Parts of the card. */
  readonly card?: object;
}

const TWO = ['lion', 'bench'];

/** Square photos of 64 pixels; a letterboxed photo fills 64 x 48 of them. */
const nchw = (name: string, batch: number | string = 1): GraphPlan['image'] => ({
  name,
  type: 'float32',
  dims: [batch, 3, 64, 64],
});

/** Cells of strides 8, 16, 32 over 64 pixels, and with stride 64. */
const THREE = 64 + 16 + 4;
const FOUR = THREE + 1;

/** Places in a row-major table. */
function table(
  columns: number,
  rows: Readonly<Record<number, readonly number[]>>,
): Record<number, number> {
  return Object.fromEntries(
    Object.entries(rows).flatMap(([row, values]) =>
      values.map((value, column) => [Number(row) * columns + column, value]),
    ),
  );
}

/** Logits of four distances in strides: all weight on one bin each. */
const certain = (...bins: number[]): number[] =>
  bins.flatMap((bin) => Array.from({ length: 8 }, (_, place) => (place === bin ? 100 : 0)));

const logit = (p: number): number => Math.log(p / (1 - p));

/** In columns: values of one cell by row. */
function column(cells: number, cell: number, values: readonly number[]): Record<number, number> {
  return Object.fromEntries(values.map((value, row) => [row * cells + cell, value]));
}

/** The raster's centred letterbox leaves 8 rows above and below; the photo is twice as large. */
const cases: Readonly<Record<string, Case>> = {
  'YOLOv8, 11: columns, names in the metadata, any number of photos': {
    family: 'yolo',
    plan: {
      image: nchw('images', 'batch'),
      outputs: [
        {
          name: 'output0',
          dims: [6, THREE],
          // The first channel is red, a fifth: with 0.55 it makes 0.75, less the grey border's share.
          values: {
            ...column(THREE, 3, [32, 32, 16, 8, 0.5]),
            ...column(THREE, 80, [10, 20, 4, 8, 0, 0.625]),
          },
        },
      ],
      metadata: {
        names: "{0: 'lion', 1: \"keeper's bench\"}",
        task: 'detect',
        license: 'AGPL-3.0',
        description: 'Test model',
      },
    },
    expected: [
      ["keeper's bench", 0.625, 16, 16, 24, 32],
      ['lion', 0.5, 48, 40, 80, 56],
    ],
    card: {
      licence: 'AGPL-3.0',
      title: 'Test model',
      input: { batch: 'any', fit: 'letterbox-centre', channels: 'rgb' },
    },
  },
  'YOLO11 in half precision, what goes in and what comes out': {
    family: 'yolo',
    plan: {
      image: { ...nchw('images', 'batch'), type: 'float16' },
      outputs: [
        {
          name: 'output0',
          type: 'float16',
          dims: [6, THREE],
          // Red is a fifth; a quarter of the raster is the grey border, of 114: the mean is 0.262.
          values: column(THREE, 3, [32, 32, 16, 8, 0.125]),
          seen: 4 * THREE + 3,
        },
      ],
      metadata: { names: "{0: 'lion', 1: 'bench'}", task: 'detect' },
    },
    expected: [['lion', 0.3867, 48, 40, 80, 56]],
    card: { input: { type: 'float16', batch: 'any' } },
  },
  'YOLOv5: rows with an object score': {
    family: 'yolo',
    plan: {
      image: nchw('images'),
      outputs: [
        {
          name: 'output0',
          dims: [3 * THREE, 7],
          values: table(7, { 5: [32, 32, 16, 8, 0.5, 1, 0.5], 200: [10, 20, 4, 8, 1, 0, 0.75] }),
        },
      ],
    },
    labels: TWO,
    expected: [
      ['bench', 0.75, 16, 16, 24, 32],
      ['lion', 0.5, 48, 40, 80, 56],
      ['bench', 0.25, 48, 40, 80, 56],
    ],
  },
  'YOLO26: finished boxes, size in the metadata': {
    family: 'yolo',
    plan: {
      image: { name: 'images', type: 'float32', dims: ['batch', 3, 'height', 'width'] },
      outputs: [
        {
          name: 'output0',
          dims: [300, 6],
          values: table(6, { 0: [24, 28, 40, 36, 0.5, 1], 1: [8, 16, 12, 24, 0.25, 0] }),
        },
      ],
      metadata: { names: "['lion', 'bench']", imgsz: '[64, 64]' },
    },
    expected: [
      ['bench', 0.5, 48, 40, 80, 56],
      ['lion', 0.25, 16, 16, 24, 32],
    ],
    card: { input: { width: 64, height: 64 }, decoding: { nmsIou: null } },
  },
  'RT-DETR as Ultralytics exports it, without names': {
    family: 'yolo',
    plan: {
      image: { name: 'images', type: 'float32', dims: [1, 3, 96, 96] },
      outputs: [
        {
          name: 'output0',
          dims: [5, 84],
          values: table(84, {
            1: [0.5, 0.5, 0.25, 0.125, ...new Array<number>(79).fill(0), 0.75],
            3: [0.25, 0.375, 0.125, 0.25, 0.5],
          }),
        },
      ],
    },
    expected: [
      ['toothbrush', 0.75, 48, 40, 80, 56],
      ['person', 0.5, 24, 16, 40, 48],
    ],
    card: { labels: 'coco-80', decoding: { boxes: 'cxcywh-unit' } },
  },
  'D-FINE of the hub: sigmoid, labels and pixels beside the model': {
    family: 'detr',
    plan: {
      image: { name: 'pixel_values', type: 'float32', dims: ['b', 3, 'h', 'w'] },
      outputs: [
        {
          name: 'logits',
          dims: [5, 2],
          values: table(2, {
            0: [logit(0.5), -20],
            1: [logit(0.25), logit(0.75)],
            2: [-20, -20],
            3: [-20, -20],
            4: [-20, -20],
          }),
        },
        {
          name: 'pred_boxes',
          dims: [5, 4],
          values: table(4, { 0: [0.5, 0.5, 0.25, 0.5], 1: [0.25, 0.25, 0.5, 0.5] }),
        },
      ],
    },
    beside: {
      'config.json': { id2label: { 0: 'lion', 1: 'bench' } },
      'preprocessor_config.json': {
        size: { height: 32, width: 48 },
        do_rescale: true,
        rescale_factor: 0.00392156862745098,
        do_normalize: false,
        image_mean: [0.485, 0.456, 0.406],
        image_std: [0.229, 0.224, 0.225],
      },
    },
    expected: [
      ['bench', 0.75, 0, 0, 64, 48],
      ['lion', 0.5, 48, 24, 80, 72],
      ['lion', 0.25, 0, 0, 64, 48],
    ],
    card: {
      input: { width: 48, height: 32, fit: 'stretch', mean: [0, 0, 0] },
      decoding: { activation: 'sigmoid' },
    },
  },
  'RF-DETR of its own repository: dets and labels, 91 of them': {
    family: 'detr',
    plan: {
      image: nchw('input'),
      outputs: [
        {
          name: 'dets',
          dims: [2, 4],
          values: table(4, { 0: [0.5, 0.5, 0.25, 0.5], 1: [0.25, 0.25, 0.5, 0.5] }),
        },
        {
          name: 'labels',
          dims: [2, 91],
          values: {
            ...Object.fromEntries(Array.from({ length: 182 }, (_, i) => [i, -20])),
            90: logit(0.5),
            92: logit(0.75),
          },
        },
      ],
    },
    expected: [
      ['person', 0.75, 0, 0, 64, 48],
      ['toothbrush', 0.5, 48, 24, 80, 72],
    ],
    card: { labels: 'coco-91', input: { mean: [0.485, 0.456, 0.406], channels: 'rgb' } },
  },
  'DETR: softmax with no object': {
    family: 'detr',
    plan: {
      image: nchw('pixel_values'),
      extra: { name: 'pixel_mask', type: 'int64', dims: [1, 64] },
      outputs: [
        {
          name: 'logits',
          dims: [4, 3],
          // Of weights 3, 1 and 4; all else is surely nothing.
          values: table(3, {
            0: [Math.log(3), 0, Math.log(4)],
            1: [0, 0, 50],
            2: [0, 0, 50],
            3: [0, 0, 50],
          }),
        },
        { name: 'pred_boxes', dims: [4, 4], values: table(4, { 0: [0.5, 0.5, 0.25, 0.5] }) },
      ],
    },
    labels: TWO,
    expected: [['lion', 0.375, 48, 24, 80, 72]],
    card: {
      decoding: { activation: 'softmax' },
      input: { extra: [{ name: 'pixel_mask', holds: 'ones', dims: [64] }] },
    },
  },
  'DEIM, D-FINE, RT-DETR with post-processing: sizes beside the photo': {
    family: 'deim',
    plan: {
      image: nchw('images', 'N'),
      extra: { name: 'orig_target_sizes', type: 'int64', dims: ['N', 2] },
      outputs: [
        { name: 'labels', type: 'int64', dims: [3], values: { 0: 1, 1: 0, 2: 1 } },
        {
          name: 'boxes',
          dims: [3, 4],
          scaled: true,
          values: table(4, { 0: [0.375, 0.25, 0.625, 0.75], 1: [0, 0, 0.5, 0.5] }),
        },
        { name: 'scores', dims: [3], values: { 0: 0.75, 1: 0.5, 2: 0.01 } },
      ],
    },
    labels: TWO,
    expected: [
      ['bench', 0.75, 48, 24, 80, 72],
      ['lion', 0.5, 0, 0, 64, 48],
    ],
    card: {
      input: {
        extra: [{ name: 'orig_target_sizes', type: 'int64', holds: 'width-height', dims: [2] }],
      },
    },
  },
  'SSD of the TensorFlow Object Detection API': {
    family: 'ssd',
    plan: {
      image: { name: 'image_tensor:0', type: 'uint8', dims: ['n', 'h', 'w', 3] },
      outputs: [
        { name: 'num_detections:0', dims: [], values: { 0: 2 } },
        {
          name: 'detection_boxes:0',
          dims: [4, 4],
          values: table(4, { 0: [0.25, 0.375, 0.75, 0.625], 1: [0, 0, 0.5, 0.5], 2: [0, 0, 1, 1] }),
        },
        { name: 'detection_scores:0', dims: [4], values: { 0: 0.75, 1: 0.5, 2: 0.9 } },
        { name: 'detection_classes:0', dims: [4], values: { 0: 90, 1: 1, 2: 1 } },
      ],
    },
    expected: [
      ['toothbrush', 0.75, 48, 24, 80, 72],
      ['person', 0.5, 0, 0, 64, 48],
    ],
    card: { labels: 'coco-91', input: { layout: 'nhwc', width: 300, height: 300, type: 'uint8' } },
  },
  'NanoDet-Plus': {
    family: 'nanodet-plus',
    plan: {
      image: nchw('data'),
      outputs: [
        {
          name: 'output',
          dims: [FOUR, 34],
          values: table(34, {
            // Stride 8, row 3, column 4.
            28: [0.5, 0.25, ...certain(1, 1, 1, 2)],
          }),
        },
      ],
    },
    labels: TWO,
    expected: [
      ['lion', 0.5, 48, 24, 80, 60],
      ['bench', 0.25, 48, 24, 80, 60],
    ],
    card: { input: { channels: 'bgr', mean: [103.53, 116.28, 123.675] } },
  },
  PicoDet: {
    family: 'picodet',
    plan: {
      image: nchw('image'),
      outputs: [64, 16, 4, 1].flatMap((cells, level) => [
        {
          name: `s${level}`,
          dims: [cells, 2],
          values: level === 0 ? table(2, { 28: [0.5, 0.25] }) : {},
        },
        {
          name: `d${level}`,
          dims: [cells, 32],
          values: level === 0 ? table(32, { 28: certain(1, 1, 1, 2) }) : {},
        },
      ]),
    },
    labels: TWO,
    expected: [
      ['lion', 0.5, 56, 30, 88, 66],
      ['bench', 0.25, 56, 30, 88, 66],
    ],
  },
  'YOLOX, with its letterbox at the top left': {
    family: 'yolox',
    plan: {
      image: nchw('images'),
      outputs: [
        {
          name: 'output',
          dims: [THREE, 7],
          // Stride 16, row 1, column 1.
          values: table(7, { 69: [0.5, 0.5, Math.log(1), Math.log(0.5), 0.5, 1, 0.5] }),
        },
      ],
    },
    labels: TWO,
    expected: [
      ['lion', 0.5, 32, 40, 64, 56],
      ['bench', 0.25, 32, 40, 64, 56],
    ],
    card: { input: { channels: 'bgr', fit: 'letterbox', fill: 114, scale: 1 } },
  },
};

let photos: string;

beforeAll(async () => {
  photos = freshFolder();
  const { width, height, colour } = PHOTO;
  await sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toFile(join(photos, 'a.png'));
});

interface Added {
  readonly env: Record<string, string>;
  readonly card: Record<string, unknown>;
  readonly stdout: string;
  readonly stderr: string;
}

async function add(one: Pick<Case, 'plan' | 'labels' | 'flags' | 'beside'>): Promise<Added> {
  const folder = freshFolder();
  const models = freshFolder();
  mkdirSync(join(folder, 'onnx'));
  const file = join(folder, 'onnx', 'My Model.onnx');
  writeFileSync(file, detectorGraph(one.plan));
  for (const [name, value] of Object.entries(one.beside ?? {})) {
    writeFileSync(join(folder, name), JSON.stringify(value));
  }
  const flags = ['--photo', photos, '--device', 'cpu', ...(one.flags ?? [])];
  if (one.labels) {
    const labels = join(folder, 'labels.txt');
    writeFileSync(labels, `${one.labels.join('\n')}\n`);
    flags.push('--labels', labels);
  }
  const env = { VGR_MODELS_DIR: models };
  const { code, stdout, stderr } = await vgr(['models', 'add', file, ...flags], { env });
  expect(stderr).not.toContain('error');
  expect(code).toBe(0);
  const card = JSON.parse(readFileSync(join(models, 'my-model', 'card.json'), 'utf8'));
  return { env, card, stdout, stderr };
}

async function detections(env: Record<string, string>, ...flags: string[]): Promise<Expected[]> {
  const { code, stdout, stderr } = await vgr(
    ['detect', photos, '--detector', 'my-model', '--device', 'cpu', ...flags],
    { env },
  );
  expect(code, stderr).toBe(0);
  const [line] = jsonLines(stdout) as {
    detections: { label: string; score: number; bbox_2d: number[] }[];
  }[];
  return line!.detections.map(
    ({ label, score, bbox_2d }) => [label, score, ...bbox_2d] as unknown as Expected,
  );
}

describe('vgr models add, then detect', () => {
  it.each(Object.entries(cases))('%s', async (_, one) => {
    const { env, card } = await add(one);
    expect(card).toMatchObject({ family: one.family, file: 'model.onnx', ...one.card });
    expect(await detections(env)).toEqual(one.expected);
  });

  it('leaves what is as its card says', async () => {
    const { env } = await add(cases.PicoDet!);
    expect(await vgrHere(['models', 'verify', 'my-model'], env)).toMatchObject({ code: 0 });
  });
});

/** A graph that takes one photo without a batch and lists its boxes so; the mean of the first channel is added to a score. */
function torchvisionGraph(): Uint8Array {
  return encodeOnnxModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'known answers',
      node: [
        onnxNode('ReduceMean', ['images'], ['means'], { axes: [1, 2], keepdims: 0 }),
        onnxNode('Gather', ['means', 'red'], ['mean'], { axis: 0 }),
        onnxNode('Mul', ['mean', 'first'], ['seen']),
        onnxNode('Add', ['known', 'seen'], ['scores']),
        onnxNode('Identity', ['corners'], ['boxes']),
        onnxNode('Identity', ['classes'], ['labels']),
      ],
      initializer: [
        onnxTensor('red', 'int64', [1], [0]),
        onnxTensor('first', 'float32', [2], new Float32Array([1, 0])),
        onnxTensor('known', 'float32', [2], new Float32Array([0.25, 0.125])),
        onnxTensor('corners', 'float32', [2, 4], new Float32Array([16, 8, 32, 40, 0, 0, 64, 64])),
        onnxTensor('classes', 'int64', [2], [90, 1]),
      ],
      input: [onnxValueInfo('images', 'float32', [3, 64, 64])],
      output: [
        onnxValueInfo('boxes', 'float32', ['boxes', 4]),
        onnxValueInfo('labels', 'int64', ['boxes']),
        onnxValueInfo('scores', 'float32', ['boxes']),
      ],
    },
  });
}

describe('a graph of torchvision, without a batch', () => {
  it('is added, takes 0..1, and gives its boxes', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'model.onnx'), torchvisionGraph());
    const env = { VGR_MODELS_DIR: join(folder, 'models') };
    const photo = join(folder, 'photo.png');
    const { width, height, colour: background } = PHOTO;
    await sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toFile(photo);
    const added = await vgr(
      [
        ...['models', 'add', join(folder, 'model.onnx'), '--name', 'my-model'],
        ...['--photo', photo, '--device', 'cpu'],
      ],
      { env },
    );
    expect(added.code, added.stderr).toBe(0);
    const card = JSON.parse(readFileSync(join(folder, 'models', 'my-model', 'card.json'), 'utf8'));
    expect(card).toMatchObject({
      family: 'ssd',
      labels: 'coco-91',
      input: { layout: 'chw', batch: 1, width: 64, height: 64 },
      decoding: { boxes: 'xyxy-pixels' },
    });
    const { stdout } = await vgr(['detect', photo, '--detector', 'my-model', '--device', 'cpu'], {
      env,
    });
    const [line] = jsonLines(stdout) as { detections: Record<string, unknown>[] }[];
    expect(line!.detections).toMatchObject([
      { label: 'toothbrush', score: 0.45, bbox_2d: [32, 12, 64, 60] },
      { label: 'person', score: 0.125, bbox_2d: [0, 0, 128, 96] },
    ]);
  });
});

/** One box of YOLO's columns, with a score of `score` plus the mean of the first channel that went in. */
function seeing(image: GraphPlan['image'], score: number): GraphPlan {
  const values = column(THREE, 3, [32, 32, 16, 8, score]);
  return { image, outputs: [{ name: 'output0', dims: [6, THREE], values, seen: 4 * THREE + 3 }] };
}

/** The mean of a channel, 0..1, when a letterbox of 114 takes a quarter of the raster. */
const mean = (level: number): number => (0.75 * level + 0.25 * 114) / 255;

describe('what goes into a graph', () => {
  const image = nchw('images', 'batch');

  it.each([
    ['unit', 'rgb', 0.25, mean(51)],
    ['unit', 'bgr', 0.25, mean(204)],
    ['byte', 'rgb', -66, mean(51) * 255],
    ['imagenet', 'rgb', 1.25, (mean(51) - 0.485) / 0.229],
    ['imagenet', 'bgr', -0.75, (mean(204) - 0.406) / 0.225],
    ['signed', 'rgb', 0.75, mean(51) * 2 - 1],
  ])('is %s in the order %s, to the number', async (pixels, channels, score, seen) => {
    const flags = ['--pixels', pixels, '--channels', channels];
    const { env } = await add({ plan: seeing(image, score), labels: TWO, flags });
    const [first] = await detections(env);
    expect(first?.[1]).toBeCloseTo(score + seen, 3);
  });

  it('is what preprocessor_config.json says, unless flags say more', async () => {
    const beside = {
      'preprocessor_config.json': { image_mean: [0.25, 0.5, 0.5], image_std: [0.5, 1, 1] },
    };
    const { env, card } = await add({ plan: seeing(image, 0.25), labels: TWO, beside });
    expect(card.input).toMatchObject({ mean: [0.25, 0.5, 0.5], std: [0.5, 1, 1] });
    const [first] = await detections(env);
    expect(first?.[1]).toBeCloseTo(0.25 + (mean(51) - 0.25) / 0.5, 3);
  });

  it('is the same one by one and in batches, where the graph takes any number', async () => {
    const { env } = await add({ plan: seeing(image, 0.25), labels: TWO });
    const folder = freshFolder();
    for (const [index, level] of [0, 50, 100, 150, 200].entries()) {
      const background = { r: level, g: 0, b: 0 };
      const photo = sharp({ create: { width: 64, height: 48, channels: 3, background } });
      await photo.png().toFile(join(folder, `${index}.png`));
    }
    const args = ['detect', folder, '--detector', 'my-model', '--device', 'cpu', '--no-timing'];
    const single = await vgr(args, { env });
    const batched = await vgr([...args, '--batch-size', '4', '--sessions', '1'], { env });
    expect(batched.stdout).toBe(single.stdout);
    const scores = jsonLines(single.stdout).map(
      (line) => (line.detections as { score: number }[])[0]!.score,
    );
    for (const [index, score] of scores.entries())
      expect(score).toBeCloseTo(0.25 + mean(index * 50), 3);
  });
});

describe('what is wanted of a detector', () => {
  const values = {
    // The second overlaps the first by a half.
    ...column(THREE, 3, [32, 32, 16, 8, 0.9, 0.6]),
    ...column(THREE, 4, [32, 34, 16, 8, 0.8]),
  };
  const plan: GraphPlan = {
    image: nchw('images'),
    outputs: [{ name: 'output0', dims: [6, THREE], values }],
  };

  it('is told by flags', async () => {
    const { env } = await add({ plan, labels: TWO });
    const found = async (...flags: string[]) =>
      (await detections(env, ...flags)).map(([label, score]) => `${label} ${score}`);
    expect(await found()).toEqual(['lion 0.9', 'lion 0.8', 'bench 0.6']);
    expect(await found('--nms', '0.5')).toEqual(['lion 0.9', 'bench 0.6']);
    expect(await found('--nms', '1', '--min-score', '0.7')).toEqual(['lion 0.9', 'lion 0.8']);
    expect(await found('--classes', 'Bench')).toEqual(['bench 0.6']);
    expect(await found('--classes', 'bench, lion', '--max-detections', '1')).toEqual(['lion 0.9']);
    const wrong = await vgr(['detect', photos, '--detector', 'my-model', '--classes', 'bnech'], {
      env,
    });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('`my-model` has no label `bnech`');
    expect(wrong.stderr).toContain('hint: nearest: bench');
    const over = await vgr(['detect', photos, '--nms', '1.5'], { env });
    expect(over.code).toBe(2);
    expect(over.stderr).toContain('--nms: expected a number from 0 to 1, got `1.5`');
  });
});

describe('the trial of a new model', () => {
  const shared = '../shared/models/yolox_nano.onnx';
  if (!existsSync(shared)) console.log('skipped: no ../shared/models/yolox_nano.onnx');

  it.skipIf(!existsSync(shared))(
    'finds the pixels of a model that takes others than is usual',
    async () => {
      // The same weights behind a multiplication: pixels must be in 0..1 now.
      const file = join(freshFolder(), 'odd.onnx');
      writeFileSync(file, scaledInput(readFileSync(shared), 255));
      const env = { VGR_MODELS_DIR: freshFolder() };
      const run = await vgr(['models', 'add', file, '--device', 'cpu'], { env });
      expect(run.code).toBe(0);
      expect(run.stderr).toContain(
        'the card has --pixels unit --channels bgr, because it then agrees far better',
      );
      expect(run.stdout).toMatch(/cats\.jpg: cat 0\.\d\d, cat 0\.\d\d/);
      expect(Number(/AP50 ([\d.]+)/.exec(run.stdout)?.[1])).toBeGreaterThan(0.5);
    },
  );

  it('finds out how a graph of finished boxes numbers its labels', async () => {
    const cats = 'fixtures/images/cats.jpg';
    const seen = await vgr([
      'detect',
      cats,
      '--device',
      'cpu',
      '--classes',
      'cat',
      '--min-score',
      '0.4',
    ]);
    const [line] = jsonLines(seen.stdout) as {
      width: number;
      height: number;
      detections: { bbox_2d: number[] }[];
    }[];
    const boxes = line!.detections.map(({ bbox_2d: [x1, y1, x2, y2] }) => [
      x1! / line!.width,
      y1! / line!.height,
      x2! / line!.width,
      y2! / line!.height,
    ]);
    expect(boxes.length).toBeGreaterThan(0);
    const rows = boxes.length;
    const each = (value: number) => Object.fromEntries(boxes.map((_, row) => [row, value]));
    const plan: GraphPlan = {
      image: nchw('image'),
      outputs: [
        { name: 'bboxes', dims: [rows, 4], values: table(4, { ...boxes }) },
        // Cats are the 16th of COCO's 80 labels; by COCO's ids 16 is a bird.
        { name: 'labels', type: 'int64', dims: [rows], values: each(16) },
        { name: 'scores', dims: [rows], values: each(0.9) },
      ],
    };
    const { card, stderr, stdout } = await add({ plan, flags: ['--photo', cats] });
    expect(stderr).toContain("the card has COCO's 80 labels from 1 on");
    expect(stdout).toContain('cats.jpg: cat 0.90');
    expect(card).toMatchObject({
      family: 'ssd',
      labels: 'coco-80',
      decoding: { firstClass: 1, boxes: 'xyxy-unit' },
    });
  });

  it('takes photos in their own shape where the heads follow the sides of the graph', async () => {
    const embedded = fileURLToPath(new URL('../../models/centernet/model.onnx', import.meta.url));
    const free = { ...decodeOnnxModel(readFileSync(embedded)), producerName: 'another' };
    const folder = freshFolder();
    const path = join(folder, 'free.onnx');
    writeFileSync(path, encodeOnnxModel(free));
    const env = { VGR_MODELS_DIR: freshFolder() };
    const run = await vgr(['models', 'add', path, '--device', 'cpu'], { env });
    expect(run.stdout).toContain('free: centernet, up to 512 x 512');
    const card = JSON.parse(readFileSync(join(env.VGR_MODELS_DIR, 'free', 'card.json'), 'utf8'));
    expect(card.input).toMatchObject({
      width: 512,
      height: 512,
      fit: 'longer-side',
      fill: 114,
      multiple: 32,
    });
    const photo = 'fixtures/images/cats.jpg';
    const detect = (detector: string) => {
      const flags = ['--input-size', '320', '--min-score', '0.1', '--nms', '0.5', '--no-timing'];
      return vgr(['detect', photo, '--detector', detector, '--device', 'cpu', ...flags], { env });
    };
    const [own, known] = [await detect('free'), await detect('centernet')];
    expect(jsonLines(own.stdout)[0]!.detections).toEqual(jsonLines(known.stdout)[0]!.detections);
  });

  it('keeps one size where the sides are free and the heads are not', async () => {
    const plan: GraphPlan = {
      image: { name: 'images', type: 'float32', dims: ['batch', 3, 'height', 'width'] },
      outputs: [{ name: 'output0', dims: [6, THREE], values: { 0: 32 } }],
    };
    const { card, env } = await add({ plan, labels: TWO, flags: ['--size', '64'] });
    expect(card).toMatchObject({ input: { width: 64, height: 64, fit: 'letterbox-centre' } });
    const sized = ['--detector', 'my-model', '--input-size', '320', '--device', 'cpu'];
    const refused = await vgr(['detect', photos, ...sized], { env });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(
      '--input-size: expected a detector that takes photos in their own shape, got `my-model` with photos of 64 x 64 (letterbox-centre)',
    );
  });

  it.skipIf(!existsSync(shared))(
    'warns where the detector hardly agrees with the embedded one',
    async () => {
      const env = { VGR_MODELS_DIR: freshFolder() };
      const flags = ['--name', 'wrong', '--pixels', 'unit', '--device', 'cpu'];
      const run = await vgr(['models', 'add', shared, ...flags], { env });
      expect(run.code).toBe(0);
      expect(run.stderr).toContain('warning: it hardly agrees with the embedded detector');
    },
  );

  it.skipIf(!existsSync(shared))(
    'takes the card of the program where it describes the file',
    async () => {
      const env = { VGR_MODELS_DIR: freshFolder() };
      const run = await vgr(['models', 'add', shared, '--device', 'cpu'], { env });
      expect(run.stderr).toContain('the card of yolox-nano describes this file');
      const again = await vgrHere(['models', 'add', shared, '--device', 'cpu'], env);
      expect(again.stdout).toContain('yolox-nano is this file already');
      const removed = await vgrHere(['models', 'remove', 'yolox-nano'], env);
      expect(removed.stdout).toBe('yolox-nano: removed\n');
      const listed = await vgrHere(['models', 'list', '--long'], env);
      expect(listed.stdout).toMatch(/^yolox-nano .*\(not here: vgr models pull\)$/m);
    },
  );
});
