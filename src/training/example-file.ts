import type { WordlessExample } from '../refinement/lite-example.js';

/** A query whose numbers are known, without the rows of its words: those depend on the vocabulary. */
export interface KnownQuery {
  readonly query: string;
  readonly example: WordlessExample;
  /** [n + 2], see `TrainingExample.overlaps`. */
  readonly overlaps: Float32Array;
  /** The words that mean the same in the mirrored photo, and the query's features with them. */
  readonly mirrored: { readonly text: string; readonly query: Float32Array };
}

const MAGIC = 'vgr-examples-1\n';

/** Arrays of a query, in the order in which they lie in the file. */
function arraysOf({ example, overlaps, mirrored }: KnownQuery): readonly ArrayLike<number>[] {
  const { candidates, boxes, thinkMask, tool, actionMask, query } = example;
  return [candidates, boxes, thinkMask, tool, actionMask, query, overlaps, mirrored.query];
}

/** Queries as bytes: magic, length of the header, header as JSON, then all arrays as little-endian float32. */
export function encodeExamples(queries: readonly KnownQuery[]): Uint8Array {
  const header = queries.map((each) => ({
    query: each.query,
    mirrored: each.mirrored.text,
    lengths: arraysOf(each).map(({ length }) => length),
  }));
  const text = new TextEncoder().encode(JSON.stringify(header));
  const arrays = queries.flatMap(arraysOf);
  const count = arrays.reduce((sum, { length }) => sum + length, 0);
  const start = MAGIC.length + 4 + text.length;
  const bytes = new Uint8Array(start + count * 4);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(MAGIC.length, text.length, true);
  bytes.set(text, MAGIC.length + 4);
  let at = start;
  for (const array of arrays) {
    for (let i = 0; i < array.length; i++) {
      view.setFloat32(at, array[i]!, true);
      at += 4;
    }
  }
  return bytes;
}

/** The queries in these bytes; undefined where they are cut short or of another layout. */
export function decodeExamples(bytes: Uint8Array): readonly KnownQuery[] | undefined {
  const decoder = new TextDecoder();
  const after = MAGIC.length + 4;
  if (bytes.length < after || decoder.decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(MAGIC.length, true);
  const header = parsedHeader(decoder.decode(bytes.subarray(after, after + length)));
  if (header === undefined) return undefined;
  const count = header.flatMap(({ lengths }) => lengths).reduce((sum, each) => sum + each, 0);
  if (bytes.length !== after + length + count * 4) return undefined;
  let at = after + length;
  const take = (size: number): Float32Array => {
    const own = Float32Array.from({ length: size }, (_, i) => view.getFloat32(at + i * 4, true));
    at += size * 4;
    return own;
  };
  return header.map(({ query, mirrored, lengths }) => {
    const [candidates, boxes, think, tool, action, features, overlaps, other] = lengths.map(take);
    return {
      query,
      example: {
        candidates: candidates!,
        boxes: boxes!,
        thinkMask: Uint8Array.from(think!),
        tool: tool!,
        actionMask: Uint8Array.from(action!),
        query: features!,
      },
      overlaps: overlaps!,
      mirrored: { text: mirrored, query: other! },
    };
  });
}

interface HeaderEntry {
  readonly query: string;
  readonly mirrored: string;
  readonly lengths: readonly number[];
}

function parsedHeader(text: string): readonly HeaderEntry[] | undefined {
  try {
    return JSON.parse(text) as readonly HeaderEntry[];
  } catch {
    return undefined;
  }
}
