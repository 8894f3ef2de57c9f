// npm test: builds, checks types, format, lint and import arrows, dead code, then runs all tests.
import { BIOME, KNIP, step, TSC, VITEST } from './steps.mjs';

step('scripts/build.mjs');
step(TSC, '-p', 'tsconfig.check.json');
step(BIOME, 'ci', '.');
step(KNIP);
step(VITEST, 'run');
