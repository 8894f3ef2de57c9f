import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { printable, quoted, VgrError } from '../core/error.js';
import { makeFolder, moveFile, onDisk, openOwnFile, synced } from '../core/files.js';
import {
  type HttpResponse,
  httpGet,
  isDistrust,
  retryAfterOf,
  shownAddress,
} from '../core/http.js';
import { parsedJson } from '../core/text.js';
import { readOnnx, sha256OfFile } from '../runtime/model-store.js';
import type { RemoteFile } from './remote-file.js';

/** A file to download. */
export interface Download extends RemoteFile {
  /** Path of the whole file; {@link partialPath} until then. */
  readonly target: string;
  /** Without it a partial file of an earlier run is not continued. */
  readonly pinned?: Pinned;
  /** Longest time without a byte, milliseconds. */
  readonly stallMs: number;
  /** Time before the second try, milliseconds; twice as long before each further one. Half a second where absent. */
  readonly pauseMs?: number;
  /** Over which the speed is looked at, milliseconds; a minute where absent. */
  readonly slowMs?: number;
  readonly signal: AbortSignal;
  /** Called with the bytes that are here and those of the whole file, where the server says. */
  readonly onProgress: (here: number, whole: number | undefined) => void;
}

/** What a file must be. */
export interface Pinned {
  readonly isRight: (sha256: string) => boolean;
  readonly bytes?: number;
  readonly sha256: string;
}

/** A whole file. */
export interface Downloaded {
  readonly sha256: string;
  readonly bytes: number;
}

/** Where a file is until it is whole. */
export function partialPath(target: string): string {
  return `${target}.partial`;
}

/** The download ends after so many tries in a row without a byte, or after so many restarts in all. */
const TRIES = 4;
const FIRST_PAUSE_MS = 500;
/** Of a file whose size nobody has pinned: the runtime takes no larger one. */
const MAX_BYTES = 2 ** 31 - 1;
/** A server that sends less than this over {@link SLOW_MS} is given up. */
const MIN_BYTES_A_SECOND = 1024;
const SLOW_MS = 60_000;

/** The file of the server does not fit the part that was downloaded. */
class StartAgain extends Error {}

/** The server wants to be left alone for a while. */
class Wait extends Error {
  constructor(
    message: string,
    readonly ms: number | undefined,
  ) {
    super(message);
  }
}

/** What the hub says of a file before it leads to where the file lies. */
interface Linked {
  readonly bytes?: number;
  /** Of a large file its sha256, of a small one the SHA-1 of its git object. */
  readonly hash?: string;
}

/** The server sends, but too little for the end to come. */
class TooSlow extends Error {}

/**
 * Downloads a file. A connection that breaks or stalls is resumed where it ended, in this run and in the next one. The target
 * appears whole and as pinned, or not at all.
 * @throws VgrError DOWNLOAD_FAILED, MODEL_CORRUPT where the file is not the pinned one, DISK_FULL, OUTPUT_UNWRITABLE
 */
export async function download(plan: Download): Promise<Downloaded> {
  const { target, pinned } = plan;
  const partial = partialPath(target);
  await onDisk(partial, () => makeFolder(dirname(partial)));
  if (!pinned) await rm(partial, { force: true });
  const transfer = new Transfer(plan, partial);
  let file = await transfer.finish().catch(async (thrown) => {
    // The next run would not go on with it.
    if (!pinned) await rm(partial, { force: true });
    throw thrown;
  });
  if (pinned && !pinned.isRight(file.sha256) && transfer.isPatched) {
    // The part of an earlier answer may be of another version.
    await rm(partial, { force: true });
    file = await transfer.finish();
  }
  if (pinned && !pinned.isRight(file.sha256)) {
    await rm(partial, { force: true });
    throw new VgrError(
      'MODEL_CORRUPT',
      `${shownAddress(plan.address)}: expected sha256 ${pinned.sha256}, got ${file.sha256} of ${file.bytes} bytes; the file was deleted`,
      { hint: 'the file was changed on its way or at its source; nothing of it was used' },
    );
  }
  await onDisk(target, () => moveFile(partial, target));
  return file;
}

/** A download under way. */
class Transfer {
  /** Whether the file was put together of several answers. */
  isPatched = false;
  /** Bytes of all answers. */
  #received = 0;
  /** Of the part that is here, as the server named it, if it did. */
  #version: string | undefined;
  /** Of the last answer. */
  #linked: Linked = {};

  constructor(
    private readonly plan: Download,
    private readonly partial: string,
  ) {}

