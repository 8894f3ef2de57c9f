import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '../src/core/random.js';
import { rounded, timedRun } from './vgr.js';

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

/** Lines as tools leave them: an expression, two to five boxes of a detector, one of a tool that read the expression. */
class LineWriter {
  readonly #random = new SeededRandom(20_251_206);

  line(number: number): string {
    const kind = this.#of(KINDS);
    const boxes = Array.from({ length: 2 + this.#random.nextBelow(4) }, () =>
      this.#box(this.#random.next() < 0.75 ? kind : this.#of(KINDS)),
    ).sort((a, b) => b.score - a.score);
    const meant = boxes[this.#random.nextBelow(boxes.length)]!;
    const [x1, y1, x2, y2] = meant.bbox_2d as [number, number, number, number];
    return `${JSON.stringify({
      id: `q${number}`,
      query: this.#expression(kind),
      ...SIZE,
      bbox: [x1, y1, x2 - x1, y2 - y1],
      tools: { detector: boxes, grounder: [this.#nearby(meant)] },
    })}\n`;
  }

  #of<T>(list: readonly T[]): T {
    return list[this.#random.nextBelow(list.length)]!;
  }

  #chance(share: number, text: () => string): string {
    return this.#random.next() < share ? text() : '';
  }

  #noun(kind: string): string {
    const others = OTHER_WORDS[kind]?.split(' ');
    return others && this.#random.next() < 0.7 ? this.#of(others) : kind;
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
    const [width, height] = [20 + this.#random.next() * 300, 20 + this.#random.next() * 240];
    const x = this.#random.next() * (SIZE.width - width);
    const y = this.#random.next() * (SIZE.height - height);
    return {
      bbox_2d: [x, y, x + width, y + height].map((side) => Number(side.toFixed(2))),
      score: Number((0.1 + 0.9 * this.#random.next()).toFixed(4)),
      label,
    };
  }

  #nearby({ bbox_2d, score }: Box): Box {
    const moved = bbox_2d.map((side) => Number((side + this.#random.next() * 8).toFixed(2)));
    return { bbox_2d: moved, score };
  }
}

/** Writes a queries file of so many lines, the same for the same number. `bbox` is the box that the words were made for. */
export function writeQueryLines(file: string, count: number): void {
  const writer = new LineWriter();
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

/** What `vgr refine` takes for so many lines, and for a tenth of them. */
export function measuredLines(refiner: string, lines: number): Readonly<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-lines-'));
  try {
    const file = join(folder, 'q.jsonl');
    const [few, many] = [Math.ceil(lines / 10), lines].map((count) => {
      writeQueryLines(file, count);
      const run = timedRun('refine', '--queries', file, '--refiner', refiner, '--no-timing');
      return { count, ...run };
    });
    return {
      per_s: rounded(many!.count / many!.wallS, 0),
      // Start-up is in both runs.
      per_s_under_way: rounded((many!.count - few!.count) / (many!.wallS - few!.wallS), 0),
      cpu_ms: rounded((many!.cpuS * 1000) / many!.count),
      bytes_a_line: rounded(statSync(file).size / many!.count, 0),
      tenth_mib: rounded(few!.peakBytes / 2 ** 20, 1),
      whole_mib: rounded(many!.peakBytes / 2 ** 20, 1),
      memory_ratio: rounded(many!.peakBytes / few!.peakBytes),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
