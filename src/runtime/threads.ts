import type { Printer } from '../core/terminal.js';
import { type InferenceFlags, inferenceSettings, planDevices, sessionLimits } from './device.js';
import { SessionPool } from './pool.js';

/** The worker threads of a command, with the settings by which they were started. Whoever starts them ends them. */
export type Threads = ReturnType<typeof startThreads>;

/**
 * Starts the worker threads. Commands do this before they import the rest of the program: the threads load the runtime
 * while the main thread reads modules, which hides most of the start-up.
 * @throws VgrError USAGE
 */
export function startThreads(flags: Omit<InferenceFlags, 'detector'>, printer: Printer) {
  const settings = inferenceSettings(flags);
  const plan = planDevices(settings.device);
  const pool = new SessionPool({
    plan,
    sessions: settings.sessions,
    threads: settings.threads,
    ...sessionLimits(flags),
    notice: (text) => printer.note(text),
  });
  return { ...settings, plan, pool, [Symbol.asyncDispose]: () => pool.close() };
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
