import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  type EncoderPlan,
  encoderCardOf,
  encoderFiles,
  writeEncoder,
} from '../support/encoder-graph.js';
import { FileServer, whole } from '../support/file-server.js';
import { vgrHere } from '../support/in-process.js';
import { freshFolder, jsonLines, type Outcome, vgr } from '../support/vgr.js';

/** The files of an export as the hub lays them out: graphs in `onnx`, the others above. */
function hubFolder(plan: EncoderPlan, beside: Readonly<Record<string, object>> = {}): string {
  const folder = join(freshFolder(), 'tiny-export');
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  for (const [file, bytes] of Object.entries(encoderFiles(plan))) {
    writeFileSync(join(folder, file.endsWith('.onnx') ? 'onnx' : '.', file), bytes);
  }
  for (const [file, json] of Object.entries(beside)) {
    writeFileSync(join(folder, file), JSON.stringify(json));
  }
  return folder;
}

async function redPhoto(): Promise<string> {
  const path = join(freshFolder(), 'red.png');
  const create = { width: 40, height: 30, channels: 3, background: '#f00000' } as const;
  await sharp({ create }).png().toFile(path);
  return path;
}

const run = (models: string, ...args: string[]): Promise<Outcome> => {
  const env = { VGR_MODELS_DIR: models, HF_HUB_CACHE: join(models, 'no-cache') };
  const usesThreads = args[0] === 'add' || args[0] === 'bench';
  return usesThreads ? vgr(['models', ...args], { env }) : vgrHere(['models', ...args], env);
};

const add = async (models: string, ...args: string[]): Promise<Outcome> =>
  run(models, 'add', ...args, '--device', 'cpu', '--photo', await redPhoto());

const cardIn = (models: string, name: string) =>
  JSON.parse(readFileSync(join(models, name, 'card.json'), 'utf8'));

describe('vgr models add with an image-text encoder', () => {
  it('writes the card of a CLIP export, shows what fits, and adds all files', async () => {
    const models = freshFolder();
    const folder = hubFolder({}, { 'preprocessor_config.json': { size: { shortest_edge: 224 } } });
    const { code, stdout, stderr } = await add(models, folder, '--licence', 'MIT');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain('tiny-export: clip, 16 x 16, letterbox-centre, texts of at most 77');
    expect(stdout).toMatch(/red\.png: \w+ -?0\.\d{3}, \w+ -?0\.\d{3}, \w+ -?0\.\d{3}/);
    expect(readdirSync(join(models, 'tiny-export')).sort()).toEqual([
      'card.json',
      'text_model.onnx',
      'tokenizer.json',
      'vision_model.onnx',
    ]);
    const card = cardIn(models, 'tiny-export');
    const known = encoderCardOf() as { sha256: string; files: object[]; text: object };
    expect(card).toMatchObject({
      kind: 'encoder',
      family: 'clip',
      licence: 'MIT',
      sha256: known.sha256,
      files: known.files,
      image: { width: 16, height: 16, batch: 'any', output: 'image_embeds' },
      text: { ...known.text, pad: 0 },
      match: { scale: 100, bias: null },
    });
    expect((await run(models, 'verify', 'tiny-export')).stdout).toBe(
      'tiny-export: as its card says\n',
    );
    const listed = jsonLines((await run(models, 'list', '--json')).stdout);
    expect(listed.find(({ name }) => name === 'tiny-export')).toMatchObject({
      kind: 'encoder',
      family: 'clip',
      licence: 'MIT',
    });
    const again = await add(models, folder);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stdout).toContain('is this file already');
  });

  it('tells SigLIP by its outputs or by config.json, and whose scale it takes', async () => {
    const models = freshFolder();
    const folder = hubFolder({ family: 'siglip' });
    const graph = join(folder, 'onnx', 'vision_model.onnx');
    const { code, stdout, stderr } = await add(models, graph, '--name', 'other', '--dry-run');
    expect(code).toBe(0);
    expect(stderr).toContain('the card has those of SigLIP B/16');
    expect(stdout).toContain('"family": "siglip"');
    expect(stdout).toContain('"padded": true');
    expect(readdirSync(models)).toEqual([]);
    const told = hubFolder({ whole: true }, { 'config.json': { model_type: 'siglip' } });
    const one = await add(models, told, '--dry-run');
    expect(one.stdout).toContain('"family": "siglip"');
    expect(one.stdout).toContain('"model": "model.onnx"');
  });

  it('says what is missing, and what does not fit', async () => {
    const models = freshFolder();
    const cases: readonly (readonly [string, string, string, number])[] = [
      [freshFolder(), '.', 'expected an ONNX file, or a folder with vision_model.onnx', 3],
      [hubFolder({}), 'onnx/text_model.onnx', '`text_model.onnx` is not beside', 3],
      [hubFolder({}), 'tokenizer.json', 'expected its `tokenizer.json` beside it', 3],
    ];
    for (const [folder, gone, message, exit] of cases) {
      if (gone !== '.') {
        rmSync(join(folder, gone));
      }
      const { code, stderr } = await add(models, folder);
      expect(stderr).toContain(message);
      expect(code).toBe(exit);
    }
    const towers = await add(models, hubFolder({ textWidth: 3 }));
    expect(towers.stderr).toContain('embeddings of 4 and 3 numbers');
    expect(towers.code).toBe(2);
    const text = join(hubFolder({}), 'onnx', 'text_model.onnx');
    const wrong = await add(models, text, '--family', 'clip');
    expect(wrong.stderr).toContain('expected an input for pixels');
    expect(wrong.code).toBe(3);
    expect(readdirSync(models)).toEqual([]);
  });
});

