import { rmSync } from 'node:fs';
import { link, mkdir, readFile, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quoted, VgrError } from './error.js';
import { makeFolder, outputError } from './files.js';

const LOCK_NAME = '.vgr.lock';

/** A lock is unreadable for microseconds while it is written; if older, a crash has left it. Milliseconds. */
const UNREADABLE_LEFT_MS = 10_000;
/** Taking over a dead lock takes milliseconds; if it takes longer, the process that began has crashed. */
const TAKEOVER_LEFT_MS = 3_000;
/** Time to wait for another process that takes over a dead lock, milliseconds. */
const TAKEOVER_MS = 2 * TAKEOVER_LEFT_MS;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601, for the message. */
  readonly since: string;
  /** Boot and start time of the process, which distinguish it from a later one of the same pid. */
  readonly birth: string;
}

export type OutputLock = Awaited<ReturnType<typeof lockOutput>>;

/** Locks of this process; the pid in a lock cannot distinguish them from those of an earlier process. */
const held = new Set<string>();

/**
 * Makes the folder and takes it for this process alone, by a file that names pid, host and start. A lock of a dead process is
 * taken over on the same host, never from another host. Works on network folders, needs no timer, and after a crash there is
 * nothing to wait for.
 * @throws VgrError OUTPUT_BUSY, OUTPUT_UNWRITABLE, DISK_FULL
 */
export async function lockOutput(folder: string) {
  const file = path.join(path.resolve(folder), LOCK_NAME);
  const owner: Owner = {
    pid: process.pid,
    host: os.hostname(),
    since: new Date().toISOString(),
    birth: (await processFacts(process.pid)).birth,
  };
  if (held.has(file)) throw busy(folder, file, owner);
  held.add(file);
  try {
    await makeFolder(folder);
    if (await create(file, owner)) await removeGuard(file);
    else await takeOver(file, owner, folder);
  } catch (thrown) {
    held.delete(file);
    throw outputError(file, thrown);
  }
  return {
    /** Frees the folder. May be called again. */
    release: async (): Promise<void> => {
      if (!held.has(file)) return;
      if (isSame(await readOwner(file), owner)) await unlink(file).catch(() => undefined);
      held.delete(file);
    },
    /** The same for a process that ends at once. */
    releaseNow: (): void => {
      if (held.delete(file)) rmSync(file, { force: true });
    },
  };
}

/** Error codes of file systems without links. */
const WITHOUT_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/**
 * False where there is a lock already. The lock appears whole, by a link to a draft, so that neither a kill nor a full disk
 * leaves one that nobody can read.
 */
async function create(file: string, owner: Owner): Promise<boolean> {
  const draft = `${file}.draft-${process.pid}`;
  const text = JSON.stringify(owner);
  try {
    await writeFile(draft, text);
    // The holder of the lock removes drafts of dead processes, and may mistake this one for such.
    return await succeeds(link(draft, file), 'EEXIST', 'ENOENT');
  } catch (thrown) {
    if (!hasCode(thrown, WITHOUT_LINKS)) throw thrown;
    return await succeeds(writeFile(file, text, { flag: 'wx' }), 'EEXIST');
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}

/** False where the work fails with one of the codes. */
function succeeds(work: Promise<unknown>, ...codes: readonly string[]): Promise<boolean> {
  return work.then(
    () => true,
    (thrown) => {
      if (hasCode(thrown, codes)) return false;
      throw thrown;
    },
  );
}

function hasCode(thrown: unknown, codes: readonly string[]): boolean {
  return codes.includes((thrown as NodeJS.ErrnoException).code ?? '');
}

/**
 * Replaces the lock of a dead process. A second, short lock around check and replacement keeps two processes that both see
 * the dead one from replacing each other's.
 */
async function takeOver(file: string, owner: Owner, folder: string): Promise<void> {
  const guard = guardOf(file);
  const deadline = Date.now() + TAKEOVER_MS;
  for (;;) {
    await refuseAlive(file, folder);
    if (await succeeds(mkdir(guard), 'EEXIST')) break;
    if (((await ageOf(guard)) ?? 0) > TAKEOVER_LEFT_MS) await removeGuard(file);
    else if (Date.now() > deadline) throw busy(folder, file, undefined);
    await sleep(25);
  }
  try {
    // Only the holder of the guard changes a dead lock. One that is gone may be made again at any time.
    if ((await refuseAlive(file, folder)) === 'dead') await unlink(file);
    if (!(await create(file, owner))) throw busy(folder, file, await readOwner(file));
  } finally {
    await removeGuard(file);
  }
}

function guardOf(file: string): string {
  return `${file}.takeover`;
}

/** Also safe for the owner of a living lock: no holder of the guard can replace it. */
async function removeGuard(file: string): Promise<void> {
  await rmdir(guardOf(file)).catch(() => undefined);
}

async function refuseAlive(file: string, folder: string): Promise<'dead' | 'gone'> {
  const owner = await readOwner(file);
  if (owner !== undefined) {
    if (await isAlive(owner)) throw busy(folder, file, owner);
    return 'dead';
  }
  const age = await ageOf(file);
  if (age === undefined) return 'gone';
  if (age < UNREADABLE_LEFT_MS) throw busy(folder, file, undefined);
  return 'dead';
}

/** When in doubt, alive. */
async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.host !== os.hostname()) return true;
  // This process holds no lock here, so an earlier process of the same pid left it, as in a restarted container.
  if (owner.pid === process.pid) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (thrown) {
    return !hasCode(thrown, ['ESRCH']);
  }
  const { birth, isZombie } = await processFacts(owner.pid);
  return !isZombie && birth === owner.birth;
}

interface ProcessFacts {
  /** Boot and start time. */
  readonly birth: string;
  /**
   * Whether the process has ended and only waits for its parent to collect it. A container whose first process collects no
   * orphans keeps a killed run in this state forever.
   */
  readonly isZombie: boolean;
}

/** What Linux knows about a process; elsewhere the birth is empty, so that pids alone decide. */
async function processFacts(pid: number): Promise<ProcessFacts> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    // From field 3 of proc(5) on, the state; the name in brackets before it may hold anything.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const [state, threads, start] = [fields[0], fields[17], fields[19]];
    // The first thread of a process may end before the others, which may still write.
    const isZombie = state === 'Z' && Number(threads) <= 1;
    return { birth: `${boot.trim()}/${start ?? ''}`, isZombie };
  } catch {
    return { birth: '', isZombie: false };
  }
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(file, 'utf8')) as Partial<Owner> | null;
    if (!Number.isInteger(owner?.pid) || typeof owner?.host !== 'string') return undefined;
    return { pid: owner.pid!, host: owner.host, since: `${owner.since}`, birth: `${owner.birth}` };
  } catch {
    return undefined;
  }
}

/** Milliseconds since the last change; undefined where there is nothing. */
async function ageOf(file: string): Promise<number | undefined> {
  const there = await stat(file).catch(() => undefined);
  return there && Date.now() - there.mtimeMs;
}

function isSame(a: Owner | undefined, b: Owner): boolean {
  return a !== undefined && a.pid === b.pid && a.host === b.host && a.birth === b.birth;
}

function busy(folder: string, file: string, owner: Owner | undefined): VgrError {
  const who = owner
    ? `process ${owner.pid} on ${quoted(owner.host)} since ${quoted(owner.since)}`
    : 'another process';
  return new VgrError('OUTPUT_BUSY', `${who} is writing to ${quoted(folder)}`, {
    hint: `give another \`--output\`, or wait; if no such process runs any more, remove ${quoted(file)}`,
  });
}
