import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { comesTrue, expectClean, journalOf, shell, summaryOf } from '../support/faults.js';
import { drawPhoto, freshFolder, jsonLines, photoFolder, startVgr, vgr } from '../support/vgr.js';

const CPU = ['--device', 'cpu', '--no-timing'];

describe.runIf(process.platform !== 'win32')('photos that change during the run', () => {
  it('become error records, or are taken as they are when their turn comes', async () => {
    const folder = await photoFolder(8);
    const photo = (index: number): string => join(folder, `photo-0${index}.jpg`);
    const run = startVgr(['refine', folder, '--queries', '-', ...CPU]);
    let stdout = '';
    run.child.stdout.on('data', (text: string) => {
      stdout += text;
    });
    const ask = (index: number, id = `q${index}`): boolean =>
      run.child.stdin.write(
        `${JSON.stringify({ id, image: `photo-0${index}.jpg`, query: 'the ball' })}\n`,
      );
    ask(0);
    expect(await comesTrue(() => stdout.includes('"q0"'))).toBe(true);
    // From here on the run is at work.
    rmSync(photo(1));
    writeFileSync(photo(2), readFileSync(photo(2)).subarray(0, 500));
    rmSync(photo(3));
    mkdirSync(photo(3));
    rmSync(photo(4));
    shell('mkfifo "$1"', photo(4));
    rmSync(photo(5));
    symlinkSync('/etc/hostname', photo(5));
    await drawPhoto(join(folder, 'other'), 5);
    renameSync(join(folder, 'other'), photo(6));
    writeFileSync(photo(7), '');
    for (let index = 1; index < 8; index++) ask(index);
    // A photo that was read before is not read again for a query near it.
    rmSync(photo(0));
    run.child.stdin.end();
    const outcome = await run.outcome;
    expect(outcome.code).toBe(1);
    expect(jsonLines(outcome.stdout).map(({ id, type, code }) => [id, code ?? type])).toEqual([
      ['q0', 'result'],
      ['q1', 'IMAGE_MISSING'],
      ['q2', 'IMAGE_UNREADABLE'],
      ['q3', 'IMAGE_UNSUPPORTED'],
      ['q4', 'IMAGE_UNSUPPORTED'],
      ['q5', 'IMAGE_OUTSIDE'],
      ['q6', 'result'],
      ['q7', 'IMAGE_UNSUPPORTED'],
    ]);
    expectClean(outcome);
  });

  it('may vanish under a listing, folder and all: the run ends and can be continued', async () => {
    const folder = freshFolder();
    const photos = await photoFolder(1);
    for (const name of ['a', 'b']) {
      mkdirSync(join(folder, name));
      // So many are still to come that the test cannot be late, however busy the machine is.
      for (let index = 0; index < (name === 'a' ? 10 : 1500); index++) {
        linkSync(join(photos, 'photo-00.jpg'), join(folder, name, `${index}.jpg`));
      }
    }
    const run = await vgr(['detect', folder, ...CPU], {
      onStart: (child) =>
        child.stdout!.once('data', () => rmSync(join(folder, 'b'), { recursive: true })),
    });
    const lines = jsonLines(run.stdout);
    expect(lines.slice(0, 10).every(({ type }) => type === 'detections')).toBe(true);
    // While the folder is being removed, photos are missing beside others that are there.
    for (const { type, code } of lines.slice(10)) {
      if (type === 'error') expect(code).toBe('IMAGE_MISSING');
    }
    expect([run.code, run.stderr]).toEqual([3, expect.stringContaining('cannot be reached')]);
    expectClean(run);
  });
});

describe('standard input', () => {
  it('that ends in half a line gives that line an error record', async () => {
    const stdin = '{"id":"a","query":"x","tools":{"t":[{"bbox_2d":[1,1,9,9]}]}}\n{"id":"b","que';
    const run = await vgr(['refine', '--queries', '-'], { stdin });
    expect(run.code).toBe(1);
    expect(jsonLines(run.stdout)).toMatchObject([
      { type: 'result', id: 'a' },
      { type: 'error', line: 2, code: 'QUERY_INVALID' },
    ]);
    expectClean(run);
  });

  it('that sends 100 MB without a line end costs no memory, and the next line is read', async () => {
    const peakOf = async (megabytes: number): Promise<number> => {
      const output = freshFolder();
      const { child, outcome } = startVgr(['refine', '--queries', '-', '--output', output]);
      const block = Buffer.alloc(1024 * 1024, 'x');
      for (let count = 0; count < megabytes; count++) {
        if (!child.stdin.write(block)) {
          await new Promise((resolve) => child.stdin.once('drain', resolve));
        }
      }
      child.stdin.end('\n{"id":"a","query":"x","tools":{"t":[{"bbox_2d":[1,1,9,9]}]}}\n');
      expect((await outcome).code).toBe(1);
      expect(journalOf(output)).toMatchObject([
        { type: 'error', line: 1 },
        { type: 'result', id: 'a' },
      ]);
      if (megabytes > 16) expect(journalOf(output)).toMatchObject([{ code: 'LINE_TOO_LONG' }, {}]);
      return summaryOf(output).peak_memory_bytes as number;
    };
    // The longest line that is read is 16 MB; it is there in parts, whole, and as text.
    expect(await peakOf(100)).toBeLessThan((await peakOf(1)) + 100e6);
  });

  it('may hold a line whose echo is longer than the longest line that is read', async () => {
    const text = '\u007f'.repeat(3_000_000);
    const line = `{"id":"a","query":"x","note":"${text}","tools":{"t":[{"bbox_2d":[1,1,9,9]}]}}\n`;
    const output = freshFolder();
    const args = ['refine', '--queries', '-', '--output', output];
    const stdin = line + line.replace('"a"', '"b"');
    expect((await vgr(args, { stdin: line })).code).toBe(0);
    expect((await vgr(args, { stdin })).stderr).toContain('1 query is done already');
    expect(
      journalOf(output).map(({ id, extra }) => [id, (extra as { note: string }).note === text]),
    ).toEqual([
      ['a', true],
      ['b', true],
    ]);
  });
});

describe('two runs on one output', () => {
  it('never both work: one is refused, the other is as if alone', async () => {
    const folder = await photoFolder(6);
    const args = ['detect', folder, ...CPU, '--output'];
    const whole = freshFolder();
    await vgr([...args, whole]);
    for (let round = 0; round < 3; round++) {
      const output = freshFolder();
      const runs = await Promise.all([vgr([...args, output]), vgr([...args, output])]);
      const refused = runs.filter(({ code }) => code === 3);
      // Where one had ended before the other began, that one finds nothing left to do.
      expect(runs.map(({ code }) => code).filter((code) => code !== 3)).toContain(0);
      for (const { stderr } of refused) expect(stderr).toContain('is writing to');
      for (const name of readdirSync(whole)) {
        if (name === 'run.json') continue;
        const read = (from: string): string => readFileSync(join(from, name), 'utf8');
        expect(read(output)).toBe(read(whole));
      }
      expect(readdirSync(output).sort()).toEqual(readdirSync(whole).sort());
    }
  });
});
