/**
 * Peak memory of `vgr refine` without photos over so many lines (first argument), ten times and fifty times as many, or the
 * times that the second argument names: `npx tsx bench/memory-queries.ts 20000 1,10`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeQueryLines } from './query-lines.js';
import { print, rounded, timedRun } from './vgr.js';

const LINES = Number(process.argv[2] ?? 10_000);
const TIMES = (process.argv[3] ?? '1,10,50').split(',').map(Number);

const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-memory-'));

function peakBytes(lines: number): number {
  const file = join(folder, 'q.jsonl');
  writeQueryLines(file, lines);
  return timedRun('refine', '--queries', file, '--no-timing').peakBytes;
}

try {
  const peaks = TIMES.map((times) => ({ times, bytes: peakBytes(times * LINES) }));
  const mib = peaks.map(({ times, bytes }) => [`${times}x_mib`, rounded(bytes / 2 ** 20, 1)]);
  print({
    bench: 'refine without photos, peak memory',
    lines: LINES,
    ...Object.fromEntries(mib),
    ratio: rounded(peaks.at(-1)!.bytes / peaks[0]!.bytes),
  });
} finally {
  rmSync(folder, { recursive: true });
}
