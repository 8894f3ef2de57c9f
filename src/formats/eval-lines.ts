import { recordFault } from './eval-place.js';
import { quoted, VgrError } from './fault.js';

/** A line of a JSONL file as the reader gives it: its text, or why it has none. Numbers count from 1. */
export type EvalLine =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly fault: VgrError };

export type EvalLines = AsyncIterable<EvalLine> | Iterable<EvalLine>;

/**
 * Reads a file of JSON lines. An evaluation stops at the first line that is not one: a number over the rest would be wrong.
 * @param source name of the file, for messages
 * @param read makes what is wanted of the value of a line
 * @throws VgrError INPUT_INVALID that names file and line, also for a file without lines
 */
export async function* readJsonLines<T>(
  lines: EvalLines,
  source: string,
  read: (value: unknown, line: number) => T,
): AsyncGenerator<T> {
  let isEmpty = true;
  for await (const line of lines) {
    if ('fault' in line) throw rethrown(line.fault, source);
    isEmpty = false;
    yield read(parsed(line.text, line.number, source), line.number);
  }
  if (isEmpty) throw recordFault({ source }, 'the file has no lines');
}

function parsed(text: string, line: number, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw recordFault(
      { source, line },
      `expected a JSON object, got ${quoted(text, 60)}`,
      hintFor(text),
    );
  }
}

/** What may be wrong with a text that is no JSON. */
export function hintFor(text: string): string {
  const token = /(?<![\w"])-?(?:NaN|Infinity)(?![\w"])/.exec(text);
  if (token) return `${token[0]} is no number in JSON; write the file again without it`;
  if (/^\s*\{/.test(text) && !/\}\s*$/.test(text)) {
    return 'the line ends in the middle; was the file cut while it was written or copied?';
  }
  return 'check the file with `jq . FILE`';
}

function rethrown(fault: VgrError, source: string): VgrError {
  return new VgrError('INPUT_INVALID', `${quoted(source)}, ${fault.message}`, {
    cause: fault,
    ...(fault.hint !== undefined && { hint: fault.hint }),
  });
}
