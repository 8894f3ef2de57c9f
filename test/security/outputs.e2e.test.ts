import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { shell } from '../support/faults.js';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';

/** A start file of a shell, without a last line feed. */
const PRECIOUS = 'export PATH=$HOME/bin:$PATH\nalias ls="ls --color"';

let photos: string;
let queries: string;

beforeAll(async () => {
  photos = await photoFolder(2);
  queries = join(freshFolder(), 'q.jsonl');
  const line = {
    id: '$(touch owned)',
    image: 'photo-00.jpg',
    query: 'the ball',
    bbox: [0, 0, 9, 9],
  };
  writeFileSync(queries, `${JSON.stringify(line)}\n`);
});

const refine = (argv: readonly string[], env = {}) =>
  vgr(['refine', photos, '--queries', queries, '--device', 'cpu', '--no-timing', ...argv], { env });

/** A file that must stay as it is. */
function precious(folder = freshFolder(), name = 'profile'): string {
  writeFileSync(join(folder, name), PRECIOUS);
  return join(folder, name);
}

const isUntouched = (file: string): void => expect(readFileSync(file, 'utf8')).toBe(PRECIOUS);

describe.runIf(process.platform !== 'win32')('an output folder of a stranger', () => {
  it.each(['soft', 'hard'])('appends nothing behind a %s link', async (kind) => {
    const target = precious();
    const out = freshFolder();
    if (kind === 'soft') symlinkSync(target, join(out, 'results.jsonl'));
    else linkSync(target, join(out, 'results.jsonl'));
    const run = await refine(['--output', out]);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('results.jsonl');
    isUntouched(target);
  });

  it('is not continued through a link, even where run.json says that it is a run', async () => {
    const whole = freshFolder();
    expect((await refine(['--output', whole])).code).toBe(0);
    const out = freshFolder();
    writeFileSync(join(out, 'run.json'), readFileSync(join(whole, 'run.json')));
    const target = precious();
    symlinkSync(target, join(out, 'results.jsonl'));
    const run = await refine(['--output', out]);
    expect(run.code).toBe(3);
    isUntouched(target);
  });

  it('replaces links, and not the files behind them', async () => {
    const target = precious();
    const out = freshFolder();
    for (const name of ['run.json', 'predictions.json', 'annotations.json']) {
      symlinkSync(target, join(out, name));
    }
    expect((await refine(['--output', out])).code).toBe(0);
    isUntouched(target);
  });

  it('writes no lock through a link', async () => {
    const target = precious();
    const out = freshFolder();
    for (const name of ['.vgr.lock', '.vgr.lock.draft-1', '.vgr.lock.takeover']) {
      symlinkSync(target, join(out, name));
    }
    await refine(['--output', out]);
    isUntouched(target);
  });

  it.each([[PRECIOUS], ['{"type":"result","schema":1}\n'], ['{"mine": 1}\n{"mine": 2}']])(
    'leaves results.jsonl alone that no run has written: %j',
    async (content) => {
      const out = freshFolder();
      writeFileSync(join(out, 'results.jsonl'), content);
      const run = await refine(['--output', out]);
      expect(run.code).toBe(2);
      expect(run.stderr).toContain('run.json');
      expect(readFileSync(join(out, 'results.jsonl'), 'utf8')).toBe(content);
      expect(readdirSync(out)).toEqual(['results.jsonl']);
    },
  );

  it.each(['results.jsonl', 'run.json', '.vgr.lock', 'predictions.json'])(
    'does not wait for a pipe named %s',
    async (name) => {
      const out = freshFolder();
      shell('mkfifo "$1"', join(out, name));
      const run = await refine(['--output', out]);
      expect(run.signal).toBeNull();
      expect([0, 3]).toContain(run.code);
    },
  );

  it('is not written to behind a link of another user; the user’s own above it are followed', async () => {
    const base = freshFolder();
    const target = freshFolder();
    symlinkSync(target, join(base, 'link'));
    const flags = ['--output', join(base, 'link', 'out')];
    expect((await refine([...flags, '--visualize', join(base, 'link', 'drawn')])).code).toBe(0);
    expect(readdirSync(target).sort()).toEqual(['drawn', 'out']);
    if (process.getuid?.() !== 0) return;
    lchownSync(join(base, 'link'), 12_345, 12_345);
    for (const flag of ['--output', '--visualize']) {
      const run = await refine([flag, join(base, 'link', 'other')]);
      expect(run.code).toBe(3);
      expect(run.stderr).toContain('got a link of another user to');
    }
    expect(readdirSync(target).sort()).toEqual(['drawn', 'out']);
  });

  it('is told where others may write to it', async () => {
    const out = freshFolder();
    chmodSync(out, 0o777);
    const run = await refine(['--output', out]);
    expect(run.code).toBe(0);
    expect(run.stderr).toContain(`warning: everyone may write to \`${out}\``);
    const inner = join(out, 'inner');
    const second = await refine(['--output', inner]);
    expect(second.stderr).toContain(`warning: everyone may replace \`${inner}\`, since`);
  });
});

