import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { xywhToXyxy } from '../../src/core/box.js';
import { asVgrError } from '../../src/core/error.js';
import { readLines } from '../../src/core/line-reader.js';
import { parseQueryLine, type Query, statedId } from '../../src/formats/query-line.js';
import { openPhoto } from '../../src/photos/decode.js';
import { ImageRoots } from '../../src/photos/image-path.js';

const SPEC = { width: 32, height: 32, fit: 'stretch', fill: 0 } as const;
const IMAGES = 'fixtures/images';

async function* textsOf(file: string): AsyncGenerator<{ number: number; text: string }> {
  for await (const line of readLines(file)) {
    if ('error' in line) throw line.error;
    yield line;
  }
}

async function queriesOf(file: string): Promise<Query[]> {
  const queries: Query[] = [];
  for await (const { number, text } of textsOf(file)) queries.push(parseQueryLine(text, number));
  return queries;
}

describe('fixtures', () => {
  it('hold queries whose boxes lie inside their photos', async () => {
    const roots = await ImageRoots.open([IMAGES]);
    const queries = await queriesOf('fixtures/queries.jsonl');
    expect(queries.length).toBeGreaterThanOrEqual(10);
    expect(new Set(queries.map(({ id }) => id)).size).toBe(queries.length);
    expect(new Set(queries.map(({ imagePath }) => imagePath)).size).toBe(
      (await readdir(IMAGES)).length,
    );
    for (const { id, imagePath, truthsXywh } of queries) {
      const { size } = await openPhoto(await roots.resolve(imagePath!), SPEC);
      const { x1, y1, x2, y2 } = xywhToXyxy(truthsXywh![0]!);
      const inside =
        0 <= x1 && x1 < x2 && x2 <= size.width && 0 <= y1 && y1 < y2 && y2 <= size.height;
      expect([id, inside]).toEqual([id, true]);
    }
  });

  it('hold queries over the boxes of other tools', async () => {
    for (const { id, imagePath, tools } of await queriesOf('fixtures/tools-queries.jsonl')) {
      expect([id, imagePath, tools.length > 0]).toEqual([id, undefined, true]);
    }
  });

  it('hold one line of each kind of bad input, between two good ones', async () => {
    const roots = await ImageRoots.open([IMAGES]);
    const found: [string | number, string][] = [];
    const ids = new Set<string>();
    for await (const { number, text } of textsOf('fixtures/broken-queries.jsonl')) {
      try {
        const { id, imagePath } = parseQueryLine(text, number);
        if (imagePath !== undefined) await openPhoto(await roots.resolve(imagePath), SPEC);
        found.push([id, ids.has(id) ? 'ID_DUPLICATE' : 'good']);
        ids.add(id);
      } catch (thrown) {
        found.push([statedId(text) ?? number, asVgrError(thrown).code]);
      }
    }
    expect(found).toEqual([
      ['good-first', 'good'],
      [2, 'QUERY_INVALID'],
      [3, 'QUERY_INVALID'],
      [4, 'QUERY_INVALID'],
      [5, 'QUERY_INVALID'],
      ['no-query', 'QUERY_INVALID'],
      ['no-image', 'QUERY_INVALID'],
      ['query-is-number', 'QUERY_INVALID'],
      ['query-is-blank', 'QUERY_INVALID'],
      ['image-is-list', 'QUERY_INVALID'],
      [11, 'QUERY_INVALID'],
      ['good-first', 'ID_DUPLICATE'],
      ['outside-up', 'IMAGE_OUTSIDE'],
      ['outside-absolute', 'IMAGE_OUTSIDE'],
      ['image-missing', 'IMAGE_MISSING'],
      ['outside-sibling', 'IMAGE_OUTSIDE'],
      ['bbox-of-three', 'QUERY_INVALID'],
      [18, 'QUERY_INVALID'],
      ['bbox-null', 'QUERY_INVALID'],
      ['bbox-negative', 'QUERY_INVALID'],
      ['bbox-infinite', 'QUERY_INVALID'],
      ['tools-is-list', 'QUERY_INVALID'],
      ['tools-short-box', 'QUERY_INVALID'],
      ['tools-text-box', 'QUERY_INVALID'],
      ['tools-score', 'QUERY_INVALID'],
      ['width-negative', 'QUERY_INVALID'],
      ['good-last', 'good'],
    ]);
  });

  it('stay small, and the models for comparison below 6 MB', async () => {
    const totals = { own: 0, reference: 0 };
    for (const entry of await readdir('fixtures', { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const { size } = await stat(path.join(entry.parentPath, entry.name));
      const isReference = entry.parentPath.split(path.sep).includes('reference');
      totals[isReference ? 'reference' : 'own'] += size;
      if (!isReference) expect([entry.name, size < 100_000]).toEqual([entry.name, true]);
    }
    expect(totals.own).toBeLessThan(1_000_000);
    expect(totals.reference).toBeLessThan(6_000_000);
  });
});