describe('vgr models with an image-text encoder', () => {
  it('measures it', async () => {
    const models = freshFolder();
    writeEncoder(models);
    const { code, stdout } = await run(
      models,
      ...['bench', 'tiny-clip', '--device', 'cpu', '--runs', '3', '--json'],
    );
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ name: 'tiny-clip', device: 'cpu', batch: 8 });
    expect(result.throughput).toBeGreaterThan(0);
    expect(
      (await run(models, 'bench', 'tiny-clip', '--device', 'cpu', '--runs', '3')).stdout,
    ).toMatch(
      /^tiny-clip on cpu: [\d.]+ ms for 8 crops \(runs of 8\), [\d.]+ ms a text; [\d.]+ crops a second/,
    );
  });

  it('tells a file that was changed, whichever it is', async () => {
    for (const file of ['vision_model.onnx', 'text_model.onnx', 'tokenizer.json']) {
      const models = freshFolder();
      const path = join(writeEncoder(models), file);
      writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from(' ')]));
      const { code, stderr } = await run(models, 'verify', 'tiny-clip');
      expect(code).toBe(3);
      expect(stderr).toContain(file);
      expect(stderr).toContain('expected sha256');
    }
  });

  it('pulls all its files, and pins those that no one pinned', async () => {
    const files = encoderFiles();
    const server = await FileServer.open(
      Object.fromEntries(
        Object.entries(files).map(([file, bytes]) => [`/models/${file}`, [whole(bytes)]]),
      ),
    );
    try {
      const models = freshFolder();
      mkdirSync(join(models, 'tiny-clip'));
      const { sha256, bytes: _, files: pins, ...card } = encoderCardOf();
      const source = { url: `${server.origin}/models/vision_model.onnx`, revision: 'v1' };
      const [text, tokenizer] = pins as [object, { file: string }];
      writeFileSync(
        join(models, 'tiny-clip', 'card.json'),
        JSON.stringify({ ...card, source, sha256, files: [text, { file: tokenizer.file }] }),
      );
      const missing = await run(models, 'bench', 'tiny-clip', '--device', 'cpu');
      expect(missing.code).toBe(3);
      expect(missing.stderr).toContain('vgr models pull tiny-clip');
      const pulled = await run(models, 'pull', 'tiny-clip');
      expect(pulled.code).toBe(0);
      for (const [file, bytes] of Object.entries(files)) {
        expect(readFileSync(join(models, 'tiny-clip', file)), file).toEqual(Buffer.from(bytes));
      }
      expect(cardIn(models, 'tiny-clip').files).toEqual([
        text,
        { ...tokenizer, first_download: true },
      ]);
      expect((await run(models, 'verify', 'tiny-clip')).code).toBe(0);
    } finally {
      await server.close();
    }
  });
});
