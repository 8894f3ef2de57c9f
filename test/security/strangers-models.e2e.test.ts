import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectorGraph } from '../support/detector-graph.js';
import { FileServer, whole } from '../support/file-server.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

const GRAPH = detectorGraph(TINY_PLAN);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const OWN = { ...TINY_CARD, sha256: sha256(GRAPH), bytes: GRAPH.length, source: { added: 'x' } };

let photos: string;
let server: FileServer;

beforeAll(async () => {
  photos = await photoFolder(1);
  server = await FileServer.open({ '/model.onnx': [whole(GRAPH)] });
});

afterAll(() => server.close());

/** Writes a model of a stranger into `parent`, under this name. */
function stranger(parent: string, name: string, changes: object = {}): string {
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'card.json'), JSON.stringify({ ...OWN, name, ...changes }));
  writeFileSync(join(folder, OWN.file), GRAPH);
  return folder;
}

const detect = (argv: readonly string[], cwd: string, env = {}) =>
  vgr(['detect', photos, '--device', 'cpu', '--no-timing', ...argv], { cwd, env });

describe('a folder beside the user', () => {
  it.each(['centernet', 'lite-refiner', 'lite'])('does not stand in for %s', async (name) => {
    const cwd = freshFolder();
    stranger(cwd, name);
    const queries = join(freshFolder(), 'q.jsonl');
    writeFileSync(queries, '{"image": "photo-00.jpg", "query": "the ball"}\n');
    const refine = ['refine', photos, '--queries', queries, '--device', 'cpu', '--no-timing'];
    const named = name === 'centernet' ? ['--detector', name] : ['--refiner', name];
    const [here, elsewhere] = await Promise.all([
      vgr([...refine, ...named], { cwd }),
      vgr([...refine, ...named], { cwd: freshFolder() }),
    ]);
    expect(here.stdout).toBe(elsewhere.stdout);
    expect(here.code).toBe(0);
  });

  it('is meant by a path alone', async () => {
    const cwd = freshFolder();
    stranger(cwd, 'mine');
    const bare = await detect(['--detector', 'mine'], cwd);
    expect(bare.code).toBe(2);
    expect(bare.stderr).toContain('no model `mine`');
    expect(bare.stderr).toContain('`./mine`');
    for (const path of ['./mine', 'mine/', join(cwd, 'mine')]) {
      expect((await detect(['--detector', path], cwd)).code).toBe(0);
    }
  });
});

describe('the folder of models', () => {
  it.each(['centernet', 'nanodet-plus-m-416', 'lite-refiner'])(
    'cannot give %s, which comes with the program, another card',
    async (name) => {
      const models = freshFolder();
      stranger(models, name);
      const env = { VGR_MODELS_DIR: models };
      const list = await vgr(['models', 'list', '--json'], { env });
      const { weights, source } = jsonLines(list.stdout).find((each) => each.name === name)!;
      expect(source).not.toBe('x');
      expect(`${weights}`).not.toContain(models);
      expect(list.stderr).toContain(`\`${join(models, name, 'card.json')}\``);
      expect(list.stderr).toContain('comes with the program');
      const run = await detect([], freshFolder(), env);
      expect(run.code).toBe(0);
      expect(run.stdout).toBe((await detect([], freshFolder())).stdout);
    },
  );

  it('takes no model in under a name of the program', async () => {
    const file = join(freshFolder(), 'x.onnx');
    writeFileSync(file, GRAPH);
    const models = freshFolder();
    const run = await vgr(['models', 'add', file, '--name', 'dfine-s', '--licence', 'x'], {
      env: { VGR_MODELS_DIR: models },
    });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('there is a model `dfine-s` already');
    expect(existsSync(join(models, 'dfine-s'))).toBe(false);
  });
});

describe('vgr models pull', () => {
  const url = (): object => ({ url: `${server.origin}/model.onnx`, revision: 'v1' });

  it('takes the source of a known name from its own card', async () => {
    const cwd = freshFolder();
    const folder = stranger(cwd, 'dfine-s', { source: url() });
    const models = freshFolder();
    const asked = server.asked.length;
    const run = await vgr(['models', 'pull', './dfine-s'], {
      cwd,
      env: { VGR_MODELS_DIR: models },
    });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(`\`${join(folder, 'card.json')}\``.replace(`${cwd}/`, ''));
    expect(server.asked).toHaveLength(asked);
    expect(existsSync(join(models, 'dfine-s'))).toBe(false);
  });

  it('never calls a file verified that was pinned by its own download', async () => {
    const models = freshFolder();
    const { sha256: _, bytes: __, ...unpinned } = { ...OWN, source: url() };
    mkdirSync(join(models, 'tiny'));
    writeFileSync(join(models, 'tiny', 'card.json'), JSON.stringify({ ...unpinned, name: 'tiny' }));
    const env = { VGR_MODELS_DIR: models };
    const pulled = await vgr(['models', 'pull', 'tiny'], { env });
    expect(pulled.stderr).toContain('had no sha256');
    expect((await detect(['--detector', 'tiny'], models, env)).code).toBe(0);
    const list = await vgr(['models', 'list', '--json'], { env });
    const listed = jsonLines(list.stdout).find(({ name }) => name === 'tiny')!;
    expect(listed.weights).not.toBeNull();
    expect(listed.verified).toBe(false);
    const verify = await vgr(['models', 'verify', 'tiny'], { env });
    expect(verify.stdout).toBe('tiny: as first downloaded; its publisher names no sha256\n');
  });
});

describe('a stranger’s card', () => {
  it('cannot pass its graph off as one of the build, which is not looked through', async () => {
    const models = freshFolder();
    const source = { package: '@vladmandic/human', version: '1', path: 'x' };
    const graph = hidden(GRAPH);
    const pins = { sha256: sha256(graph), bytes: graph.length };
    writeFileSync(join(stranger(models, 'built', { source, ...pins }), OWN.file), graph);
    cpSync('/etc/hostname', join(models, 'built', 'secret'));
    const env = { VGR_MODELS_DIR: models };
    for (const argv of [
      ['models', 'verify', 'built'],
      ['detect', photos, '--detector', 'built', '--device', 'cpu'],
    ]) {
      const run = await vgr(argv, { env, cwd: join(models, 'built') });
      expect(run.code).toBe(argv[0] === 'detect' ? 2 : 3);
      expect(run.stderr).toContain('keeps weights in `secret`, which `external` of the card');
    }
  });
});

/** The graph with a second one before it, which keeps a weight in the file `secret`. */
function hidden(graph: Uint8Array): Uint8Array {
  const text = (value: string): number[] => [value.length, ...Buffer.from(value)];
  const entry = [10, ...text('location'), 18, ...text('secret')];
  const tensor = [8, 1, 16, 2, 66, ...text('hidden'), 106, entry.length, ...entry, 112, 1];
  const first = [42, tensor.length, ...tensor];
  return new Uint8Array([58, first.length, ...first, ...graph]);
}
