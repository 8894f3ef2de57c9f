import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChatServer, type TestChatServer } from '../support/chat-server.js';
import { shell } from '../support/faults.js';
import { drawPhoto, freshFolder, jsonLines, vgr } from '../support/vgr.js';
import { answered, THINK } from '../support/vlm-run.js';

const KEY = { VGR_VLM_API_KEY: 'sk-very-secret' };
const REFINE = ['refine', 'photos', '--queries', 'q.jsonl', '--no-timing', '--device', 'cpu'];

let server: TestChatServer;

beforeAll(async () => {
  server = await startChatServer(({ messages }) =>
    messages.length > 1 ? answered([1, 2, 30, 40]) : THINK,
  );
});

afterAll(() => server.close());

/** A folder as somebody downloads it: photos, queries, and a configuration. */
async function downloaded(config: object | string): Promise<string> {
  const cwd = freshFolder();
  mkdirSync(join(cwd, 'photos'));
  await drawPhoto(join(cwd, 'photos', 'a.jpg'));
  const line = { id: '$(touch owned)', image: 'a.jpg', query: 'the ball', bbox: [0, 0, 9, 9] };
  writeFileSync(join(cwd, 'q.jsonl'), `${JSON.stringify(line)}\n`);
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  writeFileSync(join(cwd, 'vgr.config.json'), text);
  return cwd;
}

