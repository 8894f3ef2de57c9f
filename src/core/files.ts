import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path, { isAbsolute, join } from 'node:path';
import { asVgrError, codeOf, printable, quoted, VgrError } from './error.js';
import { unpacked } from './unpack.js';

type Chunk = string | Uint8Array;
/** What a file holds: text, bytes, or pieces of them. */
export type Content = Chunk | AsyncIterable<Chunk> | Iterable<Chunk>;

/** Small pieces are joined to writes of about this many characters. */
const BATCH_CHARACTERS = 256 * 1024;

/** Also apart from what another process, or another call, writes to the same file. */
function partialOf(target: string): string {
  return `${target}.partial-${randomUUID()}`;
}

/** How long storage that is gone is waited for. */
export interface Patience {
  /** Pauses before further attempts, milliseconds; some seconds in all where absent. */
  readonly pausesMs?: readonly number[];
  readonly signal?: AbortSignal;
}

export interface WriteOptions {
  /** False for a file that may be lost with the power, such as one of a cache. */
  readonly durable?: boolean;
  /** For the user alone: the file, and the folders that are made for it. */
  readonly isPrivate?: boolean;
  /** Folder for output that the user has named: from it on no folder of the path may be a link. */
  readonly within?: string;
}

/**
 * Writes a whole file or nothing: into `NAME.partial-...` beside it, to the disk, then renamed into place. On failure the
 * partial file is removed and what was there before stays. Folders above it are made.
 * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE; whatever the pieces throw, as it is
 */
export async function writeFileAtomic(
  target: string,
  content: Content,
  { durable = true, isPrivate = false, within }: WriteOptions = {},
): Promise<void> {
  const chunks = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
  const partial = partialOf(target);
  const folder = path.dirname(target);
  const file = await onDisk(target, async () => {
    await makeFolder(folder, { mode: isPrivate ? 0o700 : 0o777, within });
    // Never through a link that lies there.
    return open(partial, 'wx', isPrivate ? 0o600 : 0o666);
  });
  try {
    try {
      await writeChunks(file, target, chunks);
      if (durable) await onDisk(target, () => synced(() => file.sync()));
    } finally {
      await file.close();
    }
    await onDisk(target, () => moveFile(partial, target));
  } catch (thrown) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw thrown;
  }
  if (durable) await syncFolder(folder);
}

/** What a file system answers to a call that it does not have. */
const WITHOUT: ReadonlySet<string> = new Set(['ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

function isWithout(thrown: unknown, ...further: readonly string[]): boolean {
  const code = codeOf(thrown);
  return WITHOUT.has(code) || further.includes(code);
}

/** Brings a file to the disk. A file system that has no call for it does so when it likes. */
export async function synced(sync: () => Promise<void>): Promise<void> {
  await sync().catch((thrown) => {
    if (!isWithout(thrown, 'EINVAL')) throw thrown;
  });
}

/**
 * Renames a file over another one. Where the file system cannot, as some of objects and of the network, the other one is written over:
 * a process that is killed meanwhile leaves a file that is not whole.
 * @throws NodeJS.ErrnoException; VgrError OUTPUT_UNWRITABLE where the other one is a link, or has further names
 */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    return await rename(from, to);
  } catch (thrown) {
    if (!isWithout(thrown, 'EXDEV', 'EPERM')) throw thrown;
  }
  const { size, mode } = await stat(from);
  const file = await openOwnFile(to, constants.O_WRONLY | constants.O_CREAT, mode);
  try {
    await writeChunks(file, to, createReadStream(from));
    await file.truncate(size);
    await synced(() => file.sync());
  } finally {
    await file.close();
  }
  await rm(from);
}

/** More links in one path are a circle, which the system refuses itself. */
const MAX_LINKS = 40;

/**
 * Refuses a path for output that leads elsewhere: by a link of another user, or by any link from the folder `within` on, which the user
 * has named and which may have been downloaded. Links above it that are the user's own, or the system's, are followed.
 * @param folder need not be there
 * @throws VgrError OUTPUT_UNWRITABLE
 */
