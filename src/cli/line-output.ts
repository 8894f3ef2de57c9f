import { lineJson, type OutputLine, serialiseLine } from '../formats/result-line.js';
import { humanLine, paintFor } from './human-lines.js';
import type { Printer } from './printer.js';

export type LineFormat = 'jsonl' | 'json' | 'human' | 'none';

/** Where lines go on stdout when the user does not say: to people readable, to pipes as JSONL, not at all beside a folder. */
export function defaultFormat(options: {
  readonly toFolder: boolean;
  readonly quiet: boolean;
}): LineFormat {
  if (process.stdout.isTTY && !options.quiet) return 'human';
  return options.toFolder ? 'none' : 'jsonl';
}

/** Writes lines to stdout in one of the formats. */
export interface LineOutput {
  write(line: OutputLine): Promise<void>;
  close(): Promise<void>;
}

export function lineOutput(format: LineFormat, printer: Printer): LineOutput {
  if (format === 'none') return { write: async () => undefined, close: async () => undefined };
  if (format === 'json') return jsonArray(printer);
  const paint = paintFor(process.stdout);
  return {
    async write(line) {
      const text = format === 'human' ? humanLine(line, paint) : serialiseLine(line);
      if (text !== undefined) await printer.data(text);
    },
    close: async () => undefined,
  };
}

/** One array over the whole run, written as a stream. */
function jsonArray(printer: Printer): LineOutput {
  let separator = '[\n';
  return {
    async write(line) {
      await printer.data(separator + lineJson(line));
      separator = ',\n';
    },
    close: () => printer.data(separator === '[\n' ? '[]\n' : '\n]\n'),
  };
}
