import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { canReplaceCalls, journalOf, outputBytes, replacingCalls } from '../support/faults.js';
import { freshFolder, vgr } from '../support/vgr.js';

const QUERY = `${JSON.stringify({ query: 'the cat', tools: { t: [{ bbox_2d: [1, 2, 30, 40] }] } })}\n`;
const ANSWERED = ['refine', '--queries', '-', '--no-timing', '--sessions', '1'];

/** A user that the system does not know, as a container gets from `runAsUser`. */
const NOBODY = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups'];
const reading = [...NOBODY.slice(1), 'test', '-r', resolve('bin', 'run.js')];
const canBeNobody = spawnSync(NOBODY[0]!, reading).status === 0;
if (!canBeNobody) {
  console.log(
    'skipped: a user without an entry, which only root may become, and who must be able to read the program',
  );
}

it.runIf(canBeNobody).each([
  ['no home and no shell', []],
  ['a home that is no absolute path', ['HOME=home']],
  ['the home of another user', ['HOME=/root', 'SHELL=/bin/none']],
])('runs as a user without an entry, with %s', async (_, variables) => {
  // Other users cannot enter the folder of the other tests.
  const cwd = mkdtempSync('/tmp/vgr-nobody-');
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  chmodSync(cwd, 0o777);
  const args = [...ANSWERED, '--output', join(cwd, 'out')];
  const under = ['env', '-i', `PATH=${process.env.PATH}`, ...variables, ...NOBODY];
  const run = await vgr(args, { under, cwd, stdin: QUERY });
  expect([run.code, run.stderr]).toEqual([0, expect.stringMatching(/^1 query, /m)]);
  expect(readdirSync(cwd)).toEqual(['out']);
});

it('ends with 3 where a part of the program is missing, and with 2 for a wrong word', () => {
  const folder = freshFolder();
  const start = (...args: readonly string[]) =>
    spawnSync(process.execPath, [join(folder, 'bin', 'run.js'), ...args], { encoding: 'utf8' });
  cpSync('bin', join(folder, 'bin'), { recursive: true });
  cpSync('package.json', join(folder, 'package.json'));
  cpSync('oclif.manifest.json', join(folder, 'oclif.manifest.json'));
  const bare = start('detect', 'x');
  expect([bare.status, bare.stderr]).toEqual([
    3,
    expect.stringContaining("Cannot find package '@oclif/core'"),
  ]);
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  expect(start('detect', 'x').status).toBe(3);
  symlinkSync(resolve('dist'), join(folder, 'dist'));
  expect(start('detct', 'x').status).toBe(2);
  rmSync(join(folder, 'dist'));
  expect(start('detect', 'x').status).toBe(3);
  writeFileSync(join(folder, 'package.json'), '{');
  expect(start('--version').status).toBe(3);
});

describe.runIf(canReplaceCalls())('a file system', () => {
  /** Calls that fail in every way in which the C library knows them. */
  const refusing = (code: string, calls: readonly string[]): string =>
    calls.map((call) => `int ${call} { errno = ${code}; return -1; }\n`).join('');
  const SYNC = ['fsync(int fd)', 'fdatasync(int fd)'];
  const RENAME = ['rename(const char *a, const char *b)'];
  const LINK = ['link(const char *a, const char *b)'];

  it.each([
    ['fsync and link', refusing('EINVAL', SYNC) + refusing('EPERM', LINK)],
    ['all of them', refusing('ENOSYS', [...SYNC, ...RENAME, ...LINK])],
  ])('that does without %s holds the same outputs, and they are continued', async (_, code) => {
    const env = replacingCalls(code);
    const folder = freshFolder();
    const [odd, usual] = [join(folder, 'odd'), join(folder, 'usual')];
    const bad = '{"query": ""}\n';
    const first = await vgr([...ANSWERED, '--output', odd], { env, stdin: QUERY + bad });
    expect([first.code, first.stderr]).toEqual([1, expect.stringContaining('1 failed')]);
    // The line of the retry takes the place of the error, for which the journal is written again.
    const again = await vgr([...ANSWERED, '--output', odd], { env, stdin: QUERY + QUERY });
    expect(again.code).toBe(0);
    expect((await vgr([...ANSWERED, '--output', usual], { stdin: QUERY + QUERY })).code).toBe(0);
    expect(outputBytes(odd)).toEqual(outputBytes(usual));
    expect(journalOf(odd).length).toBe(2);
  });

  it.each([
    ['fsync', refusing('EIO', SYNC)],
    ['rename', refusing('EIO', RENAME)],
  ])('whose disk fails in %s ends the run with 3', async (_, code) => {
    const run = await vgr([...ANSWERED, '--output', join(freshFolder(), 'out')], {
      env: replacingCalls(code),
      stdin: QUERY,
    });
    expect([run.code, run.stderr]).toEqual([3, expect.stringContaining('cannot write')]);
  });
});
