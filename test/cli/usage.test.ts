import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { vgrHere } from '../support/in-process.js';
import { freshFolder } from '../support/vgr.js';

it.each([
  ['refine --querie q.jsonl', 'no such flag: --querie', 'did you mean `--quer'],
  ['refine --out o --queries q.jsonl', '--out', 'did you mean `--output`?'],
  ['refine --queries q.jsonl --encoder x', '--encoder', 'belongs to `vgr train-lite`; the card'],
  ['eval --sessions 2', '--sessions', 'belongs to `vgr detect`, `vgr refine`, `vgr train-lite`;'],
  [
    'refine images',
    'error: expected `--query TEXT` or `--queries FILE`, got neither',
    'vgr refine images --query "the left dog"',
  ],
  ['refine --query x', 'expected photos to look at', 'vgr refine dog.jpg --query "x"'],
  ['refine a --query x --photos l', 'expected a list of photos or IMAGES, got both', ''],
  ['refine - --queries q', 'a list of photos goes with `--query`', ''],
  ['detect', 'expected IMAGES (folders, globs or photos), got nothing', 'vgr detect -'],
  [
    'detect images --threads 0',
    '--threads: expected an integer greater than or equal to 1, got `0`',
    '',
  ],
  ['detect images --sessions two', '--sessions: expected an integer, got `two`', ''],
  ['detect images --format xml', '--format: expected one of jsonl, json, human, got `xml`', ''],
  [
    'train-lite --queries q --output o --lr -1',
    '--lr: expected a number of at least 0, got `-1`',
    '',
  ],
  ['train-lite --queries q --output o --kl Infinity', '--kl: expected a number of at least 0', ''],
  [
    'train-lite --queries q --output o --val-share 0.9',
    '--val-share: expected a number from 0 to 0.5, got `0.9`',
    '',
  ],
  [
    'refine images --queries q.jsonl --min-confidence 2',
    '--min-confidence: expected a number from 0 to 1, got `2`',
    '',
  ],
  ['detect images --tune --sessions 1', '--sessions', ''],
  ['detect x --device=gpu', '--device', ''],
  ['detect x --detector a --detector b', '--detector: expected one, got `a`, `b`', 'for each'],
  ['detect x --detector none', '--detector: expected one, got `none`', ''],
  ['detect x --device=cuda:x', '--device', ''],
  ['detect x --device=', '--device', ''],
  ['merge', 'expected FOLDERS (output folders of all shards), got nothing', ''],
  ['refine --zzzzqq', '--zzzzqq', 'hint: `vgr refine --help` lists flags and examples'],
])('vgr %s is told what was most likely meant', async (line, message, hint) => {
  const { code, stdout, stderr } = await vgrHere(line.split(' '));
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^error: /);
  expect(stderr).toContain(message);
  expect(stderr).toContain(hint);
});

it('lists flags for a usage error, and exits with 2', async () => {
  const { code, stderr } = await vgrHere(['detect', 'x', '--foo']);
  expect(code).toBe(2);
  expect(stderr).toBe(
    'error: no such flag: --foo\n\nhint: `vgr detect --help` lists flags and examples\n',
  );
});

it('a configuration file is held to the rules of the command line', async () => {
  const file = join(freshFolder(), 'vgr.config.json');
  writeFileSync(file, '{"limit": "many"}');
  const wrong = await vgrHere(['detect', 'x', '--config', file]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('many');
  writeFileSync(file, '{"devise": "cpu"}');
  const slip = await vgrHere(['detect', 'x', '--config', file]);
  expect(slip.code).toBe(2);
  expect(slip.stderr).toContain('expected the name of a flag, got `devise`');
  expect(slip.stderr).toContain('did you mean `device`?');
  const missing = await vgrHere(['detect', 'x'], { VGR_CONFIG: `${file}.no` });
  expect(missing).toMatchObject({ code: 2, stdout: '' });
  expect(missing.stderr).toContain('--config: no file');
});

it('a flag from the environment is held to the rules of the command line', async () => {
  const { code, stderr } = await vgrHere(['detect', 'x'], { VGR_SESSIONS: 'two' });
  expect(code).toBe(2);
  expect(stderr).toContain('--sessions: expected an integer, got `two`');
});
