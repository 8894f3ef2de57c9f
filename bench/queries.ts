/**
 * `vgr refine` without photos: queries a second and peak memory over lines that bring boxes of two tools, and over a tenth of
 * them. The number of lines is the first argument. `v0` is the refiner without weights; `lite` the embedded one, once with
 * tools that it knows, so that its networks answer, and once with others, where it answers as `v0` does.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeQueryLines } from './query-lines.js';
import { print, rounded, timedRun } from './vgr.js';

const LINES = Number(process.argv[2] ?? 100_000);
const KNOWN = { detector: 'centernet', grounder: 'grounder' };
const OTHER = { detector: 'detector', grounder: 'grounder' };

const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-queries-'));

function measured(refiner: string, tools: typeof KNOWN): Readonly<Record<string, number>> {
  const file = join(folder, 'q.jsonl');
  const [few, many] = [Math.ceil(LINES / 10), LINES].map((count) => {
    writeQueryLines(file, count, tools);
    const run = timedRun('refine', '--queries', file, '--refiner', refiner, '--no-timing');
    return { count, ...run };
  });
  const bytes = statSync(file).size;
  return {
    per_s: rounded(many!.count / many!.wallS, 0),
    // Start-up is in both runs.
    per_s_under_way: rounded((many!.count - few!.count) / (many!.wallS - few!.wallS), 0),
    cpu_ms: rounded((many!.cpuS * 1000) / many!.count),
    bytes_a_line: rounded(bytes / many!.count, 0),
    tenth_mib: rounded(few!.peakBytes / 2 ** 20, 1),
    whole_mib: rounded(many!.peakBytes / 2 ** 20, 1),
    memory_ratio: rounded(many!.peakBytes / few!.peakBytes),
  };
}

try {
  print({
    bench: 'refine without photos, whole command with start-up',
    lines: LINES,
    cores: availableParallelism(),
    lite: measured('lite', KNOWN),
    lite_other_tools: measured('lite', OTHER),
    v0: measured('v0', OTHER),
  });
} finally {
  rmSync(folder, { recursive: true });
}
