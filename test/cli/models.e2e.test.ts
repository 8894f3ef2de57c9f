import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shell } from '../support/faults.js';
import { vgrHere } from '../support/in-process.js';
import { TINY_CARD } from '../support/tiny-detector.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

describe('vgr models list', () => {
  it('tells of every card where its weights lie, and where they last ran', async () => {
    const env = { XDG_STATE_HOME: freshFolder(), VGR_MODELS_DIR: freshFolder() };
    const listed = async (name: string) => {
      const { code, stdout } = await vgrHere(['models', 'list', '--json'], env);
      expect(code).toBe(0);
      return jsonLines(stdout).find((line) => line.name === name);
    };
    const card = JSON.parse(readFileSync('models/centernet/card.json', 'utf8'));
    expect(await listed('centernet')).toEqual({
      name: 'centernet',
      kind: 'detector',
      family: 'centernet',
      bytes: card.bytes,
      licence: 'MIT',
      source: 'npm @vladmandic/human@3.3.6',
      weights: expect.stringMatching(/model\.onnx$/),
      verified: false,
      device: null,
      use: 'first look',
      accuracy: { value: expect.any(Number), on: 'COCO 300', by: 'vgr' },
      speed: null,
    });
    expect(await listed('rfdetr-nano')).toMatchObject({ weights: null, verified: false });
    await vgr(['detect', await photoFolder(1), '--device', 'cpu'], { env });
    expect(await listed('centernet')).toMatchObject({ verified: true, device: 'cpu' });
    const table = await vgrHere(['models', 'list', '--long'], env);
    expect(table.stdout).toMatch(/^centernet +centernet +[\d.]+ MiB +MIT +yes +cpu +\//m);
    expect(table.stdout).toMatch(
      /^dfine-s +detr +39\.6 MiB +Apache-2\.0 +- +- +\(not here: vgr models pull\)$/m,
    );
  });

  it('tells in 80 columns what each is for, and how good it is', async () => {
    const env = { XDG_STATE_HOME: freshFolder(), VGR_MODELS_DIR: freshFolder() };
    const { stdout, stderr } = await vgrHere(['models', 'list'], env);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^name +size +accuracy +here +for$/);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^centernet +7\.8 MiB +0\.\d{3} COCO 300 +yes +first look$/m);
    expect(stdout).toMatch(/^yolox-s +34\.2 MiB +0\.405 COCO\* +- +better boxes, GPU$/m);
    expect(stdout).toMatch(/^owlv2-base +589\.2 MiB +- +- +any noun, GPU$/m);
    // A graph of unknown size is not counted as none.
    expect(stdout).toMatch(/^florence-2-base-ft-fp16 +\? +- +- +people's language$/m);
    expect(stdout).toMatch(/^lite-refiner +\S+ MiB +0\.\d{3} held out +yes +weighs boxes$/m);
    expect(stderr).toContain('`*`: as published');
    // Cards of the user's own: what they are for follows from their kind, and longer words are no card.
    const put = (name: string, changes: object): void => {
      mkdirSync(join(env.VGR_MODELS_DIR, name), { recursive: true });
      const from = { sha256: '0'.repeat(64), source: { added: 'a.onnx' } };
      const card = { ...TINY_CARD, ...from, name, ...changes };
      writeFileSync(join(env.VGR_MODELS_DIR, name, 'card.json'), JSON.stringify(card));
    };
    put('mine', {});
    put('a-name-that-is-much-longer-than-the-others-are-and-wide', { use: 'cups\u001b[31m' });
    const own = await vgrHere(['models', 'list'], env);
    expect(own.code).toBe(0);
    expect(own.stdout).toMatch(/^mine .* boxes by label$|^mine .* boxes b…$/m);
    expect(own.stdout).not.toContain('\u001b');
    put('mine', { use: 'more words than a table has room for' });
    put('theirs', { accuracy: { value: 48.5, on: 'COCO', by: 'published' } });
    const refused = await vgrHere(['models', 'list'], env);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/mine\/card\.json`: `use`: /);
    expect(refused.stderr).toMatch(/theirs\/card\.json`: `accuracy\.value`: /);
  });

  it('is not misled by what lies in the folder', async () => {
    const models = freshFolder();
    const put = (folder: string, changes: object): void => {
      mkdirSync(join(models, folder));
      const card = {
        ...TINY_CARD,
        sha256: '0'.repeat(64),
        source: { added: 'a.onnx' },
        ...changes,
      };
      writeFileSync(join(models, folder, 'card.json'), JSON.stringify(card));
    };
    put('tiny', { licence: 'MIT\u001b[31m\nof a kind' });
    put('a-copy', {});
    put('elsewhere', { name: 'other' });
    put('.half.partial-7', { name: 'half' });
    // Neither is a file, and nobody waits for the second.
    mkdirSync(join(models, 'elsewhere', TINY_CARD.file));
    if (process.platform !== 'win32') shell('mkfifo "$1"', join(models, 'tiny', TINY_CARD.file));
    const linked = freshFolder();
    renameSync(join(models, 'elsewhere'), join(linked, 'elsewhere'));
    symlinkSync(join(linked, 'elsewhere'), join(models, 'elsewhere'));
    const env = { VGR_MODELS_DIR: models };
    const listed = await vgrHere(['models', 'list', '--long'], env);
    expect(listed.code).toBe(2);
    expect(listed.stdout).toMatch(/^other +yolo .*\(not here: vgr models add\)$/m);
    expect(listed.stdout).toMatch(
      /^tiny +yolo +\? +MIT\\u001b\[31m\\u000aof a kind +- +- +\(not here: vgr models add\)$/m,
    );
    expect(listed.stdout).not.toContain('half');
    expect(listed.stderr).toContain(
      `a-copy/card.json\`: expected a name that no other card has, got \`tiny\``,
    );
    const removed = await vgrHere(['models', 'remove', 'other', 'a-copy'], env);
    expect(removed).toMatchObject({ code: 0, stdout: 'other: removed\na-copy: removed\n' });
    expect(readdirSync(models).sort()).toEqual(['.half.partial-7', 'tiny']);
    expect(readdirSync(linked)).toEqual(['elsewhere']);
    const file = await vgrHere(['models', 'list'], {
      VGR_MODELS_DIR: join(models, 'tiny', 'card.json'),
    });
    expect(file.code).toBe(2);
    expect(file.stderr).toMatch(/expected a folder of models, got `.*card\.json`: ENOTDIR/);
  });

  it('looks where the system keeps data of programs', async () => {
    const data = freshFolder();
    const env = { XDG_DATA_HOME: data };
    const removed = await vgrHere(['models', 'remove', 'helmets'], env);
    expect(removed.code).toBe(2);
    expect(removed.stderr).toContain(`no model \`helmets\` in \`${join(data, 'vgr', 'models')}\``);
    const outside = await vgrHere(['models', 'remove', '../models'], env);
    expect(outside.code).toBe(2);
  });
});

