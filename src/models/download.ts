import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { printable, quoted, VgrError } from '../core/error.js';
import { makeFolder, outputError } from '../core/files.js';
import { type HttpResponse, httpGet, isDistrust, shownAddress } from '../core/http.js';
import { sha256OfFile } from '../runtime/model-store.js';
import type { RemoteFile } from './remote-file.js';

/** A file to bring. */
export interface Download extends RemoteFile {
  /** Where the whole file will be. What is under way is beside it, as `NAME.partial`. */
  readonly target: string;
  /** What the file must be; where it is not pinned yet, a partial file of an earlier run is not continued. */
  readonly pinned?: {
    readonly isRight: (sha256: string) => boolean;
    readonly bytes?: number;
    readonly sha256: string;
  };
  /** Longest time without a byte, milliseconds. */
  readonly stallMs: number;
  /** Time before the second try, milliseconds; twice as long before each further one. Half a second where absent. */
  readonly pauseMs?: number;
  readonly signal: AbortSignal;
  /** Told with the bytes that are here and those of the whole file, where the server says. */
  readonly onProgress: (here: number, whole: number | undefined) => void;
}

/** A file that was brought whole. */
export interface Brought {
  readonly sha256: string;
  readonly bytes: number;
}

/** Where a file is until it is whole. */
export function partialPath(target: string): string {
  return `${target}.partial`;
}

/** Tries in a row that bring not one byte, or in all that start again, after which the download ends. */
const TRIES = 4;
const FIRST_PAUSE_MS = 500;

/** An answer after which the same question may fare better. */
class PassingFailure extends Error {}

/** The server has another idea of the part that is here. */
class StartAgain extends Error {}

/**
 * Downloads a file. A connection that is cut or stalls is taken up where it ended, in this run and in the next one. The
 * target appears whole and as pinned, or not at all.
 * @throws VgrError DOWNLOAD_FAILED, MODEL_CORRUPT where the file is not the pinned one, DISK_FULL, OUTPUT_UNWRITABLE
 */
export async function download(plan: Download): Promise<Brought> {
  const { target, pinned } = plan;
  const partial = partialPath(target);
  await writing(partial, () => makeFolder(dirname(partial)));
  if (!pinned) await rm(partial, { force: true });
  let { isPatched, ...brought } = await bring(plan, partial);
  if (pinned && !pinned.isRight(brought.sha256) && isPatched) {
    // The part that was here may be of another time.
    await rm(partial, { force: true });
    ({ isPatched, ...brought } = await bring(plan, partial));
  }
  if (pinned && !pinned.isRight(brought.sha256)) {
    await rm(partial, { force: true });
    throw new VgrError(
      'MODEL_CORRUPT',
      `${shownAddress(plan.address)}: expected sha256 ${pinned.sha256}, got ${brought.sha256} of ${brought.bytes} bytes; the file was thrown away`,
      { hint: 'somebody changed the file on its way or at its source; nothing of it was used' },
    );
  }
  await writing(target, () => rename(partial, target));
  return brought;
}

/**
 * Asks until the file is whole.
 * @returns `isPatched`: whether it was put together of several answers
 */
async function bring(
  plan: Download,
  partial: string,
): Promise<Brought & { readonly isPatched: boolean }> {
  const isPatched = !(await isWholeAlready(plan, partial)) && (await askUntilWhole(plan, partial));
  const bytes = await sizeOf(partial);
  if (bytes === 0) {
    await rm(partial, { force: true });
    throw otherAnswer(plan, 'not one byte');
  }
  return { sha256: await sha256OfFile(partial), bytes, isPatched };
}

/** What is known of a download under way. */
interface State {
  /** Of the part that is here, as the server named it, if it did. */
  version?: string;
  /** Tries in a row that brought not one byte. */
  idle: number;
  /** Times that the part was thrown away. */
  restarts: number;
}