describe.runIf(process.platform !== 'win32')('tables and reports', () => {
  const flags = ['csv', 'markdown', 'report'];
  let results: string;

  beforeAll(async () => {
    results = join(freshFolder(), 'results.jsonl');
    writeFileSync(results, (await refine([])).stdout);
  });

  const evaluate = (argv: readonly string[]) =>
    vgr(['eval', photos, '--queries', queries, '--results', results, ...argv]);

  /** `--csv FILE --markdown FILE --report FILE` */
  const written = (files: readonly string[]): string[] =>
    files.flatMap((file, at) => [`--${flags[at]}`, file]);

  it('replace no file of the user, unless --force says so', async () => {
    for (const flag of flags) {
      const file = precious();
      const run = await evaluate([`--${flag}`, file]);
      expect(run.code).toBe(3);
      expect(run.stderr).toContain('--force');
      isUntouched(file);
    }
    const files = flags.map(() => precious());
    expect((await evaluate([...written(files), '--force'])).code).toBe(0);
    for (const file of files) expect(readFileSync(file, 'utf8')).not.toBe(PRECIOUS);
  });

  it('replace those of an earlier run', async () => {
    const folder = freshFolder();
    const files = flags.map((flag) => join(folder, flag));
    expect((await evaluate(written(files))).code).toBe(0);
    const first = files.map((file) => readFileSync(file, 'utf8'));
    expect((await evaluate(written(files))).code).toBe(0);
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(first);
  });

  it.each(flags)('follow no link: --%s', async (flag) => {
    const target = precious();
    const link = join(freshFolder(), 'link');
    symlinkSync(target, link);
    const run = await evaluate([`--${flag}`, link]);
    expect(run.code).toBe(3);
    isUntouched(target);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });
});

describe.runIf(process.platform !== 'win32')('pictures', () => {
  it('replace neither the file behind a link nor a photo of the user', async () => {
    const pictures = freshFolder();
    expect((await refine(['--visualize', pictures])).code).toBe(0);
    const [name] = readdirSync(pictures).filter((each) => /\.(jpg|png)$/.test(each));
    const other = freshFolder();
    const target = precious();
    symlinkSync(target, join(other, name!));
    await refine(['--visualize', other]);
    isUntouched(target);
    const third = freshFolder();
    precious(third, name);
    const run = await refine(['--visualize', third]);
    isUntouched(join(third, name!));
    expect(run.code).toBe(3);
    // What a run has drawn itself, the next one draws again.
    expect((await refine(['--visualize', pictures])).code).toBe(0);
  });
});

describe.runIf(process.platform !== 'win32')('files that are made', () => {
  it('follow the umask; what is private is for the user alone', async () => {
    const out = join(freshFolder(), 'out');
    const cache = freshFolder();
    const outcome = shell(
      `umask 027; XDG_CACHE_HOME='${cache}' "$1" bin/run.js refine "$2" --queries "$3" --device cpu --output "$4"`,
      process.execPath,
      photos,
      queries,
      out,
    );
    expect(outcome.status).toBe(0);
    for (const name of readdirSync(out)) {
      expect(statSync(join(out, name)).mode & 0o777, name).toBe(0o640);
    }
    expect(statSync(out).mode & 0o777).toBe(0o750);
    expect(existsSync(join(out, '.vgr.lock'))).toBe(false);
    mkdirSync(join(out, 'unused'));
  });
});
