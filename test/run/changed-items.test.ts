import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Query } from '../../src/formats/query-line.js';
import {
  digest,
  madeText,
  parseOutputLine,
  settingsDigest,
} from '../../src/formats/result-line.js';
import type { RunSummary } from '../../src/formats/run-summary.js';
import { readJournal } from '../../src/run/journal.js';
import { OutputFolder } from '../../src/run/output-folder.js';
import { photoComparison } from '../../src/run/photo-comparison.js';
import { type RunLine, written } from '../../src/runtime/ports.js';
import { shell } from '../support/faults.js';
import { freshFolder } from '../support/vgr.js';

const SETTINGS = { refiner: 'lite', shard: '1/1' };

function query(number: number, changes: Partial<Query> = {}): Query {
  return {
    id: `q${number}`,
    line: number,
    query: `the cat number ${number}`,
    imagePath: `${number}.jpg`,
    tools: [{ name: 't', boxes: [{ boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 4 }, score: 0.5 }] }],
    extra: {},
    ...changes,
  };
}

const PHOTO = { bytes: 1000, sha256: '0123456789abcdef' };

/** The line that answers a query. */
function answered(asked: Query): RunLine {
  const { id, imagePath: image, line: index } = asked;
  const box = { bbox_2d: null, score: 0, text: '' };
  const line = written({
    type: 'result',
    schema: 1,
    id,
    image,
    width: 1,
    height: 1,
    query: asked.query,
    tool: { name: 't', bbox_2d: null },
    think: box,
    answer: { ...box, decision: 'none' },
    candidates: 0,
  });
  const photo = image === undefined ? undefined : { image, path: `/${image}`, ...PHOTO };
  return made({ ...line, index, query: asked, photo });
}

/** The line as a run writes it. */
function made(line: RunLine): RunLine {
  const { query: asked = null, photo } = line;
  const source = { settings: settingsDigest(SETTINGS), query: asked, photo };
  return { ...line, json: madeText(line.json, source) };
}

function refused(asked: Query): RunLine {
  const { id, line } = asked;
  const code = 'IMAGE_MISSING';
  const error = { type: 'error', schema: 1, id, line, code, message: '' } as const;
  return made({ ...written(error), index: line, query: asked });
}

function badLine(line: number, id?: string): RunLine {
  const code = 'QUERY_INVALID';
  const error = { type: 'error', schema: 1, id, line, code, message: '' } as const;
  return made({ ...written(error), index: line });
}

function openAgain(folder: string, settings = SETTINGS, retryFailed = false) {
  return OutputFolder.open(folder, settings, { retryFailed, sharded: false, categories: [] });
}

/** An output folder with these lines, of a run that was cut off. */
async function folderOf(lines: readonly RunLine[]): Promise<string> {
  const folder = freshFolder();
  const output = await openAgain(folder);
  await output.writeSummary({ settings: SETTINGS } as unknown as RunSummary);
  for (const line of lines) await output.journal.append(line);
  await output.close();
  return folder;
}

function textsOf(folder: string): string[] {
  const lines = readFileSync(join(folder, 'results.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((text) => {
    const { type, id, query: words, code } = JSON.parse(text);
    return [type, id, words ?? code].join(' ');
  });
}

