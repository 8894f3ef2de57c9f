import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeOnnxModel, encodeOnnxModel } from '../../scripts/onnx/model.js';
import { detectorGraph, type GraphPlan, withExternalWeights } from '../support/detector-graph.js';
import { vgrHere } from '../support/in-process.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';

const CARD = { ...TINY_CARD, source: { added: 'tiny.onnx' } };

let photos: string;

beforeAll(async () => {
  photos = await photoFolder(1);
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A folder of models with one in it; the card follows the bytes unless told otherwise. */
function shelf(
  bytes: Uint8Array,
  changes: object = {},
  others: Readonly<Record<string, Uint8Array>> = {},
): string {
  const models = freshFolder();
  mkdirSync(join(models, 'tiny'));
  const card = { ...CARD, sha256: sha256(bytes), bytes: bytes.length, ...changes };
  writeFileSync(join(models, 'tiny', 'card.json'), JSON.stringify(card));
  writeFileSync(join(models, 'tiny', 'tiny.onnx'), bytes);
  for (const [name, content] of Object.entries(others))
    writeFileSync(join(models, 'tiny', name), content);
  return models;
}

function detect(models: string) {
  return vgr(['detect', photos, '--detector', 'tiny', '--device', 'cpu'], {
    env: { VGR_MODELS_DIR: models },
  });
}

/** The one line of the error, without its hint. */
const errorOf = (stderr: string): string => /^error: (.*)$/m.exec(stderr)?.[1] ?? '';

describe('a model that is not sound ends the run with 3', () => {
  it('runs where nothing is wrong', async () => {
    expect(await detect(shelf(detectorGraph(TINY_PLAN)))).toMatchObject({ code: 0 });
  });

  it('cut off', async () => {
    const bytes = detectorGraph(TINY_PLAN);
    const { code, stderr } = await detect(shelf(bytes.subarray(0, bytes.length / 2)));
    expect(code).toBe(3);
    expect(errorOf(stderr)).toMatch(
      /tiny\.onnx`: expected a whole ONNX file, got \d+ bytes that are truncated/,
    );
  });

  it('other bytes than the card pins', async () => {
    const bytes = detectorGraph(TINY_PLAN);
    const { code, stderr } = await detect(shelf(bytes, { sha256: '0'.repeat(64) }));
    expect(code).toBe(3);
    expect(errorOf(stderr)).toContain(
      `expected sha256 ${'0'.repeat(64)} of ${bytes.length} bytes, got ${sha256(bytes)}`,
    );
  });

  it('an operator set that the runtime does not know', async () => {
    const { code, stderr } = await detect(shelf(detectorGraph({ ...TINY_PLAN, opset: 99 })));
    expect(code).toBe(3);
    expect(errorOf(stderr)).toMatch(/model `tiny`: the runtime refuses it: ONNX Runtime .*opset/i);
  });

  it('shapes within the graph that do not go together', async () => {
    const model = decodeOnnxModel(detectorGraph(TINY_PLAN));
    const base = model.graph!.initializer.find(({ name }) => name === 'output0/base')!;
    base.dims = [1n, 5n, 42n];
    base.rawData = base.rawData!.subarray(0, 5 * 42 * 4);
    const bytes = encodeOnnxModel(model);
    const { code, stderr } = await detect(shelf(bytes));
    expect(code).toBe(3);
    expect(errorOf(stderr)).toMatch(/model `tiny`: the runtime refuses it: /);
  });

  it('no file', async () => {
    const { code, stderr } = await vgr(['detect', photos, '--detector', 'yolox-tiny'], {
      env: { VGR_MODELS_DIR: freshFolder() },
    });
    expect(code).toBe(3);
    expect(errorOf(stderr)).toContain('model `yolox-tiny`: no file');
    expect(stderr).toContain('hint: `vgr models pull yolox-tiny` downloads it');
  });
});

describe('a card that lies ends the run with 2', () => {
  const lies: readonly [string, object, string][] = [
    [
      'of the size of photos',
      { input: { ...CARD.input, width: 32, height: 32 } },
      'model `tiny`: `input`: the card says [1,3,32,32] (nchw of 32 x 32), the graph has [1,3,64,64]',
    ],
    [
      'of the layout',
      { input: { ...CARD.input, layout: 'nhwc' } },
      'model `tiny`: `input`: the card says [1,64,64,3] (nhwc of 64 x 64), the graph has [1,3,64,64]',
    ],
    [
      'of the type',
      { input: { ...CARD.input, type: 'uint8', layout: 'nhwc' } },
      'model `tiny`: `input.type`: the card says uint8, the graph has float32; `input`: the card says [1,64,64,3] (nhwc of 64 x 64), the graph has [1,3,64,64]',
    ],
    [
      'of photos a run',
      { input: { ...CARD.input, batch: 'any' } },
      'model `tiny`: `input.batch`: the card says any, the graph has 1 photos a run',
    ],
    [
      'of the name of the input',
      { input: { ...CARD.input, name: 'image' } },
      'model `tiny`: `input.name`: the card says image, the graph has images; `input.extra`: the card says nothing for it, the graph has images float32 [1,3,64,64]',
    ],
    [
      'of the name of an output',
      { outputs: { predictions: ['boxes'] } },
      'model `tiny`: `outputs.predictions`: the card says boxes, the graph has output0',
    ],
    [
      'of the number of labels',
      { labels: ['lion', 'bench', 'cat'].map((name, id) => ({ id, name })) },
      'the card does not match its graph: tiny, output output0: expected [batch,7,any], [batch,any,8] or [batch,any,6] for 3 labels, got float32 [1,5,84]',
    ],
    [
      'of the family',
      { family: 'yolox' },
      'the card does not match its graph: tiny, output output0: expected float32 [1,84,6], got float32 [1,5,84]',
    ],
  ];

  it.each(lies)('%s', async (_, changes, message) => {
    const { code, stdout, stderr } = await detect(shelf(detectorGraph(TINY_PLAN), changes));
    expect(errorOf(stderr)).toBe(message);
    expect(code).toBe(2);
    expect(stdout).toBe('');
  });

  it('or is none', async () => {
    const models = shelf(detectorGraph(TINY_PLAN));
    // A mark of the byte order is no error.
    const card = readFileSync(join(models, 'tiny', 'card.json'), 'utf8');
    writeFileSync(join(models, 'tiny', 'card.json'), `\uFEFF${card}`);
    expect((await detect(models)).code).toBe(0);
    writeFileSync(join(models, 'tiny', 'card.json'), '{"schema": 1,');
    const { code, stderr } = await detect(models);
    expect(code).toBe(2);
    expect(errorOf(stderr)).toMatch(/card\.json`: expected JSON: /);
    const listed = await vgrHere(['models', 'list'], { VGR_MODELS_DIR: models });
    expect(listed.code).toBe(2);
    expect(listed.stdout).toContain('centernet');
    expect(listed.stderr).toContain('card.json`: expected JSON');
  });
});

describe('weights in another file', () => {
  const { model, weights } = withExternalWeights(detectorGraph(TINY_PLAN), 'tiny.onnx.data');
  const external = [{ file: 'tiny.onnx.data', sha256: sha256(weights), bytes: weights.length }];

  it('are read from the folder of the model', async () => {
    const run = await detect(shelf(model, { external }, { 'tiny.onnx.data': weights }));
    expect(run).toMatchObject({ code: 0 });
    expect(JSON.parse(run.stdout).detections).toMatchObject([{ label: 'lion', score: 0.75 }]);
  });

  it('come along when a model is added', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'tiny.onnx'), model);
    writeFileSync(join(folder, 'tiny.onnx.data'), weights);
    const models = freshFolder();
    const args = ['models', 'add', join(folder, 'tiny.onnx'), '--photo', photos, '--device', 'cpu'];
    const added = await vgr(args, { env: { VGR_MODELS_DIR: models } });
    expect(added.code).toBe(0);
    const card = JSON.parse(readFileSync(join(models, 'tiny', 'card.json'), 'utf8'));
    expect(card.external).toEqual(external);
    expect(await detect(models)).toMatchObject({ code: 0 });
  });

  it('must be those of the card', async () => {
    const other = Uint8Array.from(weights, (byte) => byte ^ 1);
    const changed = await detect(shelf(model, { external }, { 'tiny.onnx.data': other }));
    expect(changed.code).toBe(3);
    expect(errorOf(changed.stderr)).toContain(`expected sha256 ${sha256(weights)}`);
    const gone = await detect(shelf(model, { external }));
    expect(gone.code).toBe(3);
    expect(errorOf(gone.stderr)).toMatch(/no file `.*tiny\.onnx\.data`/);
    const unnamed = await detect(shelf(model, {}, { 'tiny.onnx.data': weights }));
    expect(unnamed.code).toBe(2);
    expect(errorOf(unnamed.stderr)).toContain(
      'keeps weights in `tiny.onnx.data`, which `external` of the card does not name',
    );
    const short = await detect(
      shelf(
        model,
        {
          external: [
            { ...external[0], sha256: sha256(weights.subarray(9)), bytes: weights.length - 9 },
          ],
        },
        { 'tiny.onnx.data': weights.subarray(9) },
      ),
    );
    expect(short.code).toBe(3);
    expect(errorOf(short.stderr)).toMatch(/expected bytes \d+ to \d+ of tiny\.onnx\.data/);
  });

  it.each(['../secret', '/etc/passwd', 'sub/../../secret', ''])(
    'never lead to "%s"',
    async (location) => {
      const leading = withExternalWeights(detectorGraph(TINY_PLAN), location).model;
      const models = shelf(leading, { external });
      writeFileSync(join(models, 'secret'), weights);
      const { code, stderr } = await detect(models);
      expect(code).toBe(3);
      expect(errorOf(stderr)).toContain(
        `expected further weights in its own folder, got \`${location}\`, which is outside of it`,
      );
      const add = ['models', 'add', join(models, 'tiny', 'tiny.onnx'), '--name', 'other'];
      const added = await vgrHere(add, { VGR_MODELS_DIR: freshFolder() });
      expect(added.code).toBe(3);
      expect(errorOf(added.stderr)).toContain('which is outside of it');
    },
  );

  it('never lie behind a link that leads out', async () => {
    const models = shelf(model, { external });
    writeFileSync(join(models, 'secret'), weights);
    symlinkSync('../secret', join(models, 'tiny', 'tiny.onnx.data'));
    const { code, stderr } = await detect(models);
    expect(code).toBe(3);
    expect(errorOf(stderr)).toContain('which is outside of it');
  });
});

