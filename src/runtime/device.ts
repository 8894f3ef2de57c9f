import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import type { TaskName } from '../formats/model-card.js';

/** Where sessions run. `index` is the number of the GPU. */
export interface Device {
  readonly name: 'cpu' | 'cuda' | 'webgpu' | 'dml' | 'coreml';
  readonly index?: number;
}

/** Devices to try in order, and why the ones before them are out of the question. */
export interface DevicePlan {
  readonly devices: readonly Device[];
  /** One clause for each device of `auto` that is not tried. */
  readonly skipped: readonly string[];
}

/** `cuda`, `cuda:1`, `webgpu`, ... @throws VgrError USAGE */
export function parseDevice(text: string): Device | 'auto' {
  if (text === 'auto') return 'auto';
  const match = /^(?:(cpu|webgpu|dml|coreml)|cuda(?::(\d{1,3}))?)$/.exec(text);
  if (!match) {
    throw new VgrError(
      'USAGE',
      `--device: expected auto, cpu, cuda, cuda:N, webgpu, dml or coreml, got ${quoted(text)}`,
    );
  }
  if (match[1]) return { name: match[1] as Device['name'] };
  return match[2] === undefined ? { name: 'cuda' } : { name: 'cuda', index: Number(match[2]) };
}

/** The device as a user writes it. */
export function deviceText(device: Device): string {
  return device.index === undefined ? device.name : `${device.name}:${device.index}`;
}

/**
 * What `auto` tries. Backends that cannot work here are left out beforehand: their native code writes warnings straight
 * to stderr, where `--quiet` cannot reach them.
 */
export function planDevices(requested: Device | 'auto'): DevicePlan {
  if (requested !== 'auto') return { devices: [requested], skipped: [] };
  const all = candidates();
  const devices = all.filter(([, obstacle]) => !obstacle).map(([name]): Device => ({ name }));
  const skipped = all.flatMap(([name, obstacle]) => (obstacle ? `${name}: ${obstacle}` : []));
  return { devices: [...devices, { name: 'cpu' }], skipped };
}

/** Devices beside the CPU in the order of preference, each with what speaks against it. */
function candidates(): readonly (readonly [Device['name'], string?])[] {
  if (process.platform === 'win32') return [['dml']];
  if (process.platform !== 'linux') return [['webgpu']];
  return [
    ['cuda', cudaObstacle()],
    ['webgpu', vulkanObstacle()],
  ];
}

function cudaObstacle(): string | undefined {
  const require = createRequire(import.meta.url);
  const root = dirname(require.resolve('onnxruntime-node/package.json'));
  const native = join(root, 'bin', 'napi-v6', process.platform, process.arch);
  if (!existsSync(join(native, 'libonnxruntime_providers_cuda.so')))
    return 'libraries not installed';
  return existsSync('/dev/nvidia0') || existsSync('/dev/dxg') ? undefined : 'no NVIDIA device';
}

function vulkanObstacle(): string | undefined {
  const hasNode =
    existsSync('/dev/nvidia0') ||
    (existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD')));
  if (!hasNode) return 'no GPU device';
  return findVulkanLoader() ? undefined : 'no Vulkan loader (libvulkan.so.1)';
}

function findVulkanLoader(): boolean {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const folders = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== ''),
    `/usr/lib/${triplet}`,
    `/lib/${triplet}`,
    '/usr/lib64',
    '/usr/lib',
    '/usr/local/lib',
  ];
  return folders.some((folder) => existsSync(join(folder, 'libvulkan.so.1')));
}

/** Flags that decide what a detector finds, as the parser gives them. */
export interface DetectorFlags {
  readonly 'input-size'?: number | undefined;
  readonly classes?: string | undefined;
  readonly task?: TaskName | undefined;
  readonly nms?: number | undefined;
  readonly 'min-score'?: number | undefined;
  readonly 'max-detections'?: number | undefined;
}

/** The flags of `inferenceFlags` as the parser gives them. */
export interface InferenceFlags extends DetectorFlags {
  /** See {@link detectorNames}. */
  readonly detector: readonly string[];
  readonly device: string;
  readonly sessions?: number | undefined;
  readonly threads?: number | undefined;
  readonly 'session-timeout'?: number | undefined;
  readonly 'max-memory'?: string | undefined;
  readonly 'batch-size'?: number | undefined;
}

/** The detectors of a run, the tool first; none with `--detector none`. @throws VgrError USAGE */
export function detectorNames(given: readonly string[]): readonly string[] {
  if (given.length === 1 && given[0] === 'none') return [];
  if (!given.includes('none')) return given;
  throw new VgrError('USAGE', '--detector: expected `none` alone, got it beside others');
}

/** More threads than this, each with sessions of its own, cost more memory than they bring speed. */
const MAX_SESSIONS = 8;
const GPU_BATCH = 8;

/**
 * Sessions and threads: `sessions x threads` never exceeds the cores unless both are given. On the CPU one thread a session is
 * fastest, since threads of one session wait for each other; a GPU gets one session.
 */
export function inferenceSettings(flags: Omit<InferenceFlags, 'detector'>) {
  const device = parseDevice(flags.device);
  const onCpu = device === 'auto' || device.name === 'cpu';
  const cores = availableParallelism();
  const wanted = flags.sessions ?? Math.floor(cores / (flags.threads ?? 1));
  const sessions = flags.sessions ?? (onCpu ? Math.min(Math.max(wanted, 1), MAX_SESSIONS) : 1);
  const threads = flags.threads ?? Math.max(1, Math.floor(cores / sessions));
  return { device, sessions, threads, batchSize: flags['batch-size'] ?? (onCpu ? 1 : GPU_BATCH) };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `2g`, `800m` or a number of bytes. @throws VgrError USAGE */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmg]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toLowerCase()]! : 0;
  if (bytes >= 1 && Number.isFinite(bytes)) return Math.floor(bytes);
  throw new VgrError(
    'USAGE',
    `--max-memory: expected a size such as 800m or 2g, got ${quoted(text)}`,
  );
}

/** Of the machine, or of the container. Bytes. */
export function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** What a run may take beyond `--max-memory`, which is an estimate, before it is ended. Bytes. */
const MEMORY_MARGIN = 2 ** 30;
/** Without `--max-memory`: what is free at the start belongs to others too. */
const FREE_SHARE = 0.8;
/** Decoding alone may take a quarter, and what is free for the asking is told as taken on some systems. */
const LEAST_SHARE = 0.5;

/** Limits of time and memory for what runs in the threads. @throws VgrError USAGE */
export function sessionLimits(flags: Pick<InferenceFlags, 'session-timeout' | 'max-memory'> = {}) {
  const { 'session-timeout': seconds, 'max-memory': given } = flags;
  const machine = machineMemory();
  const free = Math.min(freemem(), machine);
  const maxBytes =
    given === undefined
      ? Math.max(FREE_SHARE * free, LEAST_SHARE * machine)
      : parseMemory(given) + MEMORY_MARGIN;
  return { limitMs: seconds && seconds * 1000, maxBytes };
}
