import { isDeepStrictEqual } from 'node:util';
import { VgrError } from '../core/error.js';
import type { DecodeOptions, NamedTensors } from '../detect/family.js';
import type { GraphSignature } from '../detect/signature.js';
import {
  type DetectorCard,
  graphsIn,
  type Optimisation,
  type WritingCard,
} from '../formats/model-card.js';
import { type Device, type DevicePlan, deviceText } from './device.js';
import {
  firstLine,
  PooledWorker,
  refusedModel,
  refusedRun,
  WorkerRefusal,
} from './pooled-worker.js';
import type { AnsweredQueries } from './ports.js';
import type { DetectItem, Reply, RequestKind, Requests } from './worker.js';

export interface PoolOptions {
  readonly plan: DevicePlan;
  /** Worker threads, each with one session per model. */
  readonly sessions: number;
  /** Intra-op threads of each session. */
  readonly threads: number;
  /** Told when a planned device does not start, or finds something else than the CPU, and the next one is taken. */
  readonly notice: (text: string) => void;
  /** Longest time for one request to a thread, milliseconds. */
  readonly limitMs?: number;
  /** The run is ended where the process takes more. */
  readonly maxBytes?: number;
  /** The worker's script; tests hand in one that breaks. */
  readonly script?: URL;
}

/** Of {@link PoolOptions.limitMs}: far above what the largest models take on slow machines. */
const DEFAULT_LIMIT_MS = 600_000;

/** How often the memory is looked at, milliseconds. */
const WATCH_MS = 200;

/** Crashes in a row, without one answer between them, after which the pool gives up. */
const CRASH_LIMIT = 8;

/**
 * Sessions in worker threads behind one queue, shared by everything that runs a graph. A worker that ends is replaced; its
 * request rejects with WORKER_CRASHED and may be sent again by its owner, who still knows the photo.
 */
export class SessionPool {
  /** Time that all workers spent on requests, milliseconds. */
  readonly busyMs: Record<RequestKind, number> = {
    load: 0,
    detect: 0,
    encode: 0,
    write: 0,
    run: 0,
    refine: 0,
  };
  readonly #options: PoolOptions;
  readonly #workers = new Set<PooledWorker>();
  readonly #idle: PooledWorker[] = [];
  readonly #files = new Map<string, PlacedFile>();
  readonly #queue: Job[] = [];
  readonly #watch: NodeJS.Timeout;
  /** The thread that works on WebGPU. */
  #gpuWorker: PooledWorker | undefined;
  #crashes = 0;
  #closed = false;
  /** Why nothing is begun any more: a model hangs, or the run has taken too much memory. */
  #fatal: VgrError | undefined;

  constructor(options: PoolOptions) {
    // Before the first thread loads the runtime, which would report to its maker otherwise; see docs/decisions.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    this.#options = options;
    for (let index = 0; index < options.sessions; index++) this.#spawn();
    this.#watch = setInterval(() => this.#refuseMoreMemory(), WATCH_MS).unref();
  }

  /** Where the sessions of the first model run; known once it is loaded. */
  get device(): Device | undefined {
    return this.#files.values().next().value?.device;
  }

  /** Tells the user something of devices. */
  note(text: string): void {
    this.#options.notice(text);
  }

  /** The file of a model that is loaded, and the device of its sessions. */
  placeOf(model: string): PlacedFile | undefined {
    return this.#files.get(model);
  }

  /** Has the sessions of a model run on another device from now on. @throws VgrError MODEL_CORRUPT, DEVICE_UNAVAILABLE */
  async move(model: string, device: Device): Promise<void> {
    const { file } = this.#files.get(model)!;
    for (const worker of this.#workers) worker.loaded.delete(model);
    await this.#task(
      (worker) => this.#loadFirst(worker, file, [device]),
      () => [device],
    );
  }

  /**
   * Makes a model known and loads it into one worker; the others load it when they first need it.
   * @throws VgrError DEVICE_UNAVAILABLE where no planned device starts, MODEL_CORRUPT where the CPU refuses the file
   */
  load(file: ModelFile): Promise<GraphSignature> {
    const devices = () => this.#devicesLeft();
    return this.#task((worker) => this.#loadFirst(worker, file, devices()), devices);
  }

