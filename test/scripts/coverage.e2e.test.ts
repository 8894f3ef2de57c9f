import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('a default `vgr refine` takes the way that the architecture page tells, with few modules', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/coverage.mjs'], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^\d+ modules loaded .*, \d+ of them run /);
  expect(status).toBe(0);
});