describe('a graph that is no detector is told from what was expected', () => {
  const written = (plan: GraphPlan): string => {
    const file = join(freshFolder(), 'some.onnx');
    writeFileSync(file, detectorGraph(plan));
    return file;
  };
  const add = (plan: GraphPlan, ...flags: string[]) =>
    vgr(['models', 'add', written(plan), '--photo', photos, '--device', 'cpu', ...flags], {
      env: { VGR_MODELS_DIR: freshFolder() },
    });
  /** Of a graph that is refused before it is run. */
  const read = (plan: GraphPlan) =>
    vgrHere(['models', 'add', written(plan)], { VGR_MODELS_DIR: freshFolder() });

  it('by its outputs', async () => {
    const { code, stderr } = await add({
      ...TINY_PLAN,
      outputs: [{ name: 'logits', dims: [1000], values: {} }],
    });
    expect(code).toBe(3);
    expect(errorOf(stderr)).toMatch(
      /expected a graph of a known family: centernet: .*; yolo: \[batch, 4 \+ labels, cells\].*; detr: .*/,
    );
    expect(errorOf(stderr)).toContain('Found for a photo of 64 x 64: logits float32 [1,1000]');
  });

  it('by its inputs', async () => {
    const image = { name: 'tokens', type: 'float32' as const, dims: [1, 3, 64, 64] };
    const extra = { name: 'input_ids', type: 'int64' as const, dims: [1, 2] };
    const { code, stderr } = await read({ ...TINY_PLAN, image, extra });
    expect(code).toBe(3);
    expect(errorOf(stderr)).toContain(
      'expected inputs input_ids and attention_mask of one type for a prompt, got input_ids int64 [1,2]',
    );
  });

  it('by its task', async () => {
    const { code, stderr } = await read({ ...TINY_PLAN, metadata: { task: 'segment' } });
    expect(code).toBe(3);
    expect(errorOf(stderr)).toContain(
      'expected a graph for detection, got one whose metadata says task `segment`',
    );
  });

  it('by the family that was asked for', async () => {
    const { code, stderr } = await add(TINY_PLAN, '--family', 'detr');
    expect(code).toBe(3);
    expect(errorOf(stderr)).toContain(
      'expected a graph of family detr: [batch, queries, logits] and [batch, queries, 4].',
    );
    expect(errorOf(stderr)).toContain('(these are the outputs of yolo)');
  });

  it('by the number of its labels', async () => {
    const labels = join(freshFolder(), 'labels.txt');
    writeFileSync(labels, 'lion\nbench\n');
    const { code, stderr } = await add(TINY_PLAN, '--labels', labels);
    expect(code).toBe(2);
    expect(errorOf(stderr)).toBe('expected 1 label, as the outputs output0 have, got 2');
    // Finished boxes tell the number of labels only by their classes.
    const values = { 0: 8, 1: 8, 2: 40, 3: 40, 4: 0.75, 5: 84 };
    const finished = { ...TINY_PLAN, outputs: [{ name: 'output0', dims: [1, 6], values }] };
    const few = await add(finished, '--labels', labels);
    expect(few.code).toBe(2);
    expect(errorOf(few.stderr)).toContain(
      'expected class numbers of at most 1, as the card has 2 labels, got 84',
    );
    expect(few.stderr).toContain('hint: `--labels FILE` names the labels');
    const unnamed = await add(finished);
    expect(unnamed.stderr).toContain("the card has COCO's ids for labels");
    expect(unnamed.stdout).toContain(': book 0.75');
  });
});