describe('a configuration in the working folder', () => {
  it.each([
    [{ refiner: 'vlm' }],
    [{ refiner: 'cascade', 'cascade-small': 'none', 'vlm-share': 1, 'vlm-cache': 'none' }],
  ])('sends neither photos nor the key to a server: %j', async (refiner) => {
    const cwd = await downloaded({ ...refiner, 'vlm-url': server.url, 'vlm-model': 'm' });
    const before = server.headers.length;
    const run = await vgr(REFINE, { cwd, env: KEY });
    expect(server.headers).toHaveLength(before);
    expect(run.code).toBe(0);
    expect(run.stderr).toContain('warning: `vgr.config.json`: `refiner`, ');
    expect(run.stderr).toContain('`vlm-url`');
    expect(run.stderr).toContain('`--config vgr.config.json`');
    expect(jsonLines(run.stdout)).toMatchObject([{ type: 'result', tool: { name: 'centernet' } }]);
  });

  it('does not name the server of a refiner that the user asks for', async () => {
    const cwd = await downloaded({ 'vlm-url': server.url, 'vlm-model': 'm' });
    const before = server.headers.length;
    const run = await vgr([...REFINE, '--refiner', 'vlm'], { cwd, env: KEY });
    expect(server.headers).toHaveLength(before);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('--vlm-url is missing');
  });

  it('writes no file', async () => {
    const flags = ['csv', 'report', 'markdown', 'output', 'visualize', 'cache', 'vlm-cache'];
    const cwd = await downloaded(Object.fromEntries(flags.map((flag) => [flag, 'started.sh'])));
    const before = readdirSync(cwd);
    const results = join(freshFolder(), 'results.jsonl');
    const refined = await vgr(REFINE, { cwd });
    writeFileSync(results, refined.stdout);
    await vgr(['detect', 'photos', '--device', 'cpu'], { cwd });
    await vgr(['eval', 'photos', '--queries', 'q.jsonl', '--results', results], { cwd });
    expect(readdirSync(cwd)).toEqual(before);
    expect(refined.stderr).toContain(`${flags.map((flag) => `\`${flag}\``).join(', ')} ignored`);
  });

  it('does not loosen a check', async () => {
    const cwd = await downloaded({
      'allow-outside': true,
      'max-pixels': 1e9,
      'fail-under': 'ccr=0',
    });
    await drawPhoto(join(cwd, 'outside.jpg'));
    symlinkSync('../outside.jpg', join(cwd, 'photos', 'link.jpg'));
    const lines = ['../outside.jpg', 'link.jpg', join(cwd, 'outside.jpg')].map((image) =>
      JSON.stringify({ image, query: 'the ball' }),
    );
    writeFileSync(join(cwd, 'q.jsonl'), `${lines.join('\n')}\n`);
    const run = await vgr(REFINE, { cwd });
    expect(jsonLines(run.stdout).map(({ code }) => code)).toEqual(Array(3).fill('IMAGE_OUTSIDE'));
    expect(run.code).toBe(1);
    // A list of photos may have been downloaded as well.
    writeFileSync(join(cwd, 'list.txt'), 'a.jpg\n../outside.jpg\n/etc/hostname\nlink.jpg\n');
    const listed = await vgr(['detect', '--photos', '../list.txt', '--device', 'cpu'], {
      cwd: join(cwd, 'photos'),
    });
    const codes = jsonLines(listed.stdout).map(({ type, code = type }) => code);
    expect(codes).toEqual(['detections', ...Array(3).fill('IMAGE_OUTSIDE')]);
  });

  it('names no model by a path', async () => {
    const cwd = await downloaded({ detector: './centernet', refiner: 'mine/refiner' });
    const run = await vgr(REFINE, { cwd });
    expect(run.stderr).toContain('`detector`, `refiner` ignored');
    expect(run.code).toBe(0);
  });

  it('is told even where it asks for silence', async () => {
    const cwd = await downloaded({ quiet: true, csv: 'x' });
    expect((await vgr(REFINE, { cwd })).stderr).toMatch(/^warning: .*`csv` ignored.*\n$/);
  });

  it('sets what does no harm, and is named', async () => {
    const cwd = await downloaded({ format: 'human', 'min-confidence': 1, detector: 'centernet' });
    const run = await vgr(REFINE, { cwd });
    expect(run.stdout).toContain('below --min-confidence 1');
    expect(run.stderr).toMatch(/^settings of `vgr\.config\.json`\n/);
  });

  it('counts in full where the user names it', async () => {
    const cwd = await downloaded({ output: 'out' });
    const named: [string[], Record<string, string>][] = [
      [['--config', 'vgr.config.json'], {}],
      [[], { VGR_CONFIG: join(cwd, 'vgr.config.json') }],
    ];
    for (const [argv, env] of named) {
      const run = await vgr([...REFINE, ...argv], { cwd, env });
      expect(run.code).toBe(0);
      expect(run.stderr).toMatch(/^settings of `.*vgr\.config\.json`\n/);
      expect(existsSync(join(cwd, 'out', 'results.jsonl'))).toBe(true);
    }
  });

  it('is not read with --config none', async () => {
    const cwd = await downloaded('not JSON');
    expect((await vgr(REFINE, { cwd })).code).toBe(2);
    expect((await vgr([...REFINE, '--config', 'none'], { cwd })).code).toBe(0);
  });

  it.runIf(process.platform !== 'win32')('is not waited for where it is a pipe', async () => {
    const cwd = await downloaded('{}');
    shell('rm "$1" && mkfifo "$1"', join(cwd, 'vgr.config.json'));
    expect((await vgr(REFINE, { cwd })).code).toBe(0);
  });
});

describe("the user's own configuration", () => {
  const home = freshFolder();

  beforeAll(() => {
    mkdirSync(join(home, 'vgr'));
    const settings = { output: 'out', format: 'json', 'min-confidence': 1 };
    writeFileSync(join(home, 'vgr', 'config.json'), JSON.stringify(settings));
  });

  it('may set everything, and the working folder wins where it may set something', async () => {
    const cwd = await downloaded({ 'min-confidence': 0, output: 'other' });
    const run = await vgr(REFINE, { cwd, env: { XDG_CONFIG_HOME: home } });
    expect(run.stderr).toMatch(/^settings of `.*config\.json` and `vgr\.config\.json`\n/);
    expect(existsSync(join(cwd, 'other'))).toBe(false);
    const { settings } = JSON.parse(readFileSync(join(cwd, 'out', 'run.json'), 'utf8'));
    expect(settings).toMatchObject({ min_confidence: 0 });
    expect(run.stdout).toMatch(/^\[\n/);
  });

  it('does not count beside a file that is named', async () => {
    const cwd = await downloaded({});
    const env = { XDG_CONFIG_HOME: home };
    await vgr([...REFINE, '--config', 'vgr.config.json'], { cwd, env });
    expect(existsSync(join(cwd, 'out'))).toBe(false);
  });
});