  /** The devices of the plan; those are left out on which the first model did not start. */
  #devicesLeft(): readonly Device[] {
    const { devices } = this.#options.plan;
    const { device } = this;
    const at = devices.findIndex((each) => device && isDeepStrictEqual(each, device));
    return devices.slice(Math.max(0, at));
  }

  /** Runs a detector on one photo. The raster's buffer moves to the worker and comes back with the result. */
  detect(asking: DetectAsking, item: DetectItem): Promise<DetectResult> {
    return new Promise((resolve, reject) => this.#enqueue({ asking, item, resolve, reject }));
  }

  /** Runs any loaded graph. Feeds and rasters are copied, so that a request can be sent again. */
  run(request: Requests['run']): Promise<NamedTensors> {
    const run = async (worker: PooledWorker): Promise<NamedTensors> => {
      await this.#ensureLoaded(worker, request.model);
      return (await worker.ask('run', request)).reply;
    };
    return this.#task(run, () => this.#devicesOf(request.model));
  }

  /** Encodes a photo for a model that writes. The pixels are copied. @returns what is to be kept of the photo */
  encode(request: Requests['encode']): Promise<TimedResult<NamedTensors>> {
    return this.#timedTask('encode', request, request.card);
  }

  /** Has a model that writes answer expressions of one photo. */
  write(request: Requests['write']): Promise<TimedResult<Reply<'write'>>> {
    return this.#timedTask('write', request, request.job.card);
  }

  #timedTask<Kind extends 'encode' | 'write'>(
    kind: Kind,
    request: Requests[Kind],
    card: WritingCard,
  ): Promise<TimedResult<Reply<Kind>>> {
    const names = graphsIn(card);
    const work = async (worker: PooledWorker): Promise<TimedResult<Reply<Kind>>> => {
      for (const name of names) await this.#ensureLoaded(worker, name);
      const { reply, busyMs: ms } = await worker.ask(kind, request);
      return { result: reply, ms };
    };
    return this.#task(work, () => names.flatMap((name) => this.#devicesOf(name)));
  }

  /** Has a block of queries answered by one thread. */
  refine(request: Requests['refine']): Promise<AnsweredQueries> {
    const answer = async (worker: PooledWorker) => (await worker.ask('refine', request)).reply;
    return this.#task(answer, () => []);
  }

  /** Ends all threads. Requests under way reject. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#rejectQueue(new VgrError('WORKER_CRASHED', 'the session pool is closed'));
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  /** @param devices that it may use */
  #task<Result>(
    work: (worker: PooledWorker) => Promise<Result>,
    devices: () => readonly Device[],
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ serve: async (worker) => resolve(await work(worker)), reject, devices });
    });
  }

  #devicesOf(model: string): readonly Device[] {
    const place = this.#files.get(model);
    return place ? [place.device] : [];
  }

  #enqueue(job: Job): void {
    this.#queue.push(job);
    this.#dispatch();
  }

  #dispatch(): void {
    if (this.#fatal) this.#rejectQueue(this.#fatal);
    if (this.#crashes >= CRASH_LIMIT) {
      this.#rejectQueue(
        new VgrError('DEVICE_UNAVAILABLE', `${this.#crashes} worker threads ended in a row`, {
          hint: 'try `--device cpu --sessions 1`, and `vgr models verify` for the model files',
        }),
      );
    }
    for (let at = 0; at < this.#queue.length && this.#idle.length > 0; ) {
      const worker = this.#workerFor(this.#queue[at]!);
      if (!worker) at += 1;
      else void this.#serve(worker, takeBatch(this.#queue, at));
    }
  }

  /**
   * An idle thread for a job; undefined where it must wait. All work on WebGPU is one thread's: the runtime's context belongs to the
   * process, and runs of two threads at a time end it (seen with onnxruntime-node 1.30).
   */
  #workerFor(job: Job): PooledWorker | undefined {
    const devices = 'serve' in job ? job.devices() : this.#devicesOf(job.asking.card.name);
    if (!devices.some(({ name }) => name === 'webgpu')) return this.#idle.shift();
    const at = this.#gpuWorker ? this.#idle.indexOf(this.#gpuWorker) : 0;
    if (at < 0) return undefined;
    [this.#gpuWorker] = this.#idle.splice(at, 1);
    return this.#gpuWorker;
  }

  /** A graph decides what it allocates; the system would end a process that takes too much without a word. */
  #refuseMoreMemory(): void {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    const bytes = process.memoryUsage.rss();
    if (bytes <= maxBytes) return;
    clearInterval(this.#watch);
    const [got, expected] = [bytes, maxBytes].map((count) => `${Math.round(count / 2 ** 20)} MiB`);
    const error = new VgrError('MEMORY_SPENT', `expected to take at most ${expected}, got ${got}`, {
      hint: 'try fewer `--sessions`, smaller photos or another model; `--max-memory` allows more',
    });
    this.#fatal = error;
    this.#rejectQueue(error);
    for (const worker of this.#workers) worker.giveUp(error);
  }

  #rejectQueue(error: VgrError): void {
    for (const job of this.#queue.splice(0)) job.reject(error);
  }

  async #serve(worker: PooledWorker, jobs: readonly Job[]): Promise<void> {
    try {
      const first = jobs[0]!;
      if ('serve' in first) await first.serve(worker);
      else await this.#detect(worker, jobs as readonly DetectJob[]);
      this.#crashes = 0;
    } catch (thrown) {
      const error = thrown instanceof WorkerRefusal ? refusedRun(thrown) : thrown;
      // Whoever waits in the queue may be whom the end of the run waits for.
      if (worker.isStuck) this.#fatal ??= error as VgrError;
      for (const job of jobs) job.reject(error);
    }
    if (this.#workers.has(worker) && !worker.isStuck) this.#idle.push(worker);
    this.#dispatch();
  }

  async #detect(worker: PooledWorker, jobs: readonly DetectJob[]): Promise<void> {
    const { card, options } = jobs[0]!.asking;
    await this.#ensureLoaded(worker, card.name);
    const items = jobs.map(({ item }) => item);
    const { reply, busyMs } = await worker.ask(
      'detect',
      { card, items, options },
      items.map(({ raster }) => raster.data.buffer as ArrayBuffer),
    );
    const ms = busyMs / jobs.length;
    for (const [index, job] of jobs.entries()) job.resolve({ ...reply[index]!, ms });
  }

  async #ensureLoaded(worker: PooledWorker, model: string): Promise<void> {
    if (worker.loaded.has(model)) return;
    const place = this.#files.get(model);
    if (!place) throw new VgrError('INTERNAL', `model \`${model}\` is not loaded`);
    await this.#loadOn(worker, place.file, place.device);
  }

  async #loadFirst(
    worker: PooledWorker,
    file: ModelFile,
    [device, ...others]: readonly Device[],
  ): Promise<GraphSignature> {
    try {
      const signature = await this.#loadOn(worker, file, device!);
      this.#files.set(file.name, { file, device: device! });
      return signature;
    } catch (error) {
      if (!(error instanceof WorkerRefusal)) throw error;
      if (others.length === 0) throw refusedModel(file.name, device!, error);
      this.#options.notice(
        `device ${deviceText(others[0]!)} instead of ${deviceText(device!)}: ${firstLine(error.message)}`,
      );
      return this.#loadFirst(worker, file, others);
    }
  }

  async #loadOn(
    worker: PooledWorker,
    { name, bytes, optimisation }: ModelFile,
    device: Device,
  ): Promise<GraphSignature> {
    const request = { model: name, bytes, device, threads: this.#options.threads, optimisation };
    const { reply } = await worker.ask('load', request);
    const { refusal, ...signature } = reply;
    // Once: the other threads take the same file.
    if (refusal !== undefined && !this.#files.has(name)) {
      const level = optimisation ?? 'all';
      this.#options.notice(
        `${name}: the runtime refuses the graph with optimisation \`${level}\`, so it runs as it is: ${firstLine(refusal)}`,
      );
    }
    worker.loaded.add(name);
    return signature;
  }

  #spawn(): void {
    const script = this.#options.script ?? new URL('./worker.js', import.meta.url);
    const { limitMs = DEFAULT_LIMIT_MS } = this.#options;
    const worker = new PooledWorker(script, limitMs, this.busyMs, this.#replace);
    this.#workers.add(worker);
    this.#idle.push(worker);
  }

  readonly #replace = (ended: PooledWorker, asked?: RequestKind): void => {
    this.#workers.delete(ended);
    if (ended === this.#gpuWorker) this.#gpuWorker = undefined;
    const at = this.#idle.indexOf(ended);
    if (at >= 0) this.#idle.splice(at, 1);
    // Queries that end threads are bounded by who sends them: each is sent twice at most.
    if (asked !== 'refine') this.#crashes += 1;
    if (this.#closed || this.#crashes >= CRASH_LIMIT) return;
    this.#spawn();
    this.#dispatch();
  };
}