describe('vgr models bench', () => {
  it('measures latency and throughput on the device that was asked for', async () => {
    const args = ['models', 'bench', 'centernet', '--device', 'cpu', '--runs', '3', '--json'];
    const env = { XDG_STATE_HOME: freshFolder() };
    const { code, stdout } = await vgr(args, { env });
    expect(code).toBe(0);
    const [line] = jsonLines(stdout);
    expect(line).toMatchObject({ name: 'centernet', device: 'cpu', batch: 1 });
    const { latency_ms, throughput } = line as unknown as {
      latency_ms: { median: number; p95: number };
      throughput: number;
    };
    expect(latency_ms.median).toBeGreaterThan(0.1);
    expect(latency_ms.p95).toBeGreaterThanOrEqual(latency_ms.median);
    expect(throughput).toBeGreaterThan(0.1);
    const listed = await vgrHere(['models', 'list', '--json'], env);
    expect(jsonLines(listed.stdout).find((one) => one.name === 'centernet')).toMatchObject({
      speed: { device: 'cpu', per_second: throughput },
    });
    const table = await vgrHere(['models', 'list'], env);
    expect(table.stdout).toMatch(/^centernet .* [\d.]+\/s +first look$/m);
    // Files of an earlier time, or of another hand, are no measurement.
    const [record] = readdirSync(join(env.XDG_STATE_HOME, 'vgr', 'speed'));
    writeFileSync(join(env.XDG_STATE_HOME, 'vgr', 'speed', record!), '{"per_second": "fast"}');
    const after = await vgrHere(['models', 'list'], env);
    expect(after.stdout).toMatch(/^centernet .* yes +first look$/m);
    const unknown = await vgrHere(['models', 'bench', 'centernett']);
    expect(unknown.code).toBe(2);
  });
});

it('a command that is used wrongly names the one that helps, as it is typed', async () => {
  const { code, stderr } = await vgrHere(['models', 'bench']);
  expect(code).toBe(2);
  expect(stderr).toContain('`vgr models bench --help`');
  const added = await vgrHere(['models', 'add', join(freshFolder(), 'none.onnx')]);
  expect(added.code).not.toBe(0);
  expect(added.stderr).toMatch(/none\.onnx`: no such file\n\s*hint: .*vgr models add FILE/);
});

it('every command of models shows examples', async () => {
  for (const name of ['add', 'bench', 'list', 'pull', 'remove', 'verify']) {
    const { code, stdout } = await vgr(['models', name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('EXAMPLES');
  }
});
