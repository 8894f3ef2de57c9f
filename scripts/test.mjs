// npm test: builds, checks types, format, lint, dead code and the arrows between rooms, then runs the tests.
// npm run test:full: what takes longer: 30 kills, full disks, long fuzzing, Slurm, a browser, the original of the embedded
// detector, and the tests that read ../shared where it is there.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIOME, KNIP, ROOT, step, TSC, together, VITEST } from './steps.mjs';

step('scripts/build.mjs');
if (process.argv.includes('--full')) {
  process.env.TEST_FULL = '1';
  step(VITEST, 'run', ...fullTests());
} else {
  await together(
    [TSC, '-p', 'tsconfig.check.json'],
    [BIOME, 'ci', '.'],
    [KNIP],
    ['scripts/rooms.mjs', '--check'],
  );
  step(VITEST, 'run', '--project', 'unit', '--project', 'e2e');
}

/** Files of tests that `npm test` leaves out, or runs at a smaller size, or without ../shared. */
function fullTests() {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', name));
  return files.filter((file) => {
    if (file.endsWith('.full.test.ts')) return true;
    return /IS_FULL|\.\.\/shared\//.test(readFileSync(join(ROOT, file), 'utf8'));
  });
}
