// Makes the models and expected numbers of fixtures/reference anew with the reference implementations, in Python, compares them
// with the committed ones, and runs the tests of test/reference on those that were made.
//   npm run reference              all families
//   npm run reference -- NAME..    some: the names of the modules in scripts/reference
//   npm run reference -- --write   puts what was made in the place of the committed files
// Packages are installed once, to the folder that VGR_REFERENCE_VENV names, by default vgr/reference in the user's cache. Exits with
// 77 where they cannot be installed.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './steps.mjs';

const COMMITTED = join(ROOT, 'fixtures/reference');
const SCRIPTS = join(ROOT, 'scripts/reference');
const CANNOT_INSTALL = 77;
/** Numbers of two machines: sums are added up in another order there. */
const TOLERANCE = 1e-4;
/** For all packages, milliseconds. */
const INSTALL_MS = 240_000;

const words = process.argv.slice(2);
const isWriting = words.includes('--write');
const families = words.filter((word) => !word.startsWith('--'));

const made = mkdtempSync(join(tmpdir(), 'vgr-reference-'));
try {
  process.exitCode = main();
} finally {
  rmSync(made, { recursive: true, force: true });
}

function main() {
  const python = installed();
  if (python === undefined) return CANNOT_INSTALL;
  const making = run(python, [join(SCRIPTS, 'make.py'), made, ...families]);
  if (making !== 0) return 1;
  if (isWriting) {
    mkdirSync(COMMITTED, { recursive: true });
    for (const name of expected()) {
      rmSync(join(COMMITTED, name), { recursive: true, force: true });
      cpSync(join(made, name), join(COMMITTED, name), { recursive: true });
    }
  }
  const wrong = expected().flatMap(differences);
  for (const text of wrong) console.error(text);
  // Of families that were not made the committed models are tried again.
  cpSync(COMMITTED, made, { recursive: true, force: false });
  const env = { ...process.env, REFERENCE_MODELS: made };
  const tests = run('npx', ['vitest', 'run', '--project', 'unit', 'test/reference'], env);
  if (wrong.length > 0) console.error('`npm run reference -- --write` takes what was made');
  return wrong.length === 0 && tests === 0 ? 0 : 1;
}

/** Models with expected numbers; the others are made for the tests that follow alone. */
function expected() {
  return readdirSync(made).filter((name) => existsSync(join(made, name, 'golden.json')));
}

function run(program, args, env = process.env) {
  return spawnSync(program, args, { cwd: ROOT, env, stdio: 'inherit' }).status ?? 1;
}

/** The interpreter that has the packages; undefined where they cannot be had. */
function installed() {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const folder = process.env.VGR_REFERENCE_VENV || join(cache, 'vgr/reference');
  const python = join(folder, 'bin/python');
  const wanted = readFileSync(join(SCRIPTS, 'requirements.txt'), 'utf8');
  const stamp = join(folder, 'requirements.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  const steps = [
    ['python3', ['-m', 'venv', folder]],
    [python, ['-m', 'pip', 'install', '-q', '-r', join(SCRIPTS, 'requirements.txt')]],
  ];
  for (const [program, args] of steps) {
    const { status } = spawnSync(program, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: INSTALL_MS,
    });
    if (status === 0) continue;
    console.error(`the packages of ${join(SCRIPTS, 'requirements.txt')} cannot be installed here`);
    return undefined;
  }
  writeFileSync(stamp, wanted);
  return python;
}

/** In what the expected numbers of a model that was made differ from the committed ones. */
function differences(name) {
  const [ours, theirs] = [COMMITTED, made].map((folder) => join(folder, name, 'golden.json'));
  if (!existsSync(ours)) return [`${name}: not in fixtures/reference`];
  const [before, now] = [ours, theirs].map((path) => JSON.parse(readFileSync(path, 'utf8')));
  return apart(before, now, name);
}

function apart(before, now, where) {
  if (typeof before === 'number' && typeof now === 'number') {
    return Math.abs(before - now) <= TOLERANCE * Math.max(1, Math.abs(before))
      ? []
      : [`${where}: ${before} before, ${now} now`];
  }
  if (before?.type === 'float32' && now?.type === 'float32') return packedApart(before, now, where);
  if (typeof before !== 'object' || typeof now !== 'object' || before === null || now === null) {
    return before === now ? [] : [`${where}: changed`];
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...keys].flatMap((key) => apart(before[key], now[key], `${where}.${key}`));
}

function packedApart(before, now, where) {
  const [a, b] = [before, now].map(
    ({ data }) => new Float32Array(Uint8Array.from(Buffer.from(data, 'base64')).buffer),
  );
  const most = a.reduce((far, value, at) => Math.max(far, Math.abs(value - b[at])), 0);
  return a.length === b.length && most <= TOLERANCE ? [] : [`${where}: numbers differ by ${most}`];
}
