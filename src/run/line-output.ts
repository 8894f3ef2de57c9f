import { styleText } from 'node:util';
import { printable } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import {
  answerBoxes,
  type Bbox2d,
  type DetectionsLine,
  lineJson,
  type OutputLine,
  type ResultLine,
  serialiseLine,
} from '../formats/result-line.js';
import type { PlacedLine } from '../runtime/ports.js';

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

/** Colour is only decoration: every word stands without it. */
export type Paint = (colour: 'green' | 'red' | 'yellow' | 'dim', text: string) => string;

/** Colours where stdout is a terminal that wants them. */
function paintFor(stream: NodeJS.WriteStream): Paint {
  const on =
    process.env.FORCE_COLOR !== undefined
      ? process.env.FORCE_COLOR !== '0'
      : stream.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return (colour, text) => (on ? styleText(colour, text) : text);
}

/** One line for a person; undefined for errors, which stderr tells. */
function humanLine(line: OutputLine, paint: Paint): string | undefined {
  if (line.type === 'error') return undefined;
  return `${line.type === 'result' ? answerText(line, paint) : detectionsText(line)}\n`;
}

/** `q7 zoo/3.jpg "the left lion": correct [12, 30, 200, 220] 0.83, leftmost of 3 lions` */
function answerText({ id, image, query, answer }: ResultLine, paint: Paint): string {
  const colour = { confirm: 'green', correct: 'red', adjust: 'yellow' } as const;
  const decision = paint(colour[answer.decision as keyof typeof colour] ?? 'dim', answer.decision);
  const place = answerBoxes(answer).map(({ bbox_2d }) => ` ${boxText(bbox_2d)}`);
  const name = [id, image].filter((part) => part !== undefined).map(printable);
  return `${name.join(' ')} "${printable(query)}": ${decision}${place.join('')} ${answer.score.toFixed(2)}, ${printable(answer.text)}`;
}

/** `zoo/3.jpg: 3 lion, 1 person` */
function detectionsText({ image, detections }: DetectionsLine): string {
  const counts = new Map<string, number>();
  for (const { label } of detections) counts.set(label, (counts.get(label) ?? 0) + 1);
  const found = [...counts].map(([label, count]) => `${count} ${printable(label)}`).join(', ');
  return `${printable(image)}: ${found || 'nothing'}`;
}

function boxText(box: Bbox2d): string {
  return `[${box.map((value) => Math.round(value)).join(', ')}]`;
}
