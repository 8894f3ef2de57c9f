import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from './atomic-file.js';
import { statePath } from './state-folder.js';

/** What a measurement holds for. Another model, machine or runtime is measured anew. */
export interface TuningKey {
  readonly model_sha256: string;
  readonly device: string;
  /** `--input-size`, where it is given. */
  readonly input_size?: number;
  readonly processor: string;
  readonly cores: number;
  readonly runtime: string;
}

/** How a detector's work is split, and how fast that was. */
export interface Tuning {
  readonly sessions: number;
  readonly threads: number;
  readonly batch: number;
  /** Photos a second, without decoding. */
  readonly rate: number;
}

function pathOf(key: TuningKey): string {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex');
  return statePath('tuning', `${hash.slice(0, 32)}.json`);
}

/** Remembers a measurement. Never fails: where nothing can be written, nothing is remembered. */
export async function rememberTuning(key: TuningKey, tuning: Tuning): Promise<void> {
  await writeFileAtomic(pathOf(key), [`${JSON.stringify({ ...key, ...tuning })}\n`]).catch(
    () => undefined,
  );
}

/** What was measured; undefined where nothing was, or where the file is none of ours. */
export async function recallTuning(key: TuningKey): Promise<Tuning | undefined> {
  try {
    const { sessions, threads, batch, rate } = JSON.parse(await readFile(pathOf(key), 'utf8'));
    const counts = [sessions, threads, batch];
    const valid = counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 256);
    return valid && typeof rate === 'number' ? { sessions, threads, batch, rate } : undefined;
  } catch {
    return undefined;
  }
}
