import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { freshFolder, jsonLines, type Outcome } from './vgr.js';

/** The files that are the same however often a run was cut off. run.json tells times. */
export const FINAL_FILES = ['annotations.json', 'predictions.json', 'results.jsonl'] as const;

/** Everything in an output folder by name; of run.json only that it is there. */
export function outputBytes(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, name === 'run.json' ? '' : readFileSync(join(folder, name), 'utf8')]),
  );
}

export function summaryOf(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'));
}

export function journalOf(folder: string): Record<string, unknown>[] {
  return jsonLines(readFileSync(join(folder, 'results.jsonl'), 'utf8'));
}

/** A file of lines, objects as JSON and texts as they are. */
export function linesFile(lines: readonly (object | string)[]): string {
  const path = join(freshFolder(), 'q.jsonl');
  const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(path, `${texts.join('\n')}\n`);
  return path;
}

/** Waits until something has come about; false where it has not in the time after which it never will. */
export async function comesTrue(
  condition: () => boolean,
  { withinMs = 300_000, everyMs = 5 } = {},
): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) return false;
    await sleep(everyMs);
  }
  return true;
}

/** Nothing that a program's insides have to say reached a person: no stack, no escape sequence, no control character. */
export function expectClean({ stdout, stderr }: Pick<Outcome, 'stdout' | 'stderr'>): void {
  const text = stdout + stderr;
  expect(text).not.toMatch(/\n\s+at \S/);
  expect(text).not.toMatch(/node:internal|UnhandledPromise|\(node:\d+\)/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that none arrives is what is tested
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/);
}

/** Node's options that load a file of this folder into every thread of the program. */
export function preloading(name: string): { readonly NODE_OPTIONS: string } {
  return { NODE_OPTIONS: `--import ${pathToFileURL(resolve('test/support', name)).href}` };
}

const COMPILER = 'cc';

/** Whether this machine lets a test put functions of its own in the place of those of the C library. */
export function canReplaceCalls(): boolean {
  const can = process.platform === 'linux' && spawnSync(COMPILER, ['--version']).status === 0;
  if (!can) console.log('skipped: failing calls of the system, which need `cc`');
  return can;
}

/** The environment of a program that gets these functions in the place of those of the C library. @param code in C */
export function replacingCalls(code: string): { readonly LD_PRELOAD: string } {
  const source = join(freshFolder(), 'calls.c');
  const library = source.replace(/c$/, 'so');
  writeFileSync(source, `#define _GNU_SOURCE\n#include <errno.h>\n${code}`);
  execFileSync(COMPILER, ['-shared', '-fPIC', '-o', library, source, '-ldl']);
  return { LD_PRELOAD: library };
}

/** Runs a line of shell; the words come as `$1` and on. */
export function shell(line: string, ...words: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync('sh', ['-c', line, 'sh', ...words], { encoding: 'utf8' });
}

/** Whether this machine lets a test make small disks of its own. */
export function canMount(): boolean {
  const can = process.platform === 'linux' && process.getuid?.() === 0 && mounts(freshFolder());
  if (!can) console.log('skipped: small disks of their own, which only root may mount');
  return can;
}

function mounts(folder: string): boolean {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder]);
  return mounted.status === 0 && spawnSync('umount', [folder]).status === 0;
}

/** A disk in memory at a fresh folder. */
export class SmallDisk {
  readonly folder = freshFolder();

  constructor(kibibytes: number) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', this.folder]);
  }

  /** @param options of mount(8), such as `size=4m` or `ro` */
  change(options: string): void {
    execFileSync('mount', ['-o', `remount,${options}`, this.folder]);
  }

  remove(): void {
    // What still looks into it, such as an indexer of the machine, keeps it no longer.
    if (existsSync(this.folder)) execFileSync('umount', ['-l', this.folder]);
  }
}