  /** Asks until the file is whole. */
  async finish(): Promise<Downloaded> {
    this.isPatched = false;
    if (!(await this.#isWholeAlready())) await this.#askUntilWhole();
    const bytes = await sizeOf(this.partial);
    if (bytes === 0) {
      await rm(this.partial, { force: true });
      throw otherAnswer(this.plan, 'an empty one');
    }
    const file = { sha256: await sha256OfFile(this.partial), bytes };
    if (!this.plan.pinned) await this.#refuseOtherFile(file);
    return file;
  }

  /** Of a file that nobody has pinned: whether it is what the hub says, and what its name says. */
  async #refuseOtherFile({ sha256, bytes }: Downloaded): Promise<void> {
    const { plan, partial } = this;
    const { bytes: stated, hash = '' } = this.#linked;
    if (stated !== undefined && stated !== bytes) {
      throw otherAnswer(plan, `one of ${bytes} bytes, where the hub says ${stated}`);
    }
    const own =
      hash.length === 64 ? sha256 : hash.length === 40 ? await gitHash(partial, bytes) : hash;
    if (own !== hash) throw otherAnswer(plan, `one of hash ${own}, where the hub says ${hash}`);
    const wrong = await wrongContent(partial, plan.target);
    if (wrong !== undefined) throw otherAnswer(plan, wrong);
  }

  /** Whether an earlier run ended between the last byte and the check. */
  async #isWholeAlready(): Promise<boolean> {
    const { pinned } = this.plan;
    const bytes = await sizeOf(this.partial);
    if (!pinned || bytes === 0 || bytes !== (pinned.bytes ?? bytes)) return false;
    return pinned.isRight(await sha256OfFile(this.partial));
  }

  async #askUntilWhole(): Promise<void> {
    const { pinned, signal, pauseMs = FIRST_PAUSE_MS } = this.plan;
    this.#version = undefined;
    for (let idle = 0, restarts = 0; ; ) {
      const before = await sizeOf(this.partial);
      this.isPatched ||= before > 0;
      const failure = await this.#ask(before).then(
        () => undefined,
        (thrown: Error) => thrown,
      );
      if (!failure) return;
      if (failure instanceof VgrError || signal.aborted) throw failure;
      let here = await sizeOf(this.partial);
      idle = here > before ? 0 : idle + 1;
      // Without a version nothing tells whether the next answer is of the same file.
      const isNameless = !pinned && this.#version === undefined;
      if (failure instanceof StartAgain || isNameless) {
        await rm(this.partial, { force: true });
        here = 0;
        restarts += 1;
      }
      const isFinal = isDistrust(failure) || failure instanceof TooSlow;
      if (isFinal || Math.max(idle, restarts) === TRIES) {
        throw networkFailed(this.plan, here, failure);
      }
      const asked = (failure instanceof Wait ? failure.ms : undefined) ?? 0;
      await sleep(Math.max(pauseMs * 2 ** idle, asked), undefined, { signal });
    }
  }

  /** One request and its answer, to the end. A server may also drip headers, or what lies between the pieces of a body. */
  async #ask(here: number): Promise<void> {
    const { signal, slowMs = SLOW_MS } = this.plan;
    const slow = new AbortController();
    let before = this.#received;
    const watch = setInterval(() => {
      const least = (slowMs / 1000) * MIN_BYTES_A_SECOND;
      if (this.#received - before < least) {
        slow.abort(new TooSlow('the server sends less than 1 KiB/s'));
      }
      before = this.#received;
    }, slowMs);
    try {
      await this.#answered(here, AbortSignal.any([signal, slow.signal]));
    } catch (thrown) {
      throw slow.signal.aborted ? slow.signal.reason : thrown;
    } finally {
      clearInterval(watch);
    }
  }

  async #answered(here: number, signal: AbortSignal): Promise<void> {
    const { address, pinned } = this.plan;
    const range: Record<string, string> = here > 0 ? { range: `bytes=${here}-` } : {};
    const headers = { ...this.plan.headers, ...range };
    const answer = await httpGet(address, { ...this.plan, headers, signal });
    this.#linked = this.plan.isHub ? linkedOf(answer) : {};
    try {
      const start = startOf(answer, this.plan, here);
      if (start !== 'whole') refuseOtherContent(this.plan, answer);
      const version = versionOf(answer);
      // A pinned file is checked in the end; servers of one file may name its versions differently.
      if (!pinned && start !== 0 && version !== this.#version) {
        throw new StartAgain('the file has changed at its source');
      }
      this.#version = version;
      if (start === 'whole') return;
      const { 'content-length': length } = answer.headers;
      const whole = length === undefined ? undefined : start + Number(length);
      if (whole !== undefined && whole !== (pinned?.bytes ?? whole)) {
        throw new VgrError(
          'MODEL_CORRUPT',
          `${shownAddress(address)}: expected ${pinned?.bytes} bytes, the server has ${whole}`,
          { hint: 'the address leads to another file now' },
        );
      }
      if (whole !== undefined) await refuseFullDisk(this.partial, whole - start);
      await this.#receive(answer.body, start, whole);
    } catch (thrown) {
      answer.body.destroy();
      throw thrown;
    }
  }

  /** @param whole bytes of the whole file, where the server says */
  async #receive(
    body: HttpResponse['body'],
    start: number,
    whole: number | undefined,
  ): Promise<void> {
    const { pinned, onProgress } = this.plan;
    const limit = pinned?.bytes ?? whole ?? MAX_BYTES;
    if (!pinned && limit > MAX_BYTES) throw otherAnswer(this.plan, `one of ${limit} bytes`);
    const file = await onDisk(this.partial, () => openPartial(this.partial, start));
    try {
      let here = start;
      onProgress(here, whole);
      for await (const chunk of body as AsyncIterable<Buffer>) {
        if (here + chunk.length > limit) {
          if (limit === MAX_BYTES) throw otherAnswer(this.plan, `more than ${limit} bytes`);
          throw new StartAgain(`the server sends more than the ${limit} bytes that it should`);
        }
        await onDisk(this.partial, () => file.appendFile(chunk));
        here += chunk.length;
        this.#received += chunk.length;
        onProgress(here, whole);
      }
      // Without a length the end of a cut answer looks like that of a whole one.
      const expected = whole ?? pinned?.bytes ?? this.#linked.bytes;
      if (expected !== undefined && here < expected) {
        throw new Error(`the connection ended at byte ${here} of ${expected}`);
      }
      await onDisk(this.partial, () => synced(() => file.sync()));
    } finally {
      await file.close();
    }
  }
}