describe('a done item', () => {
  const base = query(1);
  const changes: readonly (readonly [string, Partial<Query>, boolean])[] = [
    ['the same line', {}, true],
    ['the same line elsewhere in the file', { line: 9 }, true],
    ['another expression', { query: 'the dog' }, false],
    ['another photo', { imagePath: '2.jpg' }, false],
    ['no photo', { imagePath: undefined }, false],
    ['another tool', { tools: [{ ...base.tools[0]!, name: 'u' }] }, false],
    [
      'another box',
      { tools: [{ name: 't', boxes: [{ boxXyxy: { x1: 1, y1: 2, x2: 3, y2: 5 } }] }] },
      false,
    ],
    ['a second tool', { tools: [...base.tools, { name: 'u', boxes: [] }] }, false],
    ['a stated size', { imageSize: { width: 9, height: 9 } }, false],
    ['another ground truth', { truthsXywh: [] }, true],
    ['other fields', { extra: { split: 'test' } }, true],
  ];

  it.each(changes)('is known again or not: %s', async (_, change, isSame) => {
    const output = await openAgain(await folderOf([answered(base)]));
    expect(output.journal.done.count).toBe(1);
    const same = await output.journal.done.hasQuery({ query: { ...base, ...change } });
    expect([same, output.journal.done.changed]).toEqual([isSame, isSame ? 0 : 1]);
    await output.close();
  });

  it('is not known where its photo has changed', async () => {
    const output = await openAgain(await folderOf([answered(base)]));
    const { done } = output.journal;
    const compared: unknown[] = [];
    const compare = (isSame: boolean) => async (image: string, was: object) => {
      compared.push([image, was]);
      return isSame;
    };
    expect(await done.hasQuery({ query: base }, compare(true))).toBe(true);
    expect(await done.hasQuery({ query: base }, compare(false))).toBe(false);
    expect(compared).toEqual(new Array(2).fill(['1.jpg', { bytes: 1000, sha256: '01234567' }]));
    expect([done.met, done.changed]).toEqual([2, 1]);
    await output.close();
  });

  it('gives its place to the new answer, however often the run is cut off', async () => {
    const folder = await folderOf([1, 2, 3].map((number) => answered(query(number))));
    const changed = query(2, { query: 'the dog' });
    let output = await openAgain(folder);
    expect(output.journal.done.hasQuery({ query: changed })).toBe(false);
    await output.journal.append(answered(changed));
    expect(output.journal.tally).toMatchObject({ items: 3, replacements: 1 });
    // Killed: nothing is put in its place.
    await output.close();
    output = await openAgain(folder);
    expect(await output.journal.done.hasQuery({ query: changed })).toBe(true);
    await output.journal.append(answered(query(4)));
    await output.finish();
    await output.close();
    expect(textsOf(folder)).toEqual([
      'result q1 the cat number 1',
      'result q2 the dog',
      'result q3 the cat number 3',
      'result q4 the cat number 4',
    ]);
  });

  it('is done again where its line was bad and is mended, or had failed and says something else', async () => {
    const folder = await folderOf([
      badLine(1),
      badLine(2, 'q2'),
      refused(query(3)),
      refused(query(4)),
    ]);
    const output = await openAgain(folder);
    const { done } = output.journal;
    const mended = [query(1), query(2), query(3, { imagePath: 'there.jpg' })];
    for (const each of mended) {
      expect(await done.hasQuery({ query: each })).toBe(false);
      await output.journal.append(answered(each));
    }
    // Only with --retry-failed.
    expect(await done.hasQuery({ query: query(4) })).toBe(true);
    await output.finish();
    expect(output.journal.tally).toMatchObject({ items: 4, errors: 1 });
    await output.close();
    expect(textsOf(folder)).toEqual([
      'result q1 the cat number 1',
      'result q2 the cat number 2',
      'result q3 the cat number 3',
      'error q4 IMAGE_MISSING',
    ]);
  });

  it('keeps its error where another line has come into its place', async () => {
    const folder = await folderOf([refused(query(1))]);
    const output = await openAgain(folder);
    // A line was put in front of it.
    await output.journal.append(answered(query(1, { id: 'new' })));
    expect(await output.journal.done.hasQuery({ query: query(1, { line: 2 }) })).toBe(true);
    await output.finish();
    await output.close();
    expect(textsOf(folder)).toEqual(['error q1 IMAGE_MISSING', 'result new the cat number 1']);
  });
});

describe('photoComparison', () => {
  const NOW = Date.now();
  const LATER = NOW + 3_600_000;

  function photo(content: string) {
    const path = join(freshFolder(), 'a.jpg');
    writeFileSync(path, content);
    return { path, was: { bytes: content.length, sha256: digest(content) } };
  }

  it.each([
    ['the same', (_: string) => undefined, true],
    ['touched', (path: string) => utimesSync(path, 1, 1), true],
    ['longer', (path: string) => writeFileSync(path, 'photo of a'), false],
    ['of other bytes', (path: string) => writeFileSync(path, 'PHOTO'), false],
    [
      'of other bytes and an old time, as `cp --preserve` leaves it',
      (path: string) => {
        writeFileSync(path, 'PHOTO');
        utimesSync(path, 1, 1);
      },
      false,
    ],
    [
      'copied',
      (path: string) => {
        const bytes = readFileSync(path);
        rmSync(path);
        writeFileSync(path, bytes);
      },
      true,
    ],
    ['gone', (path: string) => rmSync(path), true],
  ])('knows a photo that is %s', async (_, change, isSame) => {
    const { path, was } = photo('photo');
    change(path);
    expect(await photoComparison(NOW)(path, was)).toBe(isSame);
    expect(await photoComparison(undefined)(path, was)).toBe(isSame);
  });

  it('does not read a photo that nobody has touched since the run began', async () => {
    const { path, was } = photo('photo');
    writeFileSync(path, 'PHOTO');
    expect(await photoComparison(LATER)(path, was)).toBe(true);
  });
});

