import type { z } from 'zod';
import { readJson, statePath, writeFileAtomic } from '../core/files.js';
import { sha256Of } from '../core/text.js';

/** What was found out once, and holds as long as its key does. The key is written beside it, for people. */
type Key = Readonly<Record<string, string | number | undefined>>;

function pathOf(kind: string, key: Key): string {
  return statePath(kind, `${sha256Of(JSON.stringify(key)).slice(0, 32)}.json`);
}

/** Remembers a finding. Never fails: where nothing can be written, nothing is remembered. */
export async function remember(kind: string, key: Key, finding: object): Promise<void> {
  const text = `${JSON.stringify({ ...key, ...finding })}\n`;
  await writeFileAtomic(pathOf(kind, key), [text]).catch(() => undefined);
}

/** A finding; undefined where there is none, or where the file holds something else. */
export async function recalled<Finding>(
  kind: string,
  key: Key,
  shape: z.ZodType<Finding>,
): Promise<Finding | undefined> {
  try {
    return shape.parse(await readJson(pathOf(kind, key)));
  } catch {
    return undefined;
  }
}
