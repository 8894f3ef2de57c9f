import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ResultLine } from '../../src/formats/result-line.js';
import type { Device } from '../../src/runtime/device.js';
import type { SessionPool as Pool, PoolOptions } from '../../src/runtime/pool.js';
import { detectorGraph } from '../support/detector-graph.js';
import { writeEncoder } from '../support/encoder-graph.js';
import { linesFile } from '../support/faults.js';
import { addWorded, GROUNDING, OWL } from '../support/prompted-model.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { shared } from '../support/tiny-graph.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';
import { softwareGpu, wrongOnGpus } from '../support/webgpu.js';

// Worker threads run what was built.
const { SessionPool } = (await import(
  '../../dist/runtime/pool.js' as string
)) as typeof import('../../src/runtime/pool.js');

const gpu = softwareGpu();
// For pools of this process.
Object.assign(process.env, gpu);
const ON_GPU = ['--device', 'webgpu', '--no-timing'];
const ON_CPU = ['--device', 'cpu', '--no-timing'];

/** A box whose left edge tells the mean of the photo's red, in any number of photos a run. */
const graph = detectorGraph({
  ...TINY_PLAN,
  image: { ...TINY_PLAN.image, dims: ['batch', 3, 64, 64] },
  outputs: [{ ...TINY_PLAN.outputs[0]!, seen: 0 }],
});

let photos = '';
let env: Readonly<Record<string, string>>;
beforeAll(async () => {
  photos = await photoFolder(6);
  env = { ...gpu, VGR_MODELS_DIR: freshFolder(), XDG_STATE_HOME: freshFolder() };
  addModel('tiny', graph);
  addModel('wrong', wrongOnGpus(graph));
});

/** The photos come as fractions, so that the mean stays within the box. */
function addModel(name: string, bytes: Uint8Array): void {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const pinned = { sha256, bytes: bytes.length, source: { added: 'tiny.onnx' } };
  const input = { ...TINY_CARD.input, batch: 'any', scale: 0.01 };
  const folder = join(env.VGR_MODELS_DIR!, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'tiny.onnx'), bytes);
  writeFileSync(
    join(folder, 'card.json'),
    JSON.stringify({ ...TINY_CARD, ...pinned, name, input }),
  );
}

const pools: Pool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

function openPool(options: Partial<PoolOptions>): Pool {
  const plan = { devices: [{ name: 'webgpu' as const }], skipped: [] };
  const pool = new SessionPool({
    ...{ plan, sessions: 1, threads: 1, notice: () => undefined },
    ...options,
  });
  pools.push(pool);
  return pool;
}

/** A photo of one level. */
const photoOf = (level: number) => ({
  images: {
    type: 'float32' as const,
    dims: [1, 3, 64, 64],
    data: new Float32Array(3 * 64 * 64).fill(level),
  },
});

const trials = () => readdirSync(join(env.XDG_STATE_HOME!, 'vgr', 'device-trials'));

