import { closeSync, openSync, writeSync } from 'node:fs';
import { RandomStream } from '../src/training/random.js';

const SIZE = { width: 640, height: 480 };
const KINDS = [
  'person car dog cat horse sheep cow elephant bear zebra giraffe chair couch bench bus train truck boat bird bowl',
  'cup bottle pizza cake banana sandwich laptop bicycle motorcycle umbrella suitcase skateboard surfboard',
].flatMap((line) => line.split(' '));
/** Words that people say for the labels of detectors. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  person: 'man woman guy girl boy lady kid player child',
  car: 'vehicle taxi jeep',
  couch: 'sofa',
  dog: 'puppy',
  motorcycle: 'motorbike',
};
const COLOURS = 'red blue white black green yellow brown gray orange pink purple'.split(' ');
const SIZES = 'big small tall tiny large little'.split(' ');
const BEFORE = [
  'left',
  'right',
  'middle',
  'leftmost',
  'rightmost',
  'second',
  'closest',
  'bottom left',
];
const BEHIND = [
  'on the left',
  'on the right',
  'in the middle',
  'at the top',
  'in the back',
  'in front',
  'second from the left',
  'third from right',
  'far left',
  'near us',
];
const GARMENTS = 'shirt hat jacket coat dress jeans shorts helmet'.split(' ');
const TIES = ['next to', 'behind', 'in front of', 'left of', 'to the right of', 'near', 'under'];
const DEEDS = ['holding', 'looking at', 'standing by', 'leaning on'];

interface Box {
  readonly bbox_2d: readonly number[];
  readonly score: number;
  readonly label?: string;
}

/** The detector's name decides what answers: one that the lite refiner was trained with goes to its networks. */
export interface QueryLineTools {
  readonly detector: string;
  readonly grounder: string;
}

/** Lines as tools leave them: an expression, two to five boxes of a detector, one of a tool that read the expression. */
class LineWriter {
  readonly #random = RandomStream.fromSeed(20_251_206);

  constructor(private readonly tools: QueryLineTools) {}

  line(number: number): string {
    const kind = this.#of(KINDS);
    const boxes = Array.from({ length: 2 + this.#random.below(4) }, () =>
      this.#box(this.#random.uniform() < 0.75 ? kind : this.#of(KINDS)),
    ).sort((a, b) => b.score - a.score);
    const meant = boxes[this.#random.below(boxes.length)]!;
    return `${JSON.stringify({
      id: `q${number}`,
      query: this.#expression(kind),
      ...SIZE,
      tools: { [this.tools.detector]: boxes, [this.tools.grounder]: [this.#nearby(meant)] },
    })}\n`;
  }

  #of<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }

  #chance(share: number, text: () => string): string {
    return this.#random.uniform() < share ? text() : '';
  }

  #noun(kind: string): string {
    const others = OTHER_WORDS[kind]?.split(' ');
    return others && this.#random.uniform() < 0.7 ? this.#of(others) : kind;
  }

  #expression(kind: string): string {
    const noun = this.#noun(kind);
    const words = [
      this.#chance(0.4, () => 'the'),
      this.#chance(0.3, () => this.#of(BEFORE)),
      this.#chance(0.25, () => this.#of(SIZES)),
      this.#chance(0.3, () => this.#of(COLOURS)),
      noun,
      this.#chance(0.2, () => `in a ${this.#of(COLOURS)} ${this.#of(GARMENTS)}`),
      this.#chance(0.25, () => `${this.#of(TIES)} the ${this.#noun(this.#of(KINDS))}`),
      this.#chance(0.1, () => `${this.#of(DEEDS)} a ${this.#noun(this.#of(KINDS))}`),
      this.#chance(0.35, () => this.#of(BEHIND)),
    ];
    return words.filter((word) => word !== '').join(' ');
  }

  #box(label: string): Box {
    const [width, height] = [20 + this.#random.uniform() * 300, 20 + this.#random.uniform() * 240];
    const x = this.#random.uniform() * (SIZE.width - width);
    const y = this.#random.uniform() * (SIZE.height - height);
    return {
      bbox_2d: [x, y, x + width, y + height].map((side) => Number(side.toFixed(2))),
      score: Number((0.1 + 0.9 * this.#random.uniform()).toFixed(4)),
      label,
    };
  }

  #nearby({ bbox_2d, score }: Box): Box {
    const moved = bbox_2d.map((side) => Number((side + this.#random.uniform() * 8).toFixed(2)));
    return { bbox_2d: moved, score };
  }
}

/** Writes a queries file of so many lines, the same for the same number. */
export function writeQueryLines(file: string, count: number, tools: QueryLineTools): void {
  const writer = new LineWriter(tools);
  const handle = openSync(file, 'w');
  try {
    for (let from = 1; from <= count; from += 1000) {
      const numbers = Array.from(
        { length: Math.min(1000, count - from + 1) },
        (_, at) => from + at,
      );
      writeSync(handle, numbers.map((number) => writer.line(number)).join(''));
    }
  } finally {
    closeSync(handle);
  }
}
