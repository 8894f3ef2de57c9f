import { Config } from '@oclif/core';
import { expect, it } from 'vitest';
import { vgr } from '../support/vgr.js';

it.each([
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
  const fields = stdout.slice(stdout.indexOf('Fields: '));
  for (const name of ['query', 'image', 'id', 'tools', 'width', 'height', 'bbox', 'boxes']) {
    expect(fields).toContain(`\`${name}\``);
  }
});

it.each(['--version', '-v'])('vgr %s says what oclif would say', async (flag) => {
  const { userAgent } = await Config.load(process.cwd());
  expect(await vgr([flag])).toMatchObject({ code: 0, stdout: `${userAgent}\n`, stderr: '' });
});