/** @returns whether the file was put together of several answers */
async function askUntilWhole(plan: Download, partial: string): Promise<boolean> {
  const state: State = { idle: 0, restarts: 0 };
  for (let isPatched = false; ; ) {
    const before = await sizeOf(partial);
    isPatched ||= before > 0;
    try {
      await transfer(plan, partial, before, state);
      return isPatched;
    } catch (thrown) {
      if (thrown instanceof VgrError || plan.signal.aborted) throw thrown;
      const failure = thrown as Error;
      let here = await sizeOf(partial);
      state.idle = here > before ? 0 : state.idle + 1;
      // Of an unnamed version nobody could tell whether what follows is of the same file.
      const isNameless = !plan.pinned && state.version === undefined;
      if (failure instanceof StartAgain || isNameless) {
        await rm(partial, { force: true });
        here = 0;
        state.restarts += 1;
      }
      if (Math.max(state.idle, state.restarts) === TRIES || isDistrust(failure)) {
        throw failedNetwork(plan, here, failure);
      }
    }
    const pause = (plan.pauseMs ?? FIRST_PAUSE_MS) * 2 ** state.idle;
    await sleep(pause, undefined, { signal: plan.signal });
  }
}

/** Whether an earlier run ended between the last byte and the check. */
async function isWholeAlready({ pinned }: Download, partial: string): Promise<boolean> {
  const bytes = await sizeOf(partial);
  if (!pinned || bytes === 0 || bytes !== (pinned.bytes ?? bytes)) return false;
  return pinned.isRight(await sha256OfFile(partial));
}

/** One question and its answer, to the end. */
async function transfer(
  plan: Download,
  partial: string,
  here: number,
  state: State,
): Promise<void> {
  const range: Record<string, string> = here > 0 ? { range: `bytes=${here}-` } : {};
  const answer = await httpGet(plan.address, { ...plan, headers: { ...plan.headers, ...range } });
  try {
    const start = startOf(answer, plan, here);
    if (start !== 'whole') refuseOtherContent(plan, answer);
    const comes = versionOf(answer);
    // What is pinned is known by its sum in the end; servers of one file may call its versions differently.
    if (!plan.pinned && start !== 0 && comes !== state.version) {
      throw new StartAgain('the file has changed at its source');
    }
    state.version = comes;
    if (start === 'whole') return;
    const { 'content-length': length } = answer.headers;
    const whole = length === undefined ? undefined : start + Number(length);
    refuseOtherSize(plan, whole);
    if (whole !== undefined) await refuseFullDisk(partial, whole - start);
    await receive(answer.body, plan, partial, { start, whole });
  } catch (thrown) {
    answer.body.destroy();
    throw thrown;
  }
}

/** The offset from which bytes come; `whole` where all of them are here. */
function startOf(
  { status, headers }: HttpResponse,
  plan: Download,
  here: number,
): number | 'whole' {
  if (status === 200) return 0;
  if (status === 206) {
    const start = /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1];
    if (Number(start) === here) return here;
    throw new StartAgain(`the server went on at byte ${start} instead of ${here}`);
  }
  if (status === 416) {
    if (here === plan.pinned?.bytes) return 'whole';
    throw new StartAgain('the server has fewer bytes than are here');
  }
  if (status === 408 || status === 429 || status >= 500) {
    throw new PassingFailure(`the server answers with status ${status}`);
  }
  throw refusedStatus(plan, status);
}

/** What names the very bytes of a file; a weak tag names bytes that mean the same. */
function versionOf({
  headers: { etag, 'last-modified': modified },
}: HttpResponse): string | undefined {
  return etag === undefined || etag.startsWith('W/') ? modified : etag;
}

