import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The parts of run.json that benchmarks print. */
export interface TimedRun {
  readonly wallS: number;
  /** Of all threads. */
  readonly cpuS: number;
  readonly peakBytes: number;
  readonly items: number;
}

/** Runs the built `vgr` with an output folder of its own, and measures it from outside. */
export function timedRun(...args: readonly string[]): TimedRun {
  const output = mkdtempSync(join(tmpdir(), 'vgr-bench-out-'));
  const start = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    ['bin/run.js', ...args, '--output', output, '--quiet'],
    { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  );
  const wallS = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`vgr ${args.join(' ')} ended with ${status}: ${stderr}`);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  rmSync(output, { recursive: true });
  const { peak_memory_bytes: peakBytes, counts, timings } = run;
  return { wallS, cpuS: timings.cpu_s, peakBytes, items: counts.items };
}

/** What the built `vgr` prints on stdout. @throws Error where it ends with another code than 0 */
export function vgrOutput(...args: readonly string[]): string {
  return execFileSync(process.execPath, ['bin/run.js', ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

type Numbers = Readonly<Record<string, string | number>>;

export function print(result: Readonly<Record<string, string | number | Numbers>>): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

export function rounded(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}
