import { lineJson, serialiseLine } from '../formats/result-line.js';
import type { PlacedLine } from '../pipeline/ports.js';
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
  /** Gives a promise where its caller must wait until there is room for the next one. */
  write(line: Pick<PlacedLine, 'line' | 'json'>): Promise<void> | undefined;
  close(): Promise<void>;
}

export function lineOutput(format: LineFormat, printer: Printer): LineOutput {
  if (format === 'none') return { write: () => undefined, close: async () => undefined };
  if (format === 'json') return jsonArray(printer);
  const paint = paintFor(process.stdout);
  return {
    write({ line, json }) {
      if (format === 'jsonl') {
        return printer.data(json === undefined ? serialiseLine(line) : `${json}\n`);
      }
      const text = humanLine(line, paint);
      return text === undefined ? undefined : printer.data(text);
    },
    close: async () => undefined,
  };
}

/** One array over the whole run, written as a stream. */
function jsonArray(printer: Printer): LineOutput {
  let separator = '[\n';
  return {
    write({ line, json = lineJson(line) }) {
      const text = separator + json;
      separator = ',\n';
      return printer.data(text);
    },
    close: () => printer.data(separator === '[\n' ? '[]\n' : '\n]\n'),
  };
}