export function refuseLinks(folder: string, within: string | undefined): void {
  const end = path.resolve(folder);
  if (within !== undefined) refuseEveryLink(end, path.resolve(within));
  const { root } = path.parse(end);
  // Whoever owns the root of the file system is no user of it.
  const trusted = [process.getuid?.(), statSync(root).uid];
  const rest = end.slice(root.length).split(path.sep);
  let here = root;
  for (let links = 0; rest.length > 0 && links <= MAX_LINKS; ) {
    const next = path.join(here, rest.shift()!);
    const there = seenAt(next);
    if (there?.isDirectory()) {
      here = next;
      continue;
    }
    // Whoever makes or opens what is missing says what is wrong with it.
    if (!there?.isSymbolicLink()) return;
    if (!trusted.includes(there.uid)) throw linkInstead(next, 'a link of another user');
    const target = readlinkSync(next);
    if (path.isAbsolute(target)) here = path.parse(target).root;
    rest.unshift(...target.split(path.sep));
    links += 1;
  }
}

/** From `folder` up to `within`. @throws VgrError OUTPUT_UNWRITABLE */
function refuseEveryLink(folder: string, within: string): void {
  if (seenAt(folder)?.isSymbolicLink()) throw linkInstead(folder, 'a link');
  const above = path.dirname(folder);
  if (folder !== within && folder !== above) refuseEveryLink(above, within);
}

/** Undefined where there is nothing, or nothing that may be looked at. */
function seenAt(place: string): Stats | undefined {
  try {
    return lstatSync(place);
  } catch {
    return undefined;
  }
}

function linkInstead(link: string, kind: string): VgrError {
  return new VgrError(
    'OUTPUT_UNWRITABLE',
    `${quoted(link)}: expected a folder, got ${kind} to ${quoted(readlinkSync(link))}`,
    { hint: 'give the folder itself, if it is meant' },
  );
}

/**
 * Opens a file to write into, as it is: no link, which may lead to any file of the user, and no other name of a file.
 * @param flags of open(2); a pipe is not waited for
 * @throws VgrError OUTPUT_UNWRITABLE; NodeJS.ErrnoException of `open`
 */
export async function openOwnFile(file: string, flags: number, mode = 0o666): Promise<FileHandle> {
  const { O_NOFOLLOW, O_NONBLOCK } = constants;
  const handle = await open(file, flags | O_NOFOLLOW | O_NONBLOCK, mode);
  const there = await handle.stat();
  // A pipe or a socket keeps nothing. A device, such as /dev/full, is nobody's file.
  if ((there.isFile() || there.isCharacterDevice()) && there.nlink <= 1) return handle;
  await handle.close();
  const kind = there.isFile() ? 'a file with other names' : 'something else';
  throw new VgrError(
    'OUTPUT_UNWRITABLE',
    `${quoted(file)}: expected a file of its own, got ${kind}`,
    {
      hint: 'copy it, and put the copy in its place; or give another `--output`',
    },
  );
}

/** How many bytes at the start of a file tell whose it is. */
const HEAD_BYTES = 4096;

export interface NamedFileOptions {
  /** Whether these first bytes, as Latin-1, are those of a file that an earlier run has written. */
  readonly isOurs: (head: string) => boolean;
  /** Replace what is there, whatever it is. */
  readonly force?: boolean;
}

/**
 * Refuses a file that the user named for output where another file lies there: it is replaced only where an earlier run has
 * written it.
 * @throws VgrError OUTPUT_UNWRITABLE
 */
export async function refuseForeignFile(
  target: string,
  { isOurs, force = false }: NamedFileOptions,
): Promise<void> {
  const there = force ? undefined : await lstat(target).catch(() => undefined);
  if (!there || (there.isFile() && there.size === 0)) return;
  if (there.isFile() && isOurs(await onDisk(target, () => headOf(target)))) return;
  const kind = there.isSymbolicLink() ? 'a link' : 'another file';
  throw new VgrError(
    'OUTPUT_UNWRITABLE',
    `${quoted(target)}: expected no file, or one of an earlier run, got ${kind}`,
    { hint: 'give another name; `--force` replaces what is there' },
  );
}

