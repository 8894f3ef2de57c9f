import type { Printer } from '../core/terminal.js';
import {
  type DevicePlan,
  type InferenceFlags,
  type InferenceSettings,
  inferenceSettings,
  planDevices,
} from './device.js';
import { SessionPool } from './pool.js';

/** The session pool of a command with the settings it was made by. */
export interface OpenedPool extends InferenceSettings {
  readonly pool: SessionPool;
  readonly plan: DevicePlan;
  /** Ends the threads. May be called again. */
  close(): Promise<void>;
}

/**
 * The flags as `--tune` sets them, where it is given. The measurement is imported only then.
 * @throws VgrError as `tunedFlags`
 */
export async function tuned<Flags extends InferenceFlags & { readonly tune: boolean }>(
  flags: Flags,
  printer: Printer,
): Promise<Flags> {
  if (!flags.tune) return flags;
  const { tunedFlags } = await import('./tuning.js');
  return tunedFlags(flags, printer);
}

/**
 * Starts the worker threads. Commands do this before they import the rest of the program: the threads load the runtime
 * while the main thread reads modules, which hides most of the start-up.
 * @throws VgrError USAGE
 */
export function openPool(flags: InferenceFlags, printer: Printer): OpenedPool {
  const settings = inferenceSettings(flags);
  const plan = planDevices(settings.device);
  const pool = new SessionPool({
    plan,
    sessions: settings.sessions,
    threads: settings.threads,
    notice: (text) => printer.note(text),
  });
  return { ...settings, plan, pool, close: () => pool.close() };
}
