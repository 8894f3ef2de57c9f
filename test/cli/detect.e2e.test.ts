import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { drawPhoto, freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu'];

describe('vgr detect', () => {
  it('writes one line a photo in the order of names, and nothing else on stdout', async () => {
    const folder = await photoFolder(5);
    const { code, stdout, stderr } = await vgr(['detect', folder, ...CPU]);
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.map(({ image }) => image)).toEqual([0, 1, 2, 3, 4].map((n) => `photo-0${n}.jpg`));
    for (const line of lines) {
      expect(line).toMatchObject({ type: 'detections', schema: 1, width: 120, height: 80 });
      expect(line.timing_ms).toHaveProperty('decode');
    }
    expect(stderr).toMatch(/^5 photos, [\d.]+ s\n$/);
  });

  it('takes a command line of any length, such as a shell makes of `*.jpg`', async () => {
    const folder = await photoFolder(1);
    const names = Array.from({ length: 1500 }, () => join(folder, 'photo-00.jpg'));
    const { code, stdout, stderr } = await vgr(['detect', ...names, ...CPU, '--limit', '1']);
    expect(code, stderr).toBe(0);
    expect(jsonLines(stdout)).toHaveLength(1);
  });

  it('lets the runtime keep no identifier of this machine', async () => {
    const folder = await photoFolder(1);
    const home = freshFolder();
    // On a build server the runtime would keep none by itself.
    const env = { HOME: home, XDG_CACHE_HOME: join(home, '.cache'), CI: '', GITHUB_ACTIONS: '' };
    const { code } = await vgr(['detect', folder, ...CPU], { env });
    expect(code).toBe(0);
    expect(readdirSync(home)).toEqual([]);
  });

  it('gives the same bytes twice without timings, whatever the number of sessions', async () => {
    const folder = await photoFolder(6);
    const one = await vgr(['detect', folder, ...CPU, '--no-timing', '--sessions', '1']);
    const two = await vgr(['detect', folder, ...CPU, '--no-timing', '--sessions', '2']);
    expect(one.code).toBe(0);
    expect(two.stdout).toBe(one.stdout);
  });

  it('takes a batch of photos in one run with the same results', async () => {
    const folder = await photoFolder(6);
    const single = await vgr(['detect', folder, ...CPU, '--no-timing']);
    const batched = await vgr(['detect', folder, ...CPU, '--no-timing', '--batch-size', '4']);
    expect(batched.code).toBe(0);
    const boxes = (text: string): unknown =>
      jsonLines(text).map(({ detections }) => (detections as unknown[]).length);
    expect(boxes(batched.stdout)).toEqual(boxes(single.stdout));
  });

  it('takes photos at the size that --input-size says, and tells it in run.json', async () => {
    const photo = 'fixtures/images/cats.jpg';
    const output = freshFolder();
    const at = (side: string) =>
      vgr(['detect', photo, ...CPU, '--no-timing', '--input-size', side, '--output', output]);
    const usual = await vgr(['detect', photo, ...CPU, '--no-timing']);
    const small = await vgr(['detect', photo, ...CPU, '--no-timing'], {
      env: { VGR_INPUT_SIZE: '300' },
    });
    expect((await at('300')).code).toBe(0);
    expect(small.stdout).not.toBe(usual.stdout);
    // 300 is rounded up to what the graph takes.
    const { settings } = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
    expect(settings.input_size).toBe(320);
    expect(readFileSync(join(output, 'results.jsonl'), 'utf8')).toBe(small.stdout);
    expect((await at('320')).code).toBe(0);
    const other = await at('640');
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('input_size');
  });

  it('with --quiet and --output prints nothing at all when all is well', async () => {
    const folder = await photoFolder(2);
    const output = freshFolder();
    const run = await vgr(['detect', folder, '--quiet', '--output', output]);
    expect(run).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    expect(jsonLines(readFileSync(join(output, 'results.jsonl'), 'utf8'))).toHaveLength(2);
  });

  it('passes by a broken photo: an error record, exit 1, all others done', async () => {
    const folder = await photoFolder(3);
    writeFileSync(join(folder, 'photo-01.jpg'), 'this is no photo');
    const { code, stdout, stderr } = await vgr(['detect', folder, ...CPU, '--no-timing']);
    expect(code).toBe(1);
    const lines = jsonLines(stdout);
    expect(lines.map(({ type }) => type)).toEqual(['detections', 'error', 'detections']);
    expect(lines[1]).toMatchObject({ image: 'photo-01.jpg', code: 'IMAGE_UNSUPPORTED' });
    expect(stderr).toContain('error: photo-01.jpg: ');
    expect(stderr).toContain('3 photos, 1 failed');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('says what it looked for when there is no photo', async () => {
    const folder = freshFolder();
    writeFileSync(join(folder, 'notes.txt'), 'x');
    const { code, stdout, stderr } = await vgr(['detect', folder, ...CPU]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: .*\.txt/m);
  });

  it('refuses a link that leads out of the folder, unless allowed', async () => {
    const folder = await photoFolder(1);
    const elsewhere = await photoFolder(1);
    symlinkSync(join(elsewhere, 'photo-00.jpg'), join(folder, 'photo-01.jpg'));
    const refused = await vgr(['detect', folder, ...CPU]);
    expect(refused.code).toBe(1);
    expect(jsonLines(refused.stdout)[1]).toMatchObject({ type: 'error', code: 'IMAGE_OUTSIDE' });
    const allowed = await vgr(['detect', folder, ...CPU, '--allow-outside']);
    expect(allowed.code).toBe(0);
  });

  it('refuses photos over the limit of pixels, and a flag raises it', async () => {
    const folder = await photoFolder(1);
    const refused = await vgr(['detect', folder, ...CPU, '--max-pixels', '1000']);
    expect(refused.code).toBe(1);
    expect(jsonLines(refused.stdout)[0]).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(refused.stderr).toContain('--max-pixels');
  });

  it('stays within the memory it was given, and does a photo that needs more on a rerun', async () => {
    const folder = await photoFolder(2);
    // Decoded whole: 64 million pixels at 6 bytes are 384 MB, more than a session leaves of 600.
    const large = sharp({ create: { width: 8000, height: 8000, channels: 3, background: '#765' } });
    await large.jpeg({ progressive: true }).toFile(join(folder, 'photo-99.jpg'));
    const output = join(folder, 'out');
    const command = ['detect', folder, ...CPU, '--sessions', '1', '--output', output];
    const run = await vgr([...command, '--max-memory', '600m']);
    expect(run.code).toBe(1);
    const lines = jsonLines(readFileSync(join(output, 'results.jsonl'), 'utf8'));
    expect(lines.map(({ type }) => type)).toEqual(['detections', 'detections', 'error']);
    expect(lines[2]).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    const { peak_memory_bytes: peak } = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
    expect(peak).toBeLessThan(600 * 2 ** 20);
    expect((await vgr([...command, '--retry-failed'])).code).toBe(0);
  });

  it('measures once which sessions are fastest, and remembers it', async () => {
    const folder = await photoFolder(2);
    const env = { XDG_STATE_HOME: freshFolder() };
    const command = (output: string) => [
      'detect',
      folder,
      ...CPU,
      '--tune',
      '--output',
      join(folder, output),
    ];
    const first = await vgr(command('a'), { env });
    expect(first.code).toBe(0);
    const tried = [
      ...first.stderr.matchAll(/--tune: (\d+) x (\d+) threads, ([\d.]+) .* on cpu$/gm),
    ];
    expect(tried.length).toBeGreaterThanOrEqual(1);
    const { sessions, threads } = JSON.parse(readFileSync(join(folder, 'a', 'run.json'), 'utf8'));
    const best = tried.find((one) => Number(one[1]) === sessions && Number(one[2]) === threads)!;
    // Of two that print the same rate either may be the faster one.
    expect(Number(best[3])).toBe(Math.max(...tried.map((one) => Number(one[3]))));
    const second = await vgr(command('b'), { env });
    expect(second.stderr).toContain(`--tune: ${sessions} x ${threads} threads, ${best[3]}`);
    expect(second.stderr).toContain('as measured before');
    expect(second.stderr).not.toContain('on cpu');
  });

  it('says how much memory it needs before it starts', async () => {
    const folder = await photoFolder(1);
    const { code, stdout, stderr } = await vgr(['detect', folder, ...CPU, '--max-memory', '50m']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/--max-memory: .* expected at least \d+m, got 50m/);
    expect(stderr).toContain('--sessions');
  });
});

describe('models and devices', () => {
  it('suggests the nearest names for an unknown detector', async () => {
    const folder = await photoFolder(1);
    const { code, stderr } = await vgr(['detect', folder, '--detector', 'centernett']);
    expect(code).toBe(2);
    expect(stderr).toContain('no model `centernett`');
    expect(stderr).toMatch(/hint: nearest: centernet\b/);
  });

  it('never runs a model file that differs from its card', async () => {
    const folder = await photoFolder(1);
    const models = freshFolder();
    mkdirSync(join(models, 'cut'));
    const card = JSON.parse(readFileSync('models/centernet/card.json', 'utf8'));
    writeFileSync(join(models, 'cut', 'card.json'), JSON.stringify({ ...card, name: 'cut' }));
    writeFileSync(
      join(models, 'cut', card.file),
      readFileSync(`models/centernet/${card.file}`).subarray(0, 5000),
    );
    const env = { VGR_MODELS_DIR: models };
    const { code, stderr } = await vgr(['detect', folder, '--detector', 'cut'], { env });
    expect(code).toBe(3);
    expect(stderr).toContain(`expected sha256 ${card.sha256}`);
    const verified = await vgr(['models', 'verify', 'cut'], { env });
    expect(verified.code).toBe(3);
    expect((await vgr(['models', 'verify', 'centernet'])).code).toBe(0);
  });

  it('names the field of a card that lies', async () => {
    const folder = await photoFolder(1);
    const models = freshFolder();
    mkdirSync(join(models, 'odd'));
    writeFileSync(join(models, 'odd', 'card.json'), '{"schema":1,"kind":"detector","name":"odd"}');
    const env = { VGR_MODELS_DIR: models };
    const { code, stderr } = await vgr(['detect', folder, '--detector', 'odd'], { env });
    expect(code).toBe(2);
    expect(stderr).toMatch(/card\.json`: `family`: expected /);
    // Other models are none the worse for it.
    expect((await vgr(['detect', folder], { env })).code).toBe(0);
  });

  it.skipIf(process.platform !== 'linux' || existsSync('/dev/nvidia0'))(
    'ends with 3 and a hint when a device that was asked for cannot start',
    async () => {
      const folder = await photoFolder(1);
      const { code, stderr } = await vgr(['detect', folder, '--device', 'cuda']);
      expect(code).toBe(3);
      expect(stderr).toContain('device `cuda` does not start');
      expect(stderr).toContain('npm rebuild onnxruntime-node --ignore-scripts=false');
    },
  );
});

describe('the command line', () => {
  it('takes flags over environment, over file, over default', async () => {
    const folder = await photoFolder(3);
    const cwd = freshFolder();
    writeFileSync(join(cwd, 'vgr.config.json'), '{"limit": 1, "device": "cpu", "no-timing": true}');
    const limitOf = async (args: string[], env: Record<string, string>): Promise<number> =>
      jsonLines((await vgr(['detect', folder, ...args], { cwd, env })).stdout).length;
    expect(await limitOf([], {})).toBe(1);
    expect(await limitOf([], { VGR_LIMIT: '2' })).toBe(2);
    expect(await limitOf(['--limit', '3'], { VGR_LIMIT: '2' })).toBe(3);
    const other = join(cwd, 'other.json');
    // A file may serve several commands, but not with a name that none of them has.
    writeFileSync(other, '{"queries": "q.jsonl", "limit": 1}');
    expect((await vgr(['detect', folder, '--config', other], { cwd })).code).toBe(0);
  });

  it('shows examples in the help of each command', async () => {
    for (const command of [['detect'], ['refine'], ['models', 'list'], ['models', 'verify']]) {
      const { code, stdout } = await vgr([...command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('EXAMPLES');
    }
  });

  it('stops quietly with 0 when nobody reads on', async () => {
    const folder = await photoFolder(1);
    // Their lines are more than a pipe and its reader hold: the run cannot end before the test has closed it.
    for (let index = 1; index < 2000; index++) {
      linkSync(join(folder, 'photo-00.jpg'), join(folder, `${index}.jpg`));
    }
    const { code, stderr } = await vgr(['detect', folder, ...CPU], {
      onStart: (child) => child.stdout!.once('data', () => child.stdout!.destroy()),
    });
    expect(code).toBe(0);
    expect(stderr).toBe('');
  });
});

it('draws boxes over photos', async () => {
  const folder = freshFolder();
  await drawPhoto(join(folder, 'a b.jpg'));
  const pictures = join(folder, 'pictures');
  const run = await vgr(['detect', folder, ...CPU, '--visualize', pictures]);
  expect(run.code).toBe(0);
});

it('takes other words for labels, and counts faint boxes apart for people', async () => {
  const photo = 'fixtures/images/people.jpg';
  const run = await vgr(['detect', photo, ...CPU, '--classes', 'people', '--format', 'human']);
  expect(run.stdout).toMatch(/^people\.jpg {2}person ×\d+(; \d+ weaker than 0\.3)?\n$/);
  const worn = await vgr(['detect', photo, ...CPU, '--classes', 'headphones']);
  expect(worn.stderr).toContain('has no label `headphones`');
});
