import { Worker } from 'node:worker_threads';
import { printable, VgrError } from '../core/error.js';
import { type Device, deviceText } from './device.js';
import type { Reply, RequestKind, Requests, WorkerMessage, WorkerRequest } from './worker.js';

/**
 * Longest wait for a thread when the pool closes. One that is ended inside native code, be it a request or the loading of the
 * runtime, takes the process along. On a busy machine loading takes seconds; after a signal the process ends by itself before that.
 */
const QUIET_MS = 30_000;

/**
 * Under the limits of a whole process V8 would let the garbage of a thread grow to a hundred megabytes around fifteen that are
 * in use. Tensors and pixels lie outside the heap. The old generation has room for a line of 16 MB, the longest that is read,
 * with its 240,000 boxes; a thread that needs more ends.
 */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 16, maxOldGenerationSizeMb: 1024 };

interface Waiter {
  readonly kind: RequestKind;
  resolve(message: Exclude<WorkerMessage, 'ready'>): void;
  reject(error: VgrError): void;
}

/** One thread, one request at a time. A thread that ends unasked rejects its request with WORKER_CRASHED. */
export class PooledWorker {
  /** Models whose session the thread has. */
  readonly loaded = new Set<string>();
  readonly #worker: Worker;
  #waiter: Waiter | undefined;
  #ended: VgrError | undefined;
  #ready = false;
  /** Whether a request was not answered in time. Native code cannot be stopped, so the thread has not ended, and may never. */
  isStuck = false;

  /**
   * @param limitMs longest time for one request
   * @param busyMs gets the time that the thread works for requests of each kind, milliseconds
   * @param onEnd called once when the thread ends unasked, with the kind of the request that it worked on
   */
  constructor(
    script: URL,
    private readonly limitMs: number,
    private readonly busyMs: Record<RequestKind, number>,
    onEnd: (worker: PooledWorker, asked?: RequestKind) => void,
  ) {
    this.#worker = new Worker(script, {
      stderr: false,
      stdout: false,
      resourceLimits: HEAP_LIMITS,
    });
    this.#worker.on('message', (message: WorkerMessage) => {
      if (message === 'ready') this.#ready = true;
      else this.#settle()?.resolve(message);
    });
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#worker.on('exit', (code) => {
      if (this.#ended) return;
      this.#ended = endedThread(code, cause);
      onEnd(this, this.#waiter?.kind);
      this.#settle()?.reject(this.#ended);
    });
  }

  /**
   * Sends one request. Buffers in `transfer` are gone here afterwards.
   * @throws VgrError WORKER_CRASHED when the thread ends, {@link WorkerRefusal} when the request itself fails
   */
  async ask<Kind extends RequestKind>(
    kind: Kind,
    request: Requests[Kind],
    transfer: ArrayBuffer[] = [],
  ): Promise<{ readonly reply: Reply<Kind>; readonly busyMs: number }> {
    if (this.#ended) throw this.#ended;
    let timer: NodeJS.Timeout | undefined;
    const message = await new Promise<Exclude<WorkerMessage, 'ready'>>((resolve, reject) => {
      this.#waiter = { kind, resolve, reject };
      this.#worker.postMessage({ kind, ...request } as WorkerRequest, transfer);
      timer = setTimeout(() => this.giveUp(hangs(kind, this.limitMs)), this.limitMs);
    }).finally(() => clearTimeout(timer));
    if (!message.ok) throw new WorkerRefusal(message.message, message.mismatch);
    this.busyMs[kind] += message.busyMs;
    return { reply: message.reply as Reply<Kind>, busyMs: message.busyMs };
  }

  /** Rejects the request under way. The thread is not asked again. */
  giveUp(error: VgrError): void {
    this.isStuck = this.#waiter !== undefined;
    this.#settle()?.reject(error);
  }

  /** Ends the thread once it has loaded the runtime and answered the request under way. */
  async terminate(): Promise<void> {
    if (this.isStuck) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, QUIET_MS);
      const check = (): void => {
        const isQuiet = this.#ended !== undefined || (this.#ready && this.#waiter === undefined);
        if (!isQuiet) return;
        clearTimeout(timer);
        resolve();
      };
      this.#worker.on('message', check).on('exit', check);
      check();
    });
    this.#ended ??= new VgrError('WORKER_CRASHED', 'the session pool is closed');
    this.#settle()?.reject(this.#ended);
    await this.#worker.terminate();
  }

  #settle(): Waiter | undefined {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }
}