/** A model file that was verified against its card. */
export interface ModelFile {
  readonly name: string;
  readonly bytes: SharedArrayBuffer;
  /** How far the runtime may rewrite it; `all` where absent. */
  readonly optimisation?: Optimisation;
}

/** With the time that a thread worked, milliseconds. */
export interface TimedResult<Result> {
  readonly result: Result;
  readonly ms: number;
}

/** A file with the device on which its sessions run. */
export interface PlacedFile {
  readonly file: ModelFile;
  readonly device: Device;
}

export type DetectResult = Reply<'detect'>[number] & {
  /** Its share of the time that a thread worked, milliseconds; waiting is no part of it. */
  readonly ms: number;
};

/** How a detector is asked. Jobs with the same asking may share a batch. */
export interface DetectAsking {
  readonly card: DetectorCard;
  readonly options: DecodeOptions;
  /** Photos that one run may take; 1 where the graph's batch dimension is fixed. */
  readonly batchLimit: number;
}

/** One photo for a detector. */
export interface DetectJob {
  readonly asking: DetectAsking;
  readonly item: DetectItem;
  resolve(result: DetectResult): void;
  reject(error: unknown): void;
}

/** Work that a thread does alone. */
export interface Task {
  serve(worker: PooledWorker): Promise<void>;
  /** Devices that it may use, as of now. */
  devices(): readonly Device[];
  reject(error: unknown): void;
}

export type Job = DetectJob | Task;

/** The job at a place, with as many photos as one run takes: of one shape, whatever waits between them. */
export function takeBatch(queue: Job[], place = 0): Job[] {
  const first = queue.splice(place, 1)[0]!;
  const batch: Job[] = [first];
  if ('serve' in first) return batch;
  const { asking, item } = first;
  for (let at = place; at < queue.length && batch.length < asking.batchLimit; ) {
    const next = queue[at]!;
    const fits =
      'asking' in next &&
      next.asking === asking &&
      next.item.raster.width === item.raster.width &&
      next.item.raster.height === item.raster.height;
    if (fits) batch.push(...queue.splice(at, 1));
    else at += 1;
  }
  return batch;
}