describe('a folder whose run.json is lost', () => {
  const lines = [1, 2].map((number) => answered(query(number)));

  it.each([undefined, '', '\0'.repeat(400), '{"schema": 1, "comm'])(
    'is continued with the same settings and no other: run.json is %j',
    async (content) => {
      const folder = await folderOf(lines);
      const summary = join(folder, 'run.json');
      if (content === undefined) rmSync(summary);
      else writeFileSync(summary, content);
      const before = readFileSync(join(folder, 'results.jsonl'), 'utf8');
      const other = openAgain(folder, { ...SETTINGS, refiner: 'none' });
      await expect(other).rejects.toMatchObject({
        code: 'OUTPUT_MISMATCH',
        message: expect.stringContaining('`run.json` is missing or damaged'),
        hint: expect.stringContaining('--no-resume'),
      });
      expect(readFileSync(join(folder, 'results.jsonl'), 'utf8')).toBe(before);
      const output = await openAgain(folder);
      expect([output.journal.done.count, output.hasLostSummary]).toEqual([2, true]);
      expect(output.isFinished()).toBe(false);
      await output.close();
    },
  );

  it('is continued as another shard of the same run no more than as another run', async () => {
    const folder = await folderOf(lines);
    const other = openAgain(folder, { ...SETTINGS, shard: '2/2' });
    await expect(other).rejects.toThrow('shard: "1/1"');
  });

  it('is refused where lines of other settings stand among its own', async () => {
    const folder = await folderOf(lines);
    const journal = join(folder, 'results.jsonl');
    const text = readFileSync(journal, 'utf8');
    writeFileSync(journal, text + text.replaceAll(/"settings":"\w+"/g, '"settings":"00000000"'));
    await expect(openAgain(folder)).rejects.toMatchObject({
      code: 'OUTPUT_MISMATCH',
      message: expect.stringContaining('line 3 is of a run with other settings'),
    });
  });
});

describe('a damaged journal', () => {
  const count = 60;
  const lines = Array.from({ length: count }, (_, at) => answered(query(at + 1)));

  const damages: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
    ['a hole', (bytes) => bytes.fill(0, 8192, 12_288)],
    [
      'a swapped page',
      (bytes) =>
        Buffer.concat([
          bytes.subarray(0, 8192),
          bytes.subarray(4096, 8192),
          bytes.subarray(12_288),
        ]),
    ],
    [
      'garbage at its end',
      (bytes) => Buffer.concat([bytes, Buffer.from('\x01\x02\n{"a": 1}\n\xff\n', 'latin1')]),
    ],
    [
      'zeros and lines at its end',
      (bytes) => Buffer.concat([bytes, Buffer.alloc(4096), Buffer.from('\n')]),
    ],
    [
      'another file at its start',
      (bytes) => Buffer.concat([Buffer.from('From: me\n\n'), bytes.subarray(2000)]),
    ],
  ];

  it.each(damages)(
    'with %s is told, with a command after which the run goes on',
    async (_, damage) => {
      const folder = join(await folderOf(lines), "it's a run");
      mkdirSync(folder);
      for (const name of ['results.jsonl', 'run.json']) {
        writeFileSync(join(folder, name), readFileSync(join(folder, '..', name)));
      }
      const journal = join(folder, 'results.jsonl');
      const bytes = damage(readFileSync(journal));
      writeFileSync(journal, bytes);
      const failure = await openAgain(folder).catch((thrown) => thrown);
      expect(failure).toMatchObject({ code: 'INPUT_INVALID' });
      expect(failure.message).toContain('is damaged');
      expect(failure.hint).toContain('--no-resume');
      expect(readFileSync(journal).equals(bytes)).toBe(true);
      const command = /`(.*?)` (?:cuts|removes)/.exec(failure.hint)![1]!;
      expect(shell(command).status).toBe(0);
      const output = await openAgain(folder);
      const { done } = output.journal;
      const known = await Promise.all(
        lines.map(({ query: each }) => done.hasQuery({ query: each! })),
      );
      expect(known.filter(Boolean).length).toBe(done.tally.items);
      expect(done.tally.items).toBeGreaterThan(count / 2);
      for (const [at, isKnown] of known.entries())
        if (!isKnown) await output.journal.append(lines[at]!);
      await output.finish();
      expect(output.journal.tally.items).toBe(count);
      await output.close();
      expect(new Set(textsOf(folder)).size).toBe(count);
    },
  );

  it('that has lost lines is no finished run', async () => {
    const folder = await folderOf(lines);
    let output = await openAgain(folder);
    await output.finish();
    const summary = {
      settings: SETTINGS,
      complete: true,
      image_ids: null,
      counts: { items: count },
    };
    await output.writeSummary(summary as unknown as RunSummary);
    await output.close();
    output = await openAgain(folder);
    expect(output.isFinished()).toBe(true);
    await output.close();
    const journal = join(folder, 'results.jsonl');
    const text = readFileSync(journal, 'utf8');
    writeFileSync(journal, text.slice(0, text.indexOf('\n', statSync(journal).size - 2000) + 1));
    output = await openAgain(folder);
    expect(output.isFinished()).toBe(false);
    await output.close();
  });

  it('is one where a line was edited, but not for those who only read answers', async () => {
    const folder = await folderOf([answered(query(1))]);
    const journal = join(folder, 'results.jsonl');
    writeFileSync(journal, readFileSync(journal, 'utf8').replace('the cat number 1', 'the dog'));
    await expect(openAgain(folder)).rejects.toThrow('expected a line as a run wrote it');
    const words: unknown[] = [];
    for await (const { line } of readJournal(journal, { parse: parseOutputLine })) {
      if (line.type === 'result') words.push(line.query);
    }
    expect(words).toEqual(['the dog']);
  });
});
