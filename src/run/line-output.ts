import { styleText } from 'node:util';
import { printable } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { fitted } from '../core/text.js';
import {
  answerBoxes,
  type Bbox2d,
  DECISION_WORDS,
  type DetectionsLine,
  FAINT_BELOW,
  type ResultLine,
  UNSURE_BELOW,
} from '../formats/result-line.js';
import type { RunLine } from '../runtime/ports.js';

export type LineFormat = 'jsonl' | 'json' | 'human' | 'none';

/** Writes lines to stdout in one of the formats. `json` is one array over the whole run, written as a stream. */
export class LineOutput {
  readonly #format: LineFormat;
  readonly #human = new HumanLines();
  #isEmpty = true;

  /** Default format: nothing with an output folder, readable text on a terminal, JSONL in a pipe. */
  constructor(
    flags: { readonly format?: LineFormat; readonly output?: string; readonly quiet: boolean },
    private readonly printer: Printer,
  ) {
    const shown = process.stdout.isTTY && !flags.quiet ? 'human' : 'jsonl';
    this.#format = flags.format ?? (flags.output === undefined ? shown : 'none');
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
    return head.type === 'error' ? '' : this.#human.text(JSON.parse(json));
  }
}

/** Widest column for names, and for decisions but the longest. */
const NAME_COLUMNS = 16;
const DECISION_COLUMNS = 12;

/** Lines for a person, which fit into the terminal. */
class HumanLines {
  /** Names so far are not wider. */
  #nameColumns = 4;

  text(line: ResultLine | DetectionsLine): string {
    const isAnswer = line.type === 'result';
    const { isTTY, columns } = process.stdout;
    const whole = printable(isAnswer ? line.id : line.image);
    const name = isTTY ? fitted(whole, NAME_COLUMNS, 'end') : whole;
    this.#nameColumns = Math.min(NAME_COLUMNS, Math.max(this.#nameColumns, name.length));
    const text = `${name.padEnd(this.#nameColumns)}  ${isAnswer ? answerText(line) : detectionsText(line)}`;
    const shown = isTTY ? fitted(text, columns || 80) : text;
    const isFaint = isAnswer && line.answer.score < UNSURE_BELOW;
    return `${isFaint ? styleText('dim', shown, { stream: process.stdout }) : shown}\n`;
  }
}

/** `moved to another object  0.83  [12,30,200,220]  leftmost of 3 lions` */
function answerText({ answer }: ResultLine): string {
  const boxes = answerBoxes(answer).map(({ bbox_2d }) => boxText(bbox_2d));
  const parts = [
    DECISION_WORDS[answer.decision].padEnd(DECISION_COLUMNS),
    answer.score.toFixed(2),
    boxes.length > 1 ? `${boxes.length} boxes ${boxes.join(' ')}` : (boxes[0] ?? '-'),
    printable(answer.text),
  ];
  return parts.join('  ').trimEnd();
}

/** `lion ×3, person; 12 weaker than 0.3` */
function detectionsText({ detections }: DetectionsLine): string {
  const clear = detections.filter(({ score }) => score >= FAINT_BELOW);
  const faint = detections.length - clear.length;
  const counts = new Map<string, number>();
  for (const { label } of clear) counts.set(label, (counts.get(label) ?? 0) + 1);
  const found = [...counts].map(([label, count]) =>
    count === 1 ? printable(label) : `${printable(label)} ×${count}`,
  );
  const rest = faint > 0 ? `; ${faint} weaker than ${FAINT_BELOW}` : '';
  return `${found.join(', ') || 'nothing'}${rest}`;
}

function boxText(box: Bbox2d): string {
  return `[${box.map((value) => Math.round(value)).join(',')}]`;
}
