import { expect, it } from 'vitest';
import { vgr } from '../support/vgr.js';

it.each([
  ['refine --querys q.jsonl', 'no such flag: --querys', 'did you mean `--queries`?'],
  ['refine --out o --queries q.jsonl', '--out', 'did you mean `--output`?'],
  ['refine --queries q.jsonl --encoder x', '--encoder', 'belongs to `vgr train-lite`; the card'],
  ['eval --sessions 2', '--sessions', 'belongs to `vgr detect`, `vgr refine`, `vgr train-lite`;'],
  ['refine images', 'error: expected `--queries`, got nothing', 'vgr refine --help'],
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
  ['merge', 'expected FOLDERS (output folders of all shards), got nothing', ''],
  ['refine --zzzzqq', '--zzzzqq', 'hint: `vgr refine --help` lists flags and examples'],
  ['refin', 'expected a command, got `refin`', 'did you mean `vgr refine`?'],
  ['models lst', 'expected a command, got `models lst`', 'did you mean `vgr models list`?'],
  ['xyz', 'expected a command, got `xyz`', 'hint: `vgr --help` lists the commands'],
  ['help refin', 'expected a command, got `refin`', 'did you mean `vgr refine`?'],
  ['help models lst', 'expected a command, got `models lst`', 'did you mean `vgr models list`?'],
])('vgr %s is told what was most likely meant', async (line, message, hint) => {
  const { code, stdout, stderr } = await vgr(line.split(' '));
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^error: /);
  expect(stderr).toContain(message);
  expect(stderr).toContain(hint);
});

it('vgr refine --help lists the fields of a line, as its hints say', async () => {
  const { stdout } = await vgr(['refine', '--help']);
  const fields = stdout.slice(stdout.indexOf('Fields of a line'));
  for (const name of ['query', 'image', 'id', 'tools', 'width', 'height', 'bbox', 'extra']) {
    expect(fields).toContain(`\`${name}\``);
  }
});