/** Opens the part of a file to append to, which has so many bytes. */
async function openPartial(partial: string, bytes: number): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT } = constants;
  const file = await openOwnFile(partial, O_WRONLY | O_APPEND | O_CREAT);
  await file.truncate(bytes);
  return file;
}

/** The offset from which bytes come; `whole` where all of them are here. */
function startOf(answer: HttpResponse, plan: Download, here: number): number | 'whole' {
  const { status, headers } = answer;
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
    throw new Wait(`the server answers with status ${status}`, retryAfterOf(headers));
  }
  const { text, hint } = plan.isHub ? hubRefusal(answer, plan) : refusal(status, plan);
  throw failed(plan, `expected a file, got status ${status}${text}`, hint);
}

const OUT_OF_DATE =
  'the card may be out of date: `vgr models list --json` shows where each model comes from';

function refusal(status: number, { target }: Download) {
  const isLogin = status === 401 || status === 403;
  const login = `the server requires a login: download the file yourself, to ${quoted(target)}`;
  return { text: '', hint: isLogin ? login : OUT_OF_DATE };
}

/** Why the hub gives no file. @see https://huggingface.co/docs/huggingface_hub, errors, `X-Error-Code` */
function hubRefusal({ status, headers, address }: HttpResponse, plan: Download) {
  const hasToken = plan.headers.authorization !== undefined;
  const code = String(headers['x-error-code'] ?? '');
  const words = String(headers['x-error-message'] ?? '');
  const text = words === '' ? '' : `: ${printable(words).slice(0, 200)}`;
  const token = hasToken
    ? 'the token has no access: it may be of another account, or may not read this repository'
    : 'give a token as HF_TOKEN, or log in with `hf auth login`';
  if (address && address.host !== plan.address.host) {
    const hint = `${address.host}, where the hub keeps files, refuses: the link may have expired, so try again; a proxy or firewall may block that host`;
    return { text: ` of ${address.host}${text}`, hint };
  }
  if (code === 'GatedRepo') {
    return { text, hint: `the model is gated: accept its terms on its page; ${token}` };
  }
  if (code === 'RevisionNotFound' || code === 'EntryNotFound') {
    const what = code === 'EntryNotFound' ? 'the file' : 'the revision';
    return { text, hint: `${what} is no longer in the repository; ${OUT_OF_DATE}` };
  }
  if (code === 'DisabledRepo' || /disabled/i.test(words)) {
    return { text, hint: 'the hub has disabled the repository: use another model' };
  }
  if (code === 'RepoNotFound' || status === 401) {
    return { text, hint: `the repository is private, or is not there any more; ${token}` };
  }
  if (status === 403) return { text, hint: `the model may be gated; ${token}` };
  return { text, hint: OUT_OF_DATE };
}