/** What is packed, or is a page, is not the file. */
function refuseOtherContent(plan: Download, { headers }: HttpResponse): void {
  const packing = headers['content-encoding'] ?? 'identity';
  if (packing !== 'identity') throw otherAnswer(plan, `it packed as ${quoted(packing)}`);
  const kind = headers['content-type'] ?? '';
  if (!plan.pinned && /^text\/html\b/i.test(kind))
    throw otherAnswer(plan, `a page (${quoted(kind)})`);
}

function refuseOtherSize({ address, pinned }: Download, whole: number | undefined): void {
  if (whole === undefined || pinned?.bytes === undefined || whole === pinned.bytes) return;
  throw new VgrError(
    'MODEL_CORRUPT',
    `${shownAddress(address)}: expected ${pinned.bytes} bytes, the server has ${whole}`,
    { hint: 'the address leads to another file now' },
  );
}

async function refuseFullDisk(partial: string, needed: number): Promise<void> {
  const disk = await statfs(dirname(partial)).catch(() => undefined);
  if (!disk || disk.bavail * disk.bsize >= needed) return;
  throw new VgrError(
    'DISK_FULL',
    `${quoted(partial)}: ${needed} bytes are to come, ${disk.bavail * disk.bsize} are free`,
    { hint: 'free some space, or put models elsewhere with VGR_MODELS_DIR' },
  );
}

async function receive(
  body: HttpResponse['body'],
  plan: Download,
  partial: string,
  { start, whole }: { readonly start: number; readonly whole: number | undefined },
): Promise<void> {
  const limit = plan.pinned?.bytes ?? whole ?? Number.POSITIVE_INFINITY;
  const file = await writing(partial, () => open(partial, start > 0 ? 'r+' : 'w'));
  try {
    let here = start;
    plan.onProgress(here, whole);
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (here + chunk.length > limit) {
        throw new StartAgain(`the server sends more than the ${limit} bytes that it should`);
      }
      await writing(partial, () => writeAt(file, chunk, here));
      here += chunk.length;
      plan.onProgress(here, whole);
    }
    if (whole !== undefined && here < whole) {
      throw new PassingFailure(`the connection ended at byte ${here} of ${whole}`);
    }
    await writing(partial, () => file.sync());
  } finally {
    await file.close();
  }
}

async function writeAt(file: FileHandle, chunk: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, at, chunk.length - at, offset + at);
    at += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** The errors of the disk are told apart from those of the network. */
async function writing<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    throw outputError(path, thrown);
  }
}

/** A status that no further try would change. */
function refusedStatus({ address, isHub }: RemoteFile, status: number): VgrError {
  let hint =
    'the card may be out of date: `vgr models list --json` tells where each model comes from';
  if (status === 401 || status === 403) {
    hint = isHub
      ? 'the model may be gated: accept its terms on its page, and give a token as HF_TOKEN'
      : 'the server wants to know who asks: bring the file yourself, into the folder of the model among your own';
  }
  return new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(address)}: expected a file, got status ${status}`,
    { hint },
  );
}

/** An answer of status 200 that is not the file. */
function otherAnswer({ address }: RemoteFile, got: string): VgrError {
  return new VgrError('DOWNLOAD_FAILED', `${shownAddress(address)}: expected a file, got ${got}`, {
    hint: 'a proxy or a page to log in may have answered in its place',
  });
}

/** The network failed again and again; `here` bytes are kept. */
function failedNetwork({ address, isHub }: RemoteFile, here: number, cause: Error): VgrError {
  const code = (cause as NodeJS.ErrnoException).code;
  const kept = here > 0 ? `; ${here} bytes are kept, and the same command goes on behind them` : '';
  const mirror = isHub ? ', HF_ENDPOINT a mirror of the Hugging Face hub' : '';
  const hint = isDistrust(cause)
    ? 'where a proxy of your own signs what comes, NODE_EXTRA_CA_CERTS names its certificate'
    : `check the network; HTTPS_PROXY names a proxy${mirror}`;
  return new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(address)}: ${printable(cause.message || code || 'the network failed')}${kept}`,
    { hint, cause },
  );
}
