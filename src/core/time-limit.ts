import { Script } from 'node:vm';

/** A script has a time limit, a function has none: the script calls the work, which it finds here. */
const KEY = 'vgr:work';
const global = globalThis as { [KEY]?: () => void };
const script = new Script(`globalThis[${JSON.stringify(KEY)}]()`);

/**
 * Does synchronous work that may never end, such as matching a foreign pattern, and stops it after `limitMs` milliseconds.
 * @throws {Error} with the code ERR_SCRIPT_EXECUTION_TIMEOUT when it is stopped; whatever the work throws
 */
export function withinTime<T>(limitMs: number, work: () => T): T {
  let result: { readonly value: T } | undefined;
  global[KEY] = () => {
    result = { value: work() };
  };
  try {
    script.runInThisContext({ timeout: limitMs });
    return result!.value;
  } finally {
    delete global[KEY];
  }
}