/** What the hub's own answer, or the redirect from it, says of the file. */
function linkedOf({ headers, redirects = [] }: HttpResponse): Linked {
  const first = redirects[0] ?? headers;
  const size = Number(first['x-linked-size']);
  const tag = String(first['x-linked-etag'] ?? '')
    .replace(/^W\//, '')
    .replaceAll('"', '');
  return {
    bytes: size > 0 ? size : undefined,
    hash: /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(tag) ? tag : undefined,
  };
}

/** The name that git gives a file by its content. */
async function gitHash(path: string, bytes: number): Promise<string> {
  const hash = createHash('sha1').update(`blob ${bytes}\0`);
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** What a file is in place of what its name says; undefined where it may be that. */
async function wrongContent(path: string, target: string): Promise<string | undefined> {
  const file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
  await file.close();
  const start = buffer.subarray(0, bytesRead).toString('latin1').trimStart();
  if (start.startsWith('version https://git-lfs')) return 'a pointer of git-lfs';
  if (/^<(?:!doctype|html|\?xml)/i.test(start)) return 'a page';
  const isJson = target.endsWith('.json');
  if (!isJson && /^[{[]\s*["{[\]}]/.test(start)) return `JSON, ${quoted(start.slice(0, 80))}`;
  if (isJson && parsedJson(await readFile(path, 'utf8')) === undefined) return 'no whole JSON';
  if (!target.endsWith('.onnx')) return undefined;
  const isWhole = await readOnnx(await readFile(path), target).then(
    () => true,
    (thrown: VgrError) => thrown.code !== 'MODEL_CORRUPT',
  );
  return isWhole ? undefined : 'no whole ONNX file';
}

/** What names the very bytes of a file; a weak tag names bytes that mean the same. */
function versionOf({
  headers: { etag, 'last-modified': modified },
}: HttpResponse): string | undefined {
  return etag === undefined || etag.startsWith('W/') ? modified : etag;
}

/** A compressed answer or a page is not the file. */
function refuseOtherContent(plan: Download, { headers }: HttpResponse): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw otherAnswer(plan, `one compressed with ${quoted(encoding)}`);
  const kind = headers['content-type'] ?? '';
  if (!plan.pinned && /^text\/html\b/i.test(kind))
    throw otherAnswer(plan, `a page (${quoted(kind)})`);
}

async function refuseFullDisk(partial: string, needed: number): Promise<void> {
  const disk = await statfs(dirname(partial)).catch(() => undefined);
  if (!disk || disk.bavail * disk.bsize >= needed) return;
  throw new VgrError(
    'DISK_FULL',
    `${quoted(partial)}: ${needed} bytes are needed, ${disk.bavail * disk.bsize} are free`,
    { hint: 'free some space, or put models elsewhere with VGR_MODELS_DIR' },
  );
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** An answer of status 200 that is not the file. */
function otherAnswer(file: RemoteFile, got: string): VgrError {
  const hint = 'a proxy or a login page may have answered instead';
  return failed(file, `expected a file, got ${got}`, hint);
}

/** The network failed in all tries; `here` bytes of a pinned file are kept. */
function networkFailed(file: Download, here: number, cause: Error): VgrError {
  const code = (cause as NodeJS.ErrnoException).code;
  const kept =
    here > 0 && file.pinned
      ? `; ${here} bytes are kept, and the same command resumes after them`
      : '';
  const mirror = file.isHub ? ', HF_ENDPOINT a mirror of the Hugging Face hub' : '';
  const hint = isDistrust(cause)
    ? 'if your proxy signs connections itself, NODE_EXTRA_CA_CERTS names its certificate'
    : `check the network; HTTPS_PROXY names a proxy${mirror}`;
  const reason = printable(cause.message || code || 'the network failed');
  return failed(file, `${reason}${kept}`, hint, cause);
}

function failed({ address }: RemoteFile, text: string, hint: string, cause?: Error): VgrError {
  return new VgrError('DOWNLOAD_FAILED', `${shownAddress(address)}: ${text}`, { hint, cause });
}
