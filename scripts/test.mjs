// npm test: builds, checks types, format, lint and import arrows, dead code, then runs all tests.
import { BIOME, KNIP, step, TSC, together, VITEST } from './steps.mjs';

step('scripts/build.mjs');
await together([TSC, '-p', 'tsconfig.check.json'], [BIOME, 'ci', '.'], [KNIP]);
step(VITEST, 'run');
