import { randomUUID } from 'node:crypto';
import { constants, readFileSync, rmSync } from 'node:fs';
import {
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readFile,
  readlink,
  rmdir,
  unlink,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quoted, VgrError } from './error.js';
import { isFile, makeFolder, outputError } from './files.js';

export const LOCK_NAME = '.vgr.lock';
/** Neither through a link nor waiting for whoever writes to a pipe of that name. */
const TO_READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** Of files for the user alone. */
const PRIVATE = 0o600;

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
  /** In which the pid counts; empty where the system tells none. */
  readonly namespace: string;
}

/** The owner touches its lock this often, for those who cannot see its process. Milliseconds. */
const HEARTBEAT_MS = 2_000;
/** Without a heartbeat for so long the owner is dead. Milliseconds. */
const SILENCE_MS = 10_000;

export type OutputLock = Awaited<ReturnType<typeof lockOutput>>;

/** Locks of this process; the pid in a lock cannot distinguish them from those of an earlier process. */
const held = new Set<string>();

/**
 * Makes the folder and takes it for this process alone, by a file that names pid, host and start. A lock of a dead process is
 * taken over on the same host, never from another host. Where the process cannot be seen, in another container or before a
 * restart of the machine, its heartbeat is waited for.
 * @param options.silenceMs how long an owner is listened for
 * @throws VgrError OUTPUT_BUSY, OUTPUT_UNWRITABLE, DISK_FULL
 */
export async function lockOutput(
  folder: string,
  { silenceMs = SILENCE_MS }: { readonly silenceMs?: number } = {},
) {
  const file = path.join(path.resolve(folder), LOCK_NAME);
  const owner: Owner = {
    pid: process.pid,
    host: os.hostname(),
    since: new Date().toISOString(),
    birth: (await processFacts(process.pid)).birth,
    namespace: await readlink('/proc/self/ns/pid').catch(() => ''),
  };
  const text = JSON.stringify(owner);
  if (held.has(file)) throw busy(folder, file, owner);
  held.add(file);
  try {
    await makeFolder(folder, { within: folder });
    if (await create(file, text)) await removeGuard(file);
    else await takeOver(file, owner, folder, await listen(file, owner, folder, silenceMs));
  } catch (thrown) {
    held.delete(file);
    throw outputError(file, thrown);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A lock that is gone or cannot be touched is noticed by the journal.
    void lutimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS).unref();
  return {
    /** Frees the folder. May be called again. */
    release: async (): Promise<void> => {
      clearInterval(heartbeat);
      if (!held.has(file)) return;
      const there = await readFile(file, { encoding: 'utf8', flag: TO_READ }).catch(
        () => undefined,
      );
      if (there === text) await unlink(file).catch(() => undefined);
      held.delete(file);
    },
    /** The same for a process that ends at once. */
    releaseNow: (): void => {
      if (!held.delete(file)) return;
      try {
        if (isFile(file) && readFileSync(file, 'utf8') === text) rmSync(file);
      } catch {
        // Another run has taken it.
      }
    },
  };
}

/** Error codes of file systems without links. */
const WITHOUT_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/**
 * False where there is a lock already. The lock appears whole, by a link to a draft, so that neither a kill nor a full disk
 * leaves one that nobody can read.
 */
