import { availableParallelism } from 'node:os';
import { quoted, VgrError } from '../formats/fault.js';
import type { Device } from '../inference/device.js';
import { parseDevice } from '../inference/device.js';

/** The flags of `inferenceFlags` as the parser gives them. */
export interface InferenceFlags {
  readonly detector: string;
  readonly device: string;
  readonly sessions?: number | undefined;
  readonly threads?: number | undefined;
  readonly 'batch-size'?: number | undefined;
  readonly 'input-size'?: number | undefined;
  readonly classes?: string | undefined;
  readonly nms?: string | undefined;
  readonly 'min-score'?: string | undefined;
  readonly 'max-detections'?: number | undefined;
}

export interface InferenceSettings {
  readonly device: Device | 'auto';
  readonly sessions: number;
  readonly threads: number;
  readonly batchSize: number;
}

/** More threads than this, each with sessions of its own, cost more memory than they bring speed. */
const MOST_SESSIONS = 8;
const GPU_BATCH = 8;

/**
 * Sessions and threads: `sessions x threads` never exceeds the cores unless both are given. On the CPU one thread a session is
 * fastest, since threads of one session wait for each other; a GPU gets one session.
 */
export function inferenceSettings(flags: InferenceFlags): InferenceSettings {
  const device = parseDevice(flags.device);
  const onCpu = device === 'auto' || device.name === 'cpu';
  const cores = availableParallelism();
  const wanted = flags.sessions ?? Math.floor(cores / (flags.threads ?? 1));
  const sessions = flags.sessions ?? clamp(onCpu ? wanted : 1, 1, MOST_SESSIONS);
  const threads = flags.threads ?? Math.max(1, Math.floor(cores / sessions));
  return { device, sessions, threads, batchSize: flags['batch-size'] ?? (onCpu ? 1 : GPU_BATCH) };
}

/** `--min-score`. @throws VgrError USAGE */
export function parseFraction(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new VgrError('USAGE', `--${flag}: expected a number from 0 to 1, got ${quoted(text)}`);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
