import { styleText } from 'node:util';
import { printable } from '../formats/fault.js';
import {
  answerBoxes,
  type Bbox2d,
  type DetectionsLine,
  type OutputLine,
  type ResultLine,
} from '../formats/result-line.js';

/** Colour is only decoration: every word stands without it. */
export type Paint = (colour: 'green' | 'red' | 'yellow' | 'dim', text: string) => string;

/** Colours where stdout is a terminal that wants them. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  const on =
    process.env.FORCE_COLOR !== undefined
      ? process.env.FORCE_COLOR !== '0'
      : stream.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return (colour, text) => (on ? styleText(colour, text) : text);
}

/** One line for a person; undefined for errors, which stderr tells. */
export function humanLine(line: OutputLine, paint: Paint): string | undefined {
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
