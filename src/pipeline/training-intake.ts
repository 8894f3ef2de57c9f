import { VgrError } from '../formats/fault.js';
import type { Query } from '../formats/query-line.js';
import { areaXyxy, type BoxXyxy, clipXyxy, type ImageSize, xywhToXyxy } from '../geometry/box.js';

/** Queries that are looked at together: those of one photo, or neighbours without photos. */
export interface QueryGroup {
  /** Absent where lines bring their own boxes. */
  readonly image?: string;
  readonly queries: readonly Query[];
}

/** Lines without a photo that are kept in one cache entry. */
const GROUP_LINES = 64;

/** Queries by photo, in the order of the first line of each. */
export function queryGroups(queries: readonly Query[], withPhotos: boolean): readonly QueryGroup[] {
  const photos = new Map<string, Query[]>();
  const others: Query[] = [];
  for (const query of queries) {
    if (withPhotos && query.image !== undefined) {
      const known = photos.get(query.image);
      if (known) known.push(query);
      else photos.set(query.image, [query]);
    } else {
      others.push(query);
    }
  }
  const blocks = Array.from({ length: Math.ceil(others.length / GROUP_LINES) }, (_, at) => ({
    queries: others.slice(at * GROUP_LINES, (at + 1) * GROUP_LINES),
  }));
  return [...[...photos].map(([image, own]) => ({ image, queries: own })), ...blocks];
}

/**
 * The boxes of the ground truth inside the photo; none where nothing in it fits.
 * @throws VgrError QUERY_INVALID where a box lies outside the photo or has no extent
 */
export function truthsInside({ line, truthsXywh = [] }: Query, image: ImageSize): BoxXyxy[] {
  return truthsXywh.map((xywh) => {
    const inside = clipXyxy(xywhToXyxy(xywh), image);
    if (areaXyxy(inside) > 0) return inside;
    const { x, y, width, height } = xywh;
    throw new VgrError(
      'QUERY_INVALID',
      `line ${line}, ground truth: expected a box inside the photo of ${image.width} x ${image.height} pixels, got [${[x, y, width, height].join(', ')}]`,
      { hint: 'boxes are [x, y, width, height] in pixels of the upright photo' },
    );
  });
}

/** Rows that are kept together when some are held out. */
const BLOCKS = 20;

/**
 * Cuts rows held out for validation from the rows of one file: every n-th of 20 blocks of neighbouring rows, so that rows of
 * one photo stay together and files of equal length lose the same places. Rows of a photo follow its first row.
 * @param share of the rows that are held out, 0..1
 */
export function heldOut(queries: readonly Query[], share: number): ReadonlySet<Query> {
  const firstRow = new Map<string, number>();
  const chosen = new Set<Query>();
  for (const [row, query] of queries.entries()) {
    const key = query.image ?? `line ${query.line}`;
    const first = firstRow.get(key) ?? row;
    firstRow.set(key, first);
    const block = Math.floor((first / queries.length) * BLOCKS);
    // The block at which the running share passes a whole number.
    if (Math.floor((block + 1) * share + 1e-9) > Math.floor(block * share + 1e-9))
      chosen.add(query);
  }
  return chosen;
}
