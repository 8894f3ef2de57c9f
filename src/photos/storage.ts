import { open, opendir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, printable, quoted, VgrError } from '../core/error.js';
import type { Patience } from '../core/files.js';
import { OF_MACHINE, TOO_MANY_FILES } from './file-type.js';

/** Codes of errors that any file of the same storage may have. */
const OF_STORAGE: ReadonlySet<string> = new Set([
  'EIO',
  'ESTALE',
  'ENOTCONN',
  'ETIMEDOUT',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENETRESET',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENODEV',
  'ENXIO',
  'EREMOTEIO',
  'ENOLINK',
  'EBUSY',
  'EAGAIN',
]);
/** Codes of errors that any file may have. */
const OF_HANDLES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);
/** Pauses between attempts, milliseconds: a share that is mounted again, or another photo that ends, takes seconds. */
const PAUSES_MS: readonly number[] = [250, 1000, 2000, 4000];

/** What lacks, if anything does beside this one photo. */
type Lack = 'memory' | 'handles' | 'storage';

function lackOfMachine(thrown: unknown): Lack | undefined {
  const code = codeOf(thrown);
  if (code === 'ENOMEM') return 'memory';
  if (OF_HANDLES.has(code)) return 'handles';
  if (thrown instanceof VgrError) return undefined;
  const { message } = thrown as Error;
  if (TOO_MANY_FILES.test(message)) return 'handles';
  return OF_MACHINE.test(message) ? 'memory' : undefined;
}

export interface StorageOptions extends Patience {
  /** Whether a file that is not there is missing because its storage is. By default where its folder is gone or empty. */
  readonly isGone?: () => Promise<boolean>;
}

/**
 * Reads a photo again that could not be read, and waits a little where not the photo is at fault but what it lies on, or the machine:
 * its folder is gone or empty, as that of a share that is not mounted, nothing in it can be read, or file handles or memory run out.
 * @param failure of the first attempt
 * @throws VgrError IMAGES_UNAVAILABLE, MEMORY_SPENT where that lasts; what `read` throws where it is of this photo alone
 */
export async function readAgain<Result>(
  file: string,
  failure: unknown,
  read: () => Promise<Result>,
  { pausesMs = PAUSES_MS, signal, isGone = () => isFolderGone(file) }: StorageOptions = {},
): Promise<Result> {
  let thrown = failure;
  let isOfFile = false;
  for (let attempt = 0; ; ) {
    const lack = await lackOf(file, thrown, isGone);
    if (lack !== undefined) {
      const pause = pausesMs[attempt];
      if (pause === undefined) throw lacking(lack, file, thrown);
      attempt += 1;
      await sleep(pause, undefined, { signal });
    } else if (isOfFile || !mayBeStorage(thrown)) throw thrown;
    // The storage may have come back between an attempt and the question after it.
    isOfFile = lack === undefined;
    try {
      return await read();
    } catch (again) {
      thrown = again;
    }
  }
}

function mayBeStorage(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return code === 'ENOENT' || OF_STORAGE.has(code);
}

async function lackOf(
  file: string,
  thrown: unknown,
  isGone: () => Promise<boolean>,
): Promise<Lack | undefined> {
  const code = codeOf(thrown);
  if (code === 'ENOENT') return (await isGone()) ? 'storage' : undefined;
  if (OF_STORAGE.has(code)) return (await isNeighbourReadable(file)) ? undefined : 'storage';
  return lackOfMachine(thrown);
}

function lacking(lack: Lack, file: string, cause: unknown): VgrError {
  const reason = printable((cause as Error).message);
  if (lack === 'memory') {
    return new VgrError('MEMORY_SPENT', `no memory to decode ${quoted(file)}: ${reason}`, {
      cause,
      hint: 'run the same command again with fewer `--sessions`, or with `--max-memory`; `--max-pixels` leaves large photos out',
    });
  }
  if (lack === 'handles') {
    return new VgrError('IMAGES_UNAVAILABLE', `too many open files to read ${quoted(file)}`, {
      cause,
      hint: 'allow more, `ulimit -n 4096`, and run the same command again: with `--output` it goes on from here',
    });
  }
  const folder = path.dirname(file);
  return new VgrError(
    'IMAGES_UNAVAILABLE',
    `the photos in ${quoted(folder)} cannot be reached: ${reason}`,
    {
      cause,
      hint: 'check that the folder is there and its share is mounted (`ls FOLDER`), and run the same command again: with `--output` it goes on from here',
    },
  );
}

async function isFolderGone(file: string): Promise<boolean> {
  return (await stateOf(path.dirname(file))) !== 'filled';
}

/** Whether a folder is there, and holds something: that of a share that is not mounted is empty. */
export async function stateOf(folder: string): Promise<'gone' | 'empty' | 'filled'> {
  try {
    const entries = await opendir(folder);
    try {
      return (await entries.read()) === null ? 'empty' : 'filled';
    } finally {
      await entries.close();
    }
  } catch (thrown) {
    const code = codeOf(thrown);
    return code === 'ENOENT' || OF_STORAGE.has(code) ? 'gone' : 'filled';
  }
}

/** Other files of the folder that are tried. */
const NEIGHBOURS = 4;

/** Whether another file of the folder can be read, so that the disk has lost this one alone. */
async function isNeighbourReadable(file: string): Promise<boolean> {
  try {
    let tried = 0;
    for await (const entry of await opendir(path.dirname(file))) {
      if (!entry.isFile() || entry.name === path.basename(file)) continue;
      if (await isReadable(path.join(path.dirname(file), entry.name))) return true;
      tried += 1;
      if (tried === NEIGHBOURS) break;
    }
  } catch {
    // A folder that cannot be listed has no readable file.
  }
  return false;
}

async function isReadable(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined);
  try {
    return handle !== undefined && (await handle.read(Buffer.alloc(1), 0, 1, 0)).bytesRead > 0;
  } catch {
    return false;
  } finally {
    await handle?.close().catch(() => undefined);
  }
}
