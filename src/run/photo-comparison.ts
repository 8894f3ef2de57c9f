import { readFile, stat } from 'node:fs/promises';
import { PromiseCache } from '../core/lru.js';
import { digest } from '../formats/result-line.js';
import type { PhotoFacts } from '../runtime/ports.js';

/** Items of one photo lie near each other: it is looked at once for them. */
const CAPACITY = 64;
/** Clocks of the machines that keep photos and that run may differ by so much, milliseconds. */
const MAX_SKEW_MS = 10 * 60_000;

/**
 * Compares photos with what they were in an earlier run. One of another size has changed; one that nobody has touched since that run
 * began has not. Of any other, a copy on another machine for example, the bytes are compared: it costs a read, but no answer.
 * @param startedMs when the first run began; without it the bytes decide
 */
export function photoComparison(
  startedMs: number | undefined,
): (path: string, was: PhotoFacts) => Promise<boolean> {
  const since = startedMs === undefined ? Number.NEGATIVE_INFINITY : startedMs - MAX_SKEW_MS;
  const compared = new PromiseCache<boolean>(CAPACITY);
  const isSame = async (path: string, was: PhotoFacts): Promise<boolean> => {
    try {
      const { size, mtimeMs, ctimeMs } = await stat(path);
      if (size !== was.bytes) return false;
      if (Math.max(mtimeMs, ctimeMs) < since) return true;
      return digest(await readFile(path)) === was.sha256;
    } catch {
      // Nothing tells that a photo has changed that cannot be read any more.
      return true;
    }
  };
  return (path, was) =>
    compared.getOrMake(`${was.bytes} ${was.sha256} ${path}`, () => isSame(path, was));
}