async function create(file: string, text: string): Promise<boolean> {
  const draft = `${file}.draft-${randomUUID()}`;
  try {
    await writeFile(draft, text, { flag: 'wx', mode: PRIVATE });
    // The holder of the lock removes drafts of dead processes, and may mistake this one for such.
    return await succeeds(link(draft, file), 'EEXIST', 'ENOENT');
  } catch (thrown) {
    if (!hasCode(thrown, WITHOUT_LINKS)) throw thrown;
    return await succeeds(writeFile(file, text, { flag: 'wx', mode: PRIVATE }), 'EEXIST');
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
 * Waits until the owner has been silent, where its process cannot be seen from here.
 * @returns the last change of its lock, see {@link changeOf}
 * @throws VgrError OUTPUT_BUSY
 */
async function listen(
  file: string,
  self: Owner,
  folder: string,
  silenceMs: number,
): Promise<string | undefined> {
  const owner = await readOwner(file);
  if (!owner || owner.host !== self.host || isVisible(owner, self)) return undefined;
  const before = await changeOf(file);
  const deadline = performance.now() + silenceMs;
  while (performance.now() < deadline) {
    await sleep(silenceMs / 20);
    if ((await changeOf(file)) !== before) throw busy(folder, file, owner);
  }
  return before;
}

/** Whether the owner's pid means the same process here. */
function isVisible(owner: Owner, self: Owner): boolean {
  if (owner.host !== self.host) return false;
  const bootOf = ({ birth }: Owner): string => birth.split('/')[0]!;
  const isSame = (one: string, other: string): boolean =>
    one === '' || other === '' || one === other;
  return isSame(owner.namespace, self.namespace) && isSame(bootOf(owner), bootOf(self));
}

/**
 * Replaces the lock of a dead process. A second, short lock around check and replacement keeps two processes that both see
 * the dead one from replacing each other's.
 */
async function takeOver(
  file: string,
  owner: Owner,
  folder: string,
  silent: string | undefined,
): Promise<void> {
  const guard = guardOf(file);
  const deadline = Date.now() + TAKEOVER_MS;
  for (;;) {
    await refuseAlive(file, owner, folder, silent);
    if (await succeeds(mkdir(guard), 'EEXIST')) break;
    if (((await ageOf(guard)) ?? 0) > TAKEOVER_LEFT_MS) await removeGuard(file);
    else if (Date.now() > deadline) throw busy(folder, file, undefined);
    await sleep(25);
  }
  try {
    // Only the holder of the guard changes a dead lock. One that is gone may be made again at any time.
    if ((await refuseAlive(file, owner, folder, silent)) === 'dead') await unlink(file);
    if (!(await create(file, JSON.stringify(owner))))
      throw busy(folder, file, await readOwner(file));
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

async function refuseAlive(
  file: string,
  self: Owner,
  folder: string,
  silent: string | undefined,
): Promise<'dead' | 'gone'> {
  const change = await changeOf(file);
  const owner = await readOwner(file);
  if (owner !== undefined) {
    const isSilent = silent !== undefined && change === silent;
    if (isVisible(owner, self) ? await isAlive(owner, self) : !isSilent) {
      throw busy(folder, file, owner);
    }
    return 'dead';
  }
  const age = await ageOf(file);
  if (age === undefined) return 'gone';
  if (age < UNREADABLE_LEFT_MS) throw busy(folder, file, undefined);
  return 'dead';
}

/** Whether an owner whose process can be seen is alive: when in doubt, yes. */
async function isAlive(owner: Owner, self: Owner): Promise<boolean> {
  // This process holds no lock here, so an earlier process of the same pid left it.
  if (owner.pid === self.pid) return false;
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
    const owner = JSON.parse(
      await readFile(file, { encoding: 'utf8', flag: TO_READ }),
    ) as Partial<Owner> | null;
    if (!Number.isInteger(owner?.pid) || typeof owner?.host !== 'string') return undefined;
    const { pid, host, since, birth, namespace = '' } = owner;
    return { pid: pid!, host, since: `${since}`, birth: `${birth}`, namespace: `${namespace}` };
  } catch (thrown) {
    // It is of another user, who alone may read it.
    if (hasCode(thrown, ['EACCES', 'EPERM'])) throw busy(path.dirname(file), file, undefined);
    return undefined;
  }
}

/** When a lock was last touched or replaced; undefined where there is none. */
async function changeOf(file: string): Promise<string | undefined> {
  // A network file system answers from memory for seconds, but not where a file is opened.
  const handle = await open(file, TO_READ).catch(() => undefined);
  const there = await handle?.stat();
  await handle?.close();
  return there && `${there.ino} ${there.mtimeMs}`;
}

/** Milliseconds since the last change; undefined where there is nothing. */
async function ageOf(file: string): Promise<number | undefined> {
  const there = await lstat(file).catch(() => undefined);
  return there && Date.now() - there.mtimeMs;
}

function busy(folder: string, file: string, owner: Owner | undefined): VgrError {
  const who = owner
    ? `process ${owner.pid} on ${quoted(owner.host)} since ${quoted(owner.since)}`
    : 'another process';
  return new VgrError('OUTPUT_BUSY', `${who} is writing to ${quoted(folder)}`, {
    hint: `give another \`--output\`, or wait; if no such process runs any more, remove ${quoted(file)}`,
  });
}