/** The first bytes of a file, as Latin-1. @throws NodeJS.ErrnoException */
export async function headOf(file: string): Promise<string> {
  const head = Buffer.alloc(HEAD_BYTES);
  const handle = await open(file, 'r');
  const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0).finally(() => handle.close());
  return head.toString('latin1', 0, bytesRead);
}

/**
 * The same for a short text, while the caller waits: for a process that must end and whose other threads are not free.
 * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE
 */
export function writeFileAtomicNow(target: string, text: string): void {
  const partial = partialOf(target);
  try {
    refuseLinks(path.dirname(target), path.dirname(target));
    writeNow(partial, 'wx', text);
    try {
      renameSync(partial, target);
    } catch (thrown) {
      rmSync(partial);
      if (!isWithout(thrown, 'EXDEV', 'EPERM')) throw thrown;
      const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
      writeNow(target, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, text);
    }
  } catch (thrown) {
    throw outputError(target, thrown);
  }
}

function writeNow(name: string, flags: string | number, text: string): void {
  const file = openSync(name, flags);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } catch (thrown) {
    if (!isWithout(thrown, 'EINVAL')) throw thrown;
  } finally {
    closeSync(file);
  }
}

async function writeChunks(
  file: FileHandle,
  target: string,
  chunks: AsyncIterable<Chunk> | Iterable<Chunk>,
): Promise<void> {
  let batch = '';
  const write = (data: Chunk) => onDisk(target, () => file.appendFile(data));
  for await (const chunk of chunks) {
    if (typeof chunk === 'string') batch += chunk;
    if (batch.length < BATCH_CHARACTERS && typeof chunk === 'string') continue;
    if (batch !== '') await write(batch);
    batch = '';
    if (typeof chunk !== 'string') await write(chunk);
  }
  if (batch !== '') await write(batch);
}

/** Turns errors of the disk into VgrErrors; those of the source of the chunks stay as they are. */
export async function onDisk<T>(target: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    throw outputError(target, thrown);
  }
}

/** Makes a rename outlast a loss of power. Where a folder cannot be opened, the rename is done but may be lost. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}

/**
 * Makes a folder to write into, and those above it; where it is there, only its links are looked at ({@link refuseLinks}).
 * @throws NodeJS.ErrnoException of `mkdir`; VgrError OUTPUT_UNWRITABLE
 */
export async function makeFolder(
  folder: string,
  { mode = 0o777, within }: { readonly mode?: number; readonly within?: string } = {},
): Promise<void> {
  refuseLinks(folder, within);
  await makeFolders(path.resolve(folder), mode);
}

/**
 * Node's own recursive `mkdir` never ends where a file system answers ENOENT for a new folder in one that is there, as /proc
 * does.
 */
async function makeFolders(place: string, mode: number): Promise<void> {
  if (await isFolder(place)) return;
  const above = path.dirname(place);
  if (above !== place) await makeFolders(above, mode);
  await mkdir(place, mode).catch(async (thrown: NodeJS.ErrnoException) => {
    // Another process may have made it meanwhile.
    if (thrown.code !== 'EEXIST' || !(await isFolder(place))) throw thrown;
  });
}

