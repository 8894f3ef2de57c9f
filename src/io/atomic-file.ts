import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from './folder.js';
import { outputFault } from './output-fault.js';

export type Chunks = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

const PARTIAL = /\.(partial|draft)-\d+$/;

/** Small pieces are joined to writes of about this many characters. */
const BATCH_CHARACTERS = 256 * 1024;

/**
 * Writes a whole file or nothing: into `NAME.partial-PID` beside it, to the disk, then renamed into place. On failure the
 * partial file is removed and what was there before stays. Folders above it are made.
 * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE; whatever `chunks` throws, as it is
 */
export async function writeFileAtomic(target: string, chunks: Chunks): Promise<void> {
  const partial = `${target}.partial-${process.pid}`;
  const folder = path.dirname(target);
  const file = await onDisk(target, async () => {
    await makeFolder(folder);
    return open(partial, 'w');
  });
  try {
    try {
      await writeChunks(file, target, chunks);
      await onDisk(target, () => file.sync());
    } finally {
      await file.close();
    }
    await onDisk(target, () => rename(partial, target));
  } catch (thrown) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw thrown;
  }
  await syncFolder(folder);
}

/**
 * The same for a short text, while the caller waits: for a process that must end and whose other threads are not free.
 * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE
 */
export function writeFileAtomicNow(target: string, text: string): void {
  const partial = `${target}.partial-${process.pid}`;
  try {
    const file = openSync(partial, 'w');
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, target);
  } catch (thrown) {
    throw outputFault(target, thrown);
  }
}

/** Removes what killed processes have left of files that they did not finish. Nobody else may be writing to the folder. */
export async function removePartialFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (PARTIAL.test(name)) await rm(path.join(folder, name), { force: true });
  }
}

async function writeChunks(file: FileHandle, target: string, chunks: Chunks): Promise<void> {
  let batch = '';
  const write = (data: string | Uint8Array) => onDisk(target, () => file.appendFile(data));
  for await (const chunk of chunks) {
    if (typeof chunk === 'string') batch += chunk;
    if (batch.length < BATCH_CHARACTERS && typeof chunk === 'string') continue;
    if (batch !== '') await write(batch);
    batch = '';
    if (typeof chunk !== 'string') await write(chunk);
  }
  if (batch !== '') await write(batch);
}

/** The errors of the disk are told apart from those of whoever makes the chunks. */
async function onDisk<T>(target: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    throw outputFault(target, thrown);
  }
}

/** Makes a rename outlast a loss of power. Not every system can open a folder; there the rename stands all the same. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}
