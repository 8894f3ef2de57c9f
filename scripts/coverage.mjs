// What a default `vgr refine` loads and runs of the program's own modules, and whether it takes the way that
// docs/development/architecture.md tells for a query. Needs a build; `npm test` runs it.
//   node scripts/coverage.mjs           prints the counts; fails above the limits, or where no function of a file of the way is run
//   node scripts/coverage.mjs --files   names the modules too
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './steps.mjs';

const LIMITS = { loaded: 110, run: 84, way: 25 };

const modules = measured([
  ...['refine', 'fixtures/images', '--queries', 'fixtures/queries.jsonl'],
  ...['--format', 'jsonl', '--device', 'cpu', '--no-progress'],
]);
const run = [...modules.values()].filter(Boolean).length;
console.log(
  `${modules.size} modules loaded (at most ${LIMITS.loaded}), ${run} of them run (at most ${LIMITS.run})`,
);
if (process.argv.includes('--files')) {
  for (const [file, isRun] of [...modules].sort()) console.log(`${isRun ? '*' : ' '} ${file}`);
}

const way = toldWay();
const errors = way.flatMap((file) => {
  if (!modules.has(file)) return `${file}: on the way of a query, but not loaded`;
  return modules.get(file)
    ? []
    : `${file}: on the way of a query, but none of its functions is run`;
});
if (modules.size > LIMITS.loaded || run > LIMITS.run) {
  errors.push('too many modules: import with `import()` what a default run does not need');
}
if (way.length === 0 || way.length > LIMITS.way) {
  errors.push(`expected 1 to ${LIMITS.way} files on the way, got ${way.length}`);
}
for (const error of errors) console.error(error);
process.exitCode = errors.length > 0 ? 1 : 0;

/** The program's own modules by their source, each with whether a function of it was run, in any thread. */
function measured(args) {
  const folder = mkdtempSync(join(tmpdir(), 'vgr-coverage-'));
  try {
    const { status, stderr } = spawnSync(process.execPath, ['bin/run.js', ...args], {
      cwd: ROOT,
      env: { ...process.env, NODE_V8_COVERAGE: folder },
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    if (status !== 0) throw new Error(`vgr ${args.join(' ')} ended with ${status}: ${stderr}`);
    const found = new Map();
    for (const name of readdirSync(folder)) {
      for (const { url, functions } of JSON.parse(readFileSync(join(folder, name), 'utf8'))
        .result) {
        if (!url.startsWith('file:')) continue;
        const path = relative(ROOT, fileURLToPath(url)).split(sep).join('/');
        if (!path.startsWith('dist/')) continue;
        const file = path.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
        // The module's own code has no name, and always runs.
        const isRun = functions.some(
          ({ functionName, ranges }) => functionName !== '' && ranges[0].count > 0,
        );
        found.set(file, isRun || found.get(file) === true);
      }
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The files of the section "One query's way", in order. */
function toldWay() {
  const page = readFileSync(join(ROOT, 'docs', 'development', 'architecture.md'), 'utf8');
  const section = /^## One query's way$(.*?)^## /ms.exec(page)?.[1] ?? '';
  return [...section.matchAll(/^\d+\. `(src\/[^`]+)`/gm)].map(([, file]) => file);
}