async function isFolder(place: string): Promise<boolean> {
  const found = await stat(place).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

const HINTS: Readonly<Record<string, string>> = {
  EACCES: 'check who may write there: `ls -ld FOLDER`',
  EPERM: 'check who may write there: `ls -ld FOLDER`',
  ENOENT: 'check that the folder above it is there and can be written to',
  EROFS: 'the file system is read-only: give another `--output`',
  ENOTDIR: 'a part of the path is a file: give another `--output`',
  EEXIST: 'a part of the path is a file: give another `--output`',
  ELOOP: 'it is a link: name the file or the folder itself',
  EISDIR: 'there is a folder of that name: give another `--output`',
  ENAMETOOLONG: 'give a shorter `--output`',
};

/** An error of writing a file, in words for a person. A VgrError stays as it is. */
export function outputError(path: string, thrown: unknown): VgrError {
  if (thrown instanceof VgrError) return thrown;
  const cause = thrown as NodeJS.ErrnoException;
  const code = cause.code ?? '';
  if (FULL.has(code)) {
    return new VgrError('DISK_FULL', `no space left to write ${quoted(path)}`, {
      cause,
      hint: 'free some space and run the same command again: it resumes where it stopped',
    });
  }
  const message = `cannot write ${quoted(path)}: ${printable(cause.message ?? String(thrown))}`;
  return new VgrError('OUTPUT_UNWRITABLE', message, { cause, hint: HINTS[code] });
}

/** An error of reading a file, in words for a person. */
function inputError(path: string, thrown: unknown): VgrError {
  if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') {
    return new VgrError('INPUT_MISSING', `no file ${quoted(path)}`, { cause: thrown });
  }
  const message = `${quoted(path)}: ${asVgrError(thrown).message}`;
  return new VgrError('INPUT_UNREADABLE', message, { cause: thrown });
}

/** The text of a file. @throws VgrError INPUT_MISSING, INPUT_UNREADABLE */
async function readText(path: string): Promise<string> {
  try {
    // Editors of Windows put a mark of the byte order first.
    return (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
  } catch (thrown) {
    throw inputError(path, thrown);
  }
}

/** The text of a file; undefined where there is none. @throws VgrError INPUT_UNREADABLE */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  return readText(path).catch((error: VgrError) => {
    if (error.code === 'INPUT_MISSING') return undefined;
    throw error;
  });
}

/** The value in a JSON file. @throws VgrError INPUT_MISSING, INPUT_UNREADABLE, INPUT_INVALID */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${quoted(path)}: expected JSON: ${asVgrError(cause).message}`;
    throw new VgrError('INPUT_INVALID', message, { cause });
  }
}

/** A file's text in pieces, cut anywhere between characters; of a file that is packed by gzip too. @throws VgrError INPUT_INVALID, INPUT_MISSING, INPUT_UNREADABLE */
export async function* readTextChunks(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  try {
    const bytes = createReadStream(path, { highWaterMark: 256 * 1024 });
    let isFirst = true;
    for await (const chunk of unpacked(path, bytes as AsyncIterable<Buffer>)) {
      if (isFirst) refuseUtf16(path, chunk);
      isFirst = false;
      yield decoder.decode(chunk, { stream: true });
    }
  } catch (thrown) {
    if (thrown instanceof VgrError) throw thrown;
    throw inputError(path, thrown);
  }
}

function refuseUtf16(path: string, [first, second]: Uint8Array): void {
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (!isMarked && first !== 0 && second !== 0) return;
  throw new VgrError('INPUT_INVALID', `${quoted(path)}: expected UTF-8, got UTF-16`, {
    hint: 'convert it: `iconv -f utf-16 -t utf-8 FILE > OTHER`',
  });
}

/** Whether a file is there, or a link to one: no folder, and no pipe that would be waited for. */
export function isFile(path: string): boolean {
  // Of a path that cannot be reached at all `statSync` throws.
  return existsSync(path) && (statSync(path, { throwIfNoEntry: false })?.isFile() ?? false);
}

/** A path with `~/` read from HOME: a shell leaves it as it is behind `--output=`, and nobody reads it in a file or a variable. */
export function fromHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, homedir);
}

/** A path among the state that the system keeps for programs (`XDG_STATE_HOME`, by default `~/.local/state`). */
export function statePath(...parts: readonly string[]): string {
  const { XDG_STATE_HOME, LOCALAPPDATA } = process.env;
  const state = process.platform === 'win32' ? LOCALAPPDATA : XDG_STATE_HOME;
  const root = state && isAbsolute(state) ? state : join(homedir(), '.local', 'state');
  return join(root, 'vgr', ...parts);
}