describe.skipIf(!gpu)('on a WebGPU device', () => {
  it('a detector finds what it finds on the CPU, alone, in batches and in several sessions', async () => {
    const detect = ['detect', photos, '--detector', 'tiny'];
    const expected = await vgr([...detect, ...ON_CPU], { env });
    expect(expected.code, expected.stderr).toBe(0);
    for (const split of [
      ['--batch-size', '1'],
      ['--batch-size', '4'],
      ['--sessions', '2'],
    ]) {
      const found = await vgr([...detect, ...ON_GPU, ...split], { env });
      expect(found.code, found.stderr).toBe(0);
      expect(found.stdout).toBe(expected.stdout);
      expect(found.stderr).not.toContain('device cpu');
    }
    expect(trials()).toHaveLength(1);
  });

  it('a model that finds something else there runs on the CPU, with the reason, and is not tried again', async () => {
    const detect = ['detect', photos, '--detector', 'wrong'];
    const expected = await vgr([...detect, ...ON_CPU], { env });
    const before = trials();
    for (let run = 0; run < 2; run++) {
      const found = await vgr([...detect, ...ON_GPU], { env });
      expect(found.code, found.stderr).toBe(0);
      expect(found.stdout).toBe(expected.stdout);
      expect(found.stderr).toMatch(
        /device cpu instead of webgpu for wrong: on a trial photo `lion` of score 0\.75 on the CPU has no such box there/,
      );
    }
    const [record, ...none] = trials().filter((name) => !before.includes(name));
    expect(none).toEqual([]);
    const path = join(env.XDG_STATE_HOME!, 'vgr', 'device-trials', record!);
    const kept = JSON.parse(readFileSync(path, 'utf8'));
    expect(kept).toMatchObject({ device: 'webgpu', compared: 1 });
    // What was remembered counts, not what would be found now.
    writeFileSync(path, JSON.stringify({ ...kept, difference: undefined }));
    const trusted = await vgr([...detect, ...ON_GPU], { env });
    expect(trusted.stderr).not.toContain('device cpu');
    expect(trusted.stdout).not.toBe(expected.stdout);
  });

  it('vgr models verify shows both', async () => {
    const verify = ['models', 'verify', 'tiny', 'wrong', '--device', 'webgpu'];
    const { code, stdout } = await vgr(verify, { env });
    expect(code).toBe(3);
    expect(stdout.split('\n')).toEqual([
      'tiny: as its card says',
      'tiny on webgpu: agrees with the CPU on 1 detection of a trial photo',
      'wrong: as its card says',
      expect.stringMatching(
        /^wrong on webgpu: differs from the CPU, which runs take instead: `lion`/,
      ),
      '',
    ]);
  });

  it('a device of the plan that does not start is passed over', async () => {
    const notes: string[] = [];
    const devices: Device[] = [{ name: 'cuda' }, { name: 'webgpu' }, { name: 'cpu' }];
    const pool = openPool({ plan: { devices, skipped: [] }, notice: (text) => notes.push(text) });
    await pool.load({ name: 'tiny', bytes: shared(graph) });
    expect(pool.device).toEqual({ name: 'webgpu' });
    expect(notes).toEqual([expect.stringMatching(/^device webgpu instead of cuda: /)]);
    const { output0 } = await pool.run({ model: 'tiny', feeds: photoOf(7) });
    expect(output0!.data[0]).toBe(32 + 7);
    await pool.move('tiny', { name: 'cpu' });
    expect(pool.placeOf('tiny')!.device).toEqual({ name: 'cpu' });
    expect((await pool.run({ model: 'tiny', feeds: photoOf(8) })).output0!.data[0]).toBe(32 + 8);
  });

  it('a thread that ends is replaced, and goes on there', async () => {
    const script = new URL('../support/fragile-worker.mjs', import.meta.url);
    const pool = openPool({ script });
    await pool.load({ name: 'tiny', bytes: shared(graph) });
    const breaking = { ...photoOf(1), x: { ...photoOf(13).images, dims: [3 * 64 * 64] } };
    await expect(pool.run({ model: 'tiny', feeds: breaking })).rejects.toMatchObject({
      code: 'WORKER_CRASHED',
    });
    expect((await pool.run({ model: 'tiny', feeds: photoOf(2) })).output0!.data[0]).toBe(34);
    expect(pool.device).toEqual({ name: 'webgpu' });
  });

  it('models that are asked in words answer as on the CPU', async () => {
    for (const repository of [GROUNDING, OWL]) {
      const { env: own } = await addWorded(repository);
      const image = 'photo-00.jpg';
      const lines = ['the left lion', 'right lion', 'cat'].map((query) => ({ image, query }));
      const args = ['refine', photos, '--queries', linesFile(lines), '--detector', 'worded'];
      const [there, here] = await Promise.all(
        [ON_GPU, ON_CPU].map(async (flags) => {
          const run = await vgr([...args, ...flags], { env: { ...env, ...own } });
          expect(run.code, run.stderr).toBe(0);
          expect(run.stderr).not.toContain('device cpu');
          return jsonLines(run.stdout) as unknown as ResultLine[];
        }),
      );
      for (const [at, { tool, answer }] of here!.entries()) {
        expect(there![at]!.tool.label).toBe(tool.label);
        expect(there![at]!.tool.score).toBeCloseTo(tool.score!, 3);
        for (const [side, pixels] of answer.bbox_2d!.entries()) {
          expect(there![at]!.answer.bbox_2d![side]).toBeCloseTo(pixels, 1);
        }
      }
    }
  });

  it('encoders embed as on the CPU, and a model that writes finds the same', async () => {
    const models = env.VGR_MODELS_DIR!;
    cpSync('fixtures/reference/florence-2-a', join(models, 'florence-2-a'), { recursive: true });
    writeEncoder(models);
    writeEncoder(models, { family: 'siglip' });
    const names = ['tiny-clip', 'tiny-siglip', 'florence-2-a'];
    const verify = ['models', 'verify', ...names, '--device', 'webgpu'];
    const { code, stdout, stderr } = await vgr(verify, { env });
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('tiny-clip on webgpu: agrees with the CPU on 6 embeddings');
    expect(stdout).toContain('tiny-siglip on webgpu: agrees with the CPU on 6 embeddings');
    expect(stdout).toContain('florence-2-a on webgpu: agrees with the CPU on 3 detections');
  });

  it('train-lite fits the same refiner', async () => {
    const lines = Array.from({ length: 24 }, (_, at) => ({
      id: `q${at}`,
      image: `photo-0${at % 6}.jpg`,
      query: at % 2 ? 'the lion' : 'the left lion',
      bbox: at % 3 ? [16, 16, 16, 16] : [0, 0, 5, 5],
    }));
    const queries = linesFile(lines);
    const fitted = await Promise.all(
      ['webgpu', 'cpu'].map(async (device) => {
        const output = freshFolder();
        const args = [
          'train-lite',
          photos,
          '--queries',
          queries,
          '--detector',
          'tiny',
          '--epochs',
          '2',
        ];
        const flags = ['--device', device, '--output', output, '--cache', join(output, 'cache')];
        const { code, stderr } = await vgr([...args, ...flags], { env });
        expect(code, stderr).toBe(0);
        const card = JSON.parse(readFileSync(join(output, 'card.json'), 'utf8'));
        return card.sha256;
      }),
    );
    expect(fitted[0]).toEqual(fitted[1]);
  });
});