function hangs(kind: RequestKind, limitMs: number): VgrError {
  const subject = kind === 'refine' ? 'queries were' : 'the model was';
  return new VgrError('MODEL_HANGS', `${subject} not done within ${limitMs / 1000} s`, {
    hint: '`--session-timeout` of `detect`, `refine`, `train-lite` and `models add` allows more time; a model of another source may be faster',
  });
}

function endedThread(code: number, cause: unknown): VgrError {
  if ((cause as NodeJS.ErrnoException | undefined)?.code !== 'ERR_WORKER_OUT_OF_MEMORY') {
    return new VgrError('WORKER_CRASHED', `a worker thread ended with code ${code}`, { cause });
  }
  return new VgrError(
    'WORKER_CRASHED',
    `a worker thread needed a heap of more than ${HEAP_LIMITS.maxOldGenerationSizeMb} MB`,
    { cause, hint: 'has the line thousands of boxes or tools? leave those of low score out' },
  );
}

export function isCrash(thrown: unknown): thrown is VgrError {
  return thrown instanceof VgrError && thrown.code === 'WORKER_CRASHED';
}

/**
 * Does work once more where a thread ends under it.
 * @param endedTwice what is thrown where the second one ends, too; by default the error itself
 */
export async function retriedOnCrash<T>(
  work: () => Promise<T>,
  endedTwice: (error: VgrError) => VgrError = (error) => error,
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!isCrash(thrown)) throw thrown;
  }
  try {
    return await work();
  } catch (thrown) {
    throw isCrash(thrown) ? endedTwice(thrown) : thrown;
  }
}

/** The runtime refused a request; the thread is well. The message is the runtime's own. */
export class WorkerRefusal extends Error {
  /** @param mismatch whether the graph is not what its card says */
  constructor(
    message: string,
    readonly mismatch = false,
  ) {
    super(message);
  }
}

/** Why the first session of a model does not start: the file on the CPU, the device elsewhere. */
export function refusedModel(name: string, device: Device, error: WorkerRefusal): VgrError {
  const reason = firstLine(error.message);
  if (device.name === 'cpu') {
    return new VgrError('MODEL_CORRUPT', `model \`${name}\`: the runtime refuses it: ${reason}`, {
      hint: 'check the file with `vgr models verify`',
      cause: error,
    });
  }
  const cuda =
    'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false';
  return new VgrError(
    'DEVICE_UNAVAILABLE',
    `device \`${deviceText(device)}\` does not start: ${reason}`,
    {
      hint:
        device.name === 'cuda'
          ? `\`${cuda}\` adds the CUDA libraries; \`--device auto\` takes what is there`
          : 'use `--device auto` or `--device cpu`',
      cause: error,
    },
  );
}

/** Why a run fails: the card, which is wrong for every photo, or this photo. */
export function refusedRun(error: WorkerRefusal): VgrError {
  const reason = printable(error.message);
  if (!error.mismatch) return new VgrError('DETECTION_FAILED', `the model does not run: ${reason}`);
  return new VgrError('CARD_INVALID', `the card does not match its graph: ${reason}`, {
    hint: 'correct the card, or let `vgr models add FILE` write one',
  });
}

/** The first line of the runtime's own words, safe to print. */
export function firstLine(text: string): string {
  return printable(withoutPlace(text.split('\n', 1)[0]!).slice(0, 300));
}

/** The runtime begins some messages with the place in its source and the signature there: `/a/model.cc:202 f(int) `. */
function withoutPlace(text: string): string {
  const place = /^\/\S+\.\w+:\d+ /.exec(text);
  if (!place) return text;
  let depth = 0;
  for (let at = place[0].length; at < text.length; at++) {
    if (text[at] === '(') depth += 1;
    if (text[at] !== ')') continue;
    depth -= 1;
    if (depth === 0) return text.slice(at + 1).trimStart() || text;
  }
  return text;
}
