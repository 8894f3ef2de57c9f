import { styleText } from 'node:util';
import { printable } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import {
  answerBoxes,
  type Bbox2d,
  type DetectionsLine,
  type ResultLine,
} from '../formats/result-line.js';
import type { RunLine } from '../runtime/ports.js';

export type LineFormat = 'jsonl' | 'json' | 'human' | 'none';

/** Writes lines to stdout in one of the formats. `json` is one array over the whole run, written as a stream. */
export class LineOutput {
  readonly #format: LineFormat;
  #isEmpty = true;

  /** Default format: readable text on a terminal, JSONL in a pipe, nothing with an output folder in a pipe. */
  constructor(
    flags: { readonly format?: LineFormat; readonly output?: string; readonly quiet: boolean },
    private readonly printer: Printer,
  ) {
    const forPipes = flags.output === undefined ? 'jsonl' : 'none';
    this.#format = flags.format ?? (process.stdout.isTTY && !flags.quiet ? 'human' : forPipes);
  }

  /** Whether lines appear on the terminal, where they would disturb a live display. */
  get isOnTerminal(): boolean {
    return Boolean(process.stdout.isTTY) && this.#format !== 'none';
  }

  /** Resolves when there is room for the next line. */
  async write(line: Pick<RunLine, 'head' | 'json'>): Promise<void> {
    const text = this.#textOf(line);
    this.#isEmpty = false;
    if (text !== '') await this.printer.data(text);
  }

  async close(): Promise<void> {
    if (this.#format === 'json') await this.printer.data(this.#isEmpty ? '[]\n' : '\n]\n');
  }

  #textOf({ head, json }: Pick<RunLine, 'head' | 'json'>): string {
    if (this.#format === 'none') return '';
    if (this.#format === 'jsonl') return `${json}\n`;
    if (this.#format === 'json') return `${this.#isEmpty ? '[\n' : ',\n'}${json}`;
    // Errors are printed on stderr.
    return head.type === 'error' ? '' : humanLine(JSON.parse(json));
  }
}

/** One line for a person. */
function humanLine(line: ResultLine | DetectionsLine): string {
  return `${line.type === 'result' ? answerText(line) : detectionsText(line)}\n`;
}

/** Colours of decisions on a terminal. */
const COLOURS = { confirm: 'green', correct: 'red', adjust: 'yellow' } as const;

/** `q7 zoo/3.jpg "the left lion": correct [12, 30, 200, 220] 0.83, leftmost of 3 lions` */
function answerText({ id, image, query, answer }: ResultLine): string {
  const colour = COLOURS[answer.decision as keyof typeof COLOURS] ?? 'dim';
  const decision = styleText(colour, answer.decision, { stream: process.stdout });
  const boxes = answerBoxes(answer).map(({ bbox_2d }) => ` ${boxText(bbox_2d)}`);
  const name = [id, image].filter((part) => part !== undefined).map(printable);
  return `${name.join(' ')} "${printable(query)}": ${decision}${boxes.join('')} ${answer.score.toFixed(2)}, ${printable(answer.text)}`;
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
