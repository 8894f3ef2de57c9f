import { describe, expect, it } from 'vitest';
import { parseQueryLine, type Query } from '../../src/formats/query-line.js';
import { queryGroups, truthsInside } from '../../src/train/examples.js';
import { heldOut } from '../../src/train/lines.js';

function lines(count: number, image: (row: number) => string | undefined): Query[] {
  return Array.from({ length: count }, (_, row) => {
    const name = image(row);
    const tools =
      name === undefined ? { tools: { a: [{ bbox_2d: [0, 0, 9, 9] }] } } : { image: name };
    return parseQueryLine(JSON.stringify({ query: 'it', bbox: [1, 2, 3, 4], ...tools }), row + 1);
  });
}

describe('heldOut', () => {
  it('takes the share that is asked for, in blocks of neighbours', () => {
    const all = lines(1000, () => undefined);
    const held = all.map((query) => heldOut(all, 0.2).has(query));
    expect(held.filter(Boolean)).toHaveLength(200);
    const seams = held.filter((each, row) => row > 0 && each !== held[row - 1]);
    expect(seams.length).toBeLessThanOrEqual(8);
  });

  it('takes the same rows of files of one length', () => {
    const [one, two] = [lines(500, () => undefined), lines(500, () => undefined)];
    const rows = (all: Query[]) => [...heldOut(all, 0.2)].map(({ line }) => line);
    expect(rows(one)).toEqual(rows(two));
  });

  it('never parts the rows of a photo', () => {
    const all = lines(300, (row) => `${Math.floor(row / 7) % 30}.jpg`);
    const held = heldOut(all, 0.25);
    const photos = new Set([...held].map(({ imagePath }) => imagePath));
    for (const query of all) expect(held.has(query)).toBe(photos.has(query.imagePath));
  });

  it('takes none for a share of 0', () => {
    expect(
      heldOut(
        lines(100, () => undefined),
        0,
      ).size,
    ).toBe(0);
  });
});

describe('queryGroups', () => {
  it('brings the queries of a photo together and loses none', () => {
    const all = lines(100, (row) => (row % 2 === 0 ? `${row % 6}.jpg` : undefined));
    const groups = queryGroups(all, true);
    expect(groups.filter(([query]) => query!.imagePath !== undefined)).toHaveLength(3);
    expect(groups.flat()).toHaveLength(100);
  });
});

describe('truthsInside', () => {
  const [query] = lines(1, () => 'a.jpg');
  const at = (x: number, width: number): Query => ({
    ...query!,
    truthsXywh: [{ x, y: 10, width, height: 10 }],
  });

  it('cuts a box at the border', () => {
    expect(truthsInside(at(-5, 20), { width: 100, height: 100 })).toEqual([
      { x1: 0, y1: 10, x2: 15, y2: 20 },
    ]);
  });

  it('refuses one that lies outside, or has no extent', () => {
    for (const bad of [at(200, 20), at(10, 0)]) {
      expect(() => truthsInside(bad, { width: 100, height: 100 })).toThrow('inside the photo');
    }
  });
});
