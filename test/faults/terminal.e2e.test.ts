import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectClean, linesFile, shell } from '../support/faults.js';
import { drawPhoto, freshFolder, jsonLines, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu', '--no-timing'];
/** Clears the screen, sets the title, colours by a C1 control, turns the reading direction, overwrites the line. */
const ESCAPES = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202eabc\rdef\u2028';

/** A folder with a photo, and with files that are none, under names that a terminal would obey. */
async function hostileFolder(): Promise<string> {
  const folder = freshFolder();
  await drawPhoto(join(folder, `${ESCAPES}.jpg`));
  writeFileSync(join(folder, `broken${ESCAPES}.jpg`), 'no photo');
  writeFileSync(
    Buffer.concat([Buffer.from(join(folder, 'b')), Buffer.from([0xff, 0x80]), Buffer.from('.jpg')]),
    '',
  );
  symlinkSync(`/nowhere/${ESCAPES}`, join(folder, `link${ESCAPES}.jpg`));
  mkdirSync(join(folder, `sub${ESCAPES}`));
  await drawPhoto(join(folder, `sub${ESCAPES}`, '-rf.jpg'));
  return folder;
}

describe.runIf(process.platform === 'linux')('names that a terminal would obey', () => {
  it.each(['jsonl', 'json', 'human'])('of photos are shown, not sent, as %s', async (format) => {
    const folder = await hostileFolder();
    const pictures = join(freshFolder(), `p${ESCAPES}`);
    const args = ['detect', folder, ...CPU, '--format', format, '--visualize', pictures];
    const run = await vgr(args);
    expect(run.code).toBe(1);
    expectClean(run);
    expect(run.stdout).toContain('\\u001b[2J');
    expect(readdirSync(pictures)).toHaveLength(2);
    for (const name of readdirSync(pictures)) expect(name).toMatch(/^[\w.-]+\.jpg$/);
    if (format !== 'jsonl') return;
    // What was escaped reads back as it was.
    expect(jsonLines(run.stdout).map(({ image }) => image)).toContain(`${ESCAPES}.jpg`);
  });

  it('of queries, tools, labels and fields are shown, not sent', async () => {
    const box = { bbox_2d: [1, 1, 9, 9], label: ESCAPES, score: 0.5 };
    const queries = linesFile([
      { id: ESCAPES, query: ESCAPES, tools: { [ESCAPES]: [box] }, [ESCAPES]: ESCAPES },
      { id: `b${ESCAPES}`, image: `../${ESCAPES}`, query: 'x' },
      { id: `c${ESCAPES}`, query: 7, [ESCAPES]: 1 },
      `{"id":"d${'\u009b'}","query":`,
    ]);
    const folder = freshFolder();
    for (const format of ['jsonl', 'json', 'human']) {
      const pictures = freshFolder();
      const flags = [...CPU, '--format', format, '--visualize', pictures];
      const run = await vgr(['refine', folder, '--queries', queries, ...flags]);
      expect(run.code).toBe(1);
      expectClean(run);
    }
    const wrongTool = await vgr(['refine', '--queries', queries, '--tool', ESCAPES, ...CPU]);
    expectClean(wrongTool);
  });

  it('of models, devices, flags, commands, files and folders are shown, not sent', async () => {
    const folder = await hostileFolder();
    const models = freshFolder();
    mkdirSync(join(models, `m${ESCAPES}`));
    const card = JSON.parse(readFileSync('models/centernet/card.json', 'utf8'));
    const bad = JSON.stringify({ ...card, name: ESCAPES, title: ESCAPES, family: ESCAPES });
    writeFileSync(join(models, `m${ESCAPES}`, 'card.json'), bad);
    const config = join(freshFolder(), `c${ESCAPES}.json`);
    writeFileSync(config, `{"device": "${'\u009b'}2J"`);
    const image = join(folder, `${ESCAPES}.jpg`);
    const lines: string[][] = [
      ['detect', image, '--detector', ESCAPES],
      ['detect', image, '--device', ESCAPES],
      ['detect', image, `--${ESCAPES}`],
      ['detect', image, '--config', config],
      ['detect', image, '--config', ESCAPES],
      ['detect', image, '--shard', ESCAPES],
      ['detect', image, '--min-score', ESCAPES],
      ['detect', image, '--output', `/proc/${ESCAPES}`],
      ['detect', `/nowhere/${ESCAPES}`],
      ['detect', `${folder}/*${ESCAPES}*.png`],
      ['refine', image, '--queries', `/nowhere/${ESCAPES}`],
      ['merge', `/nowhere/${ESCAPES}`, '--output', freshFolder()],
      ['models', 'verify', ESCAPES],
      ['models', 'list'],
    ];
    for (const args of lines) {
      const run = await vgr(args, { env: { VGR_MODELS_DIR: models } });
      if (args[1] !== 'list') expect({ args, code: run.code }).not.toMatchObject({ code: 0 });
      expectClean(run);
    }
  });
});

describe('ids and names of hostile queries', () => {
  const IDS = [
    '../../up',
    '/tmp/abs',
    '..',
    '.',
    'a/b',
    'CON',
    '-rf',
    ' ',
    '*',
    '$(touch x)',
    'q.jpg/../x',
    '\u0000',
    'é',
    'E\u0301',
    'a'.repeat(3000),
  ];

  it('stay in the folder of pictures, each with a file of its own', async () => {
    const folder = freshFolder();
    await drawPhoto(join(folder, 'a.jpg'));
    const root = freshFolder();
    const pictures = join(root, 'pictures');
    const queries = linesFile(IDS.map((id) => ({ id, image: 'a.jpg', query: 'the ball' })));
    const output = join(root, 'out');
    const flags = [...CPU, '--visualize', pictures, '--output', output];
    const run = await vgr(['refine', folder, '--queries', queries, ...flags]);
    expect(run.code).toBe(0);
    expectClean(run);
    expect(readdirSync(pictures)).toHaveLength(IDS.length);
    expect(readdirSync(root).sort()).toEqual(['out', 'pictures']);
    expect(readdirSync(folder)).toEqual(['a.jpg']);
    const dataset = JSON.parse(readFileSync(join(output, 'annotations.json'), 'utf8'));
    for (const { query_id } of dataset.annotations) expect(IDS).toContain(query_id);
  });

  it('never overwrite the photos that they are about', async () => {
    const folder = freshFolder();
    await drawPhoto(join(folder, 'a.jpg'));
    const before = readFileSync(join(folder, 'a.jpg'));
    const queries = linesFile([{ id: 'a', image: 'a.jpg', query: 'the ball' }]);
    for (const pictures of [folder, join(folder, '.'), join(folder, 'no', '..')]) {
      const run = await vgr([
        'refine',
        folder,
        '--queries',
        queries,
        ...CPU,
        '--visualize',
        pictures,
      ]);
      expect(run.code).toBe(2);
      expect(run.stderr).toContain('--visualize');
      expectClean(run);
    }
    expect(readFileSync(join(folder, 'a.jpg')).equals(before)).toBe(true);
  });

  it('reach no shell and no other folder', async () => {
    const folder = freshFolder();
    await drawPhoto(join(folder, 'a.jpg'));
    const images = [
      '$(touch pwned)',
      '`touch pwned`',
      '; touch pwned',
      '| touch pwned',
      '-o',
      '~root/x',
      'file:///etc/passwd',
      'http://localhost/x.jpg',
    ];
    const queries = linesFile(images.map((image) => ({ image, query: image })));
    const run = await vgr(['refine', folder, '--queries', queries, ...CPU], { cwd: folder });
    expect(run.code).toBe(1);
    expect(jsonLines(run.stdout).map(({ code }) => code)).toEqual(
      images.map(() => 'IMAGE_MISSING'),
    );
    expect(shell('ls -A "$1"', folder).stdout).toBe('a.jpg\n');
    expectClean(run);
  });
});

it('secrets of the environment reach neither outputs nor messages', async () => {
  const folder = freshFolder();
  await drawPhoto(join(folder, 'a.jpg'));
  writeFileSync(join(folder, 'b.jpg'), 'no photo');
  const secret = 'sk-0123456789abcdef';
  const names = ['VGR_API_KEY', 'OPENAI_API_KEY', 'AWS_SECRET_ACCESS_KEY', 'VGR_VLM_API_KEY'];
  const env = Object.fromEntries(names.map((name) => [name, secret]));
  const output = freshFolder();
  for (const args of [
    ['detect', folder, '--output', output],
    ['detect', folder, '--nonsense'],
    ['detect', '/nowhere'],
  ]) {
    const run = await vgr([...args, '--format', 'jsonl', ...CPU], { env });
    expect(run.stdout + run.stderr).not.toContain(secret);
  }
  for (const name of readdirSync(output)) {
    expect(readFileSync(join(output, name), 'utf8')).not.toContain(secret);
  }
});
