import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  canReplaceCalls,
  comesTrue,
  expectClean,
  FINAL_FILES,
  journalOf,
  replacingCalls,
} from '../support/faults.js';
import { freshFolder, photoFolder, startVgr, vgr } from '../support/vgr.js';

const FEW = ['--sessions', '1', '--device', 'cpu', '--no-timing'];
const COUNT = 24;

/** Photos, and a queries file with one line of each. */
async function photosAndQueries() {
  const photos = await photoFolder(COUNT);
  const lines = Array.from({ length: COUNT }, (_, at) =>
    JSON.stringify({ image: `photo-${String(at).padStart(2, '0')}.jpg`, query: 'the ball' }),
  );
  const queries = join(freshFolder(), 'q.jsonl');
  writeFileSync(queries, `${lines.join('\n')}\n`);
  return { photos, lines, args: [photos, '--queries', queries] };
}

function files(folder: string): string[] {
  return FINAL_FILES.map((name) => readFileSync(join(folder, name), 'utf8'));
}

describe('a run whose photos go in the middle of it', () => {
  it('waits, ends with 3 and no error record, and is continued to what a whole run writes', async () => {
    const { photos, lines } = await photosAndQueries();
    const output = join(freshFolder(), 'out');
    const args = ['refine', photos, '--queries', '-', '--output', output, ...FEW];
    const stdin = `${lines.join('\n')}\n`;
    const { child, outcome } = startVgr(args);
    child.stdin.write(`${lines.slice(0, 6).join('\n')}\n`);
    const journal = join(output, 'results.jsonl');
    const hasBegun = () => existsSync(journal) && journalOf(output).length >= 6;
    expect(await comesTrue(hasBegun, { withinMs: 60_000 })).toBe(true);
    const away = `${photos}.away`;
    renameSync(photos, away);
    mkdirSync(photos);
    child.stdin.end(`${lines.slice(6).join('\n')}\n`);
    const lost = await outcome;
    expect([lost.code, lost.stderr]).toEqual([3, expect.stringContaining('cannot be reached')]);
    expectClean(lost);
    expect(journalOf(output).map(({ type }) => type)).toEqual(new Array(6).fill('result'));
    rmSync(photos, { recursive: true });
    renameSync(away, photos);
    const rest = await vgr(args, { stdin });
    expect(rest.code).toBe(0);
    const whole = join(freshFolder(), 'out');
    await vgr(['refine', photos, '--queries', '-', '--output', whole, ...FEW], { stdin });
    expect(files(output)).toEqual(files(whole));
  });

  it.runIf(canReplaceCalls())('ends with 3 where no photo can be read after some', async () => {
    const { args } = await photosAndQueries();
    // Every open file counts, from the sixth photo on.
    const env = replacingCalls(`
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
static int photos;
static int fails(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && !strcmp(dot, ".jpg") && __sync_add_and_fetch(&photos, 1) > 5;
}
#define REPLACE(name)                                                  \\
  int name(const char *path, int flags, ...) {                         \\
    va_list rest;                                                      \\
    va_start(rest, flags);                                             \\
    int mode = va_arg(rest, int);                                      \\
    va_end(rest);                                                      \\
    if (fails(path)) { errno = EIO; return -1; }                   \\
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);     \\
    return real(path, flags, mode);                                    \\
  }
REPLACE(open)
REPLACE(open64)
`);
    const output = join(freshFolder(), 'out');
    const run = ['refine', ...args, '--output', output, ...FEW];
    const lost = await vgr(run, { env });
    expect([lost.code, lost.stderr]).toEqual([3, expect.stringContaining('cannot be reached')]);
    expectClean(lost);
    const kept = journalOf(output);
    expect(kept.every(({ type }) => type === 'result')).toBe(true);
    expect(kept.length).toBeLessThanOrEqual(5);
    const rest = await vgr(run);
    expect([rest.code, journalOf(output).length]).toEqual([0, COUNT]);
  });
});
