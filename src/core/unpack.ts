import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { quoted, VgrError } from './error.js';

const CHUNK_BYTES = 256 * 1024;
/** First bytes of files that are packed or no text, and how they become JSON or JSON Lines. */
const FOREIGN: readonly (readonly [string, string, string])[] = [
  ['28b52ffd', 'packed by zstd', 'zstd -dc FILE | vgr ... -'],
  ['fd377a585a', 'packed by xz', 'xz -dc FILE | vgr ... -'],
  ['425a68', 'packed by bzip2', 'bzip2 -dc FILE | vgr ... -'],
  ...['8002', '8003', '8004', '8005', '286c70', '5d7100'].map(
    (bytes) =>
      [
        bytes,
        'a Python pickle',
        "python3 -c \"import json, pickle; json.dump(pickle.load(open('FILE', 'rb')), open('refs.json', 'w'))\"",
      ] as const,
  ),
  ['504b0304', 'a zip archive', 'unzip -p FILE | vgr ... -'],
  ['377abcaf271c', 'a 7z archive', '7z x -so FILE | vgr ... -'],
  ['04224d18', 'packed by lz4', 'lz4 -dc FILE | vgr ... -'],
  ['50415231', 'a Parquet file', "duckdb -c \"copy (from 'FILE') to 'q.jsonl'\""],
  ['4152524f5731', 'an Arrow file', "duckdb -c \"copy (from 'FILE') to 'q.jsonl'\""],
  [
    '53514c69746520666f726d6174',
    'a SQLite database',
    'sqlite3 -json FILE "select * from NAME" | jq -c ".[]"',
  ],
  ['894844460d0a1a0a', 'an HDF5 file', 'write it as JSON Lines with Python'],
];
const GZIP = '1f8b';

/**
 * The bytes of a text file, unpacked if they are packed by gzip, whatever the name of the file says.
 * @throws VgrError INPUT_INVALID for files that are packed in other ways, or are no text, by their first bytes
 */
export async function* unpacked(
  path: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  const start: Buffer[] = [];
  let length = 0;
  while (length < LONGEST) {
    const { value, done } = await iterator.next();
    if (done) break;
    start.push(value);
    length += value.length;
  }
  const first = Buffer.concat(start).subarray(0, LONGEST).toString('hex');
  const foreign = FOREIGN.find(([bytes]) => first.startsWith(bytes));
  if (foreign) {
    const [, what, command] = foreign;
    throw new VgrError('INPUT_INVALID', `${quoted(path)}: expected text, got ${what}`, {
      hint: `try \`${command}\``,
    });
  }
  async function* whole() {
    yield* start;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  if (!first.startsWith(GZIP) && !path.endsWith('.gz')) {
    yield* whole();
    return;
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // Iterating the last stream raises a failure of either.
  pipeline(Readable.from(whole(), { objectMode: false }), gunzip, () => undefined);
  yield* gunzip;
}

const LONGEST = Math.max(...FOREIGN.map(([bytes]) => bytes.length / 2));
