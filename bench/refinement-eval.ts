/**
 * Time and memory of scoring 100,000 answers: two files are read, joined, scored, and a thousand resamples drawn. Prints one
 * JSON line.
 *
 *     npm run bench -- refinement-eval [QUERIES]
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readLines } from '../src/core/line-reader.js';
import { SeededRandom } from '../src/core/random.js';
import { evaluateResults } from '../src/evaluate/evaluation-run.js';
import { refinementReport } from '../src/evaluate/refinement-report.js';
import { evalQueries, evalResults } from '../src/formats/eval-files.js';
import { print, rounded } from './vgr.js';

const [queries = 100_000] = process.argv.slice(2).map(Number);
const KINDS = ['human', 'caption', 'template'];

type Box = [number, number, number, number];

/** The ground truth of a query, `[x, y, width, height]`. */
function truthOf(index: number): Box {
  const random = new SeededRandom(index);
  const side = () => 20 + 200 * random.next();
  return [300 * random.next(), 300 * random.next(), side(), side()];
}

function* queryLines(): Generator<string> {
  for (let index = 0; index < queries; index++) {
    const query = {
      id: `q${index}`,
      image: `${Math.floor(index / 5)}.jpg`,
      query: 'the second lion from the left, near the tree',
      bbox: truthOf(index),
      kind: KINDS[index % KINDS.length],
    };
    yield `${JSON.stringify(query)}\n`;
  }
}

/** Answers that follow the tool, or do not, near the ground truth or anywhere. */
function* resultLines(): Generator<string> {
  const random = new SeededRandom(queries);
  for (let index = 0; index < queries; index++) {
    const [x, y, width, height] = truthOf(index);
    const box = (): Box => {
      const by = random.next() < 0.6 ? 20 : 300;
      const [x1, y1] = [x + by * random.next(), y + by * random.next()];
      return [x1, y1, x1 + width, y1 + height];
    };
    const tool = box();
    const isConfirmed = random.next() < 0.5;
    const result = {
      type: 'result',
      schema: 1,
      id: `q${index}`,
      image: `${Math.floor(index / 5)}.jpg`,
      width: 640,
      height: 480,
      query: 'the second lion from the left, near the tree',
      tool: { name: 'centernet', bbox_2d: tool, score: 0.71, label: 'lion' },
      think: { bbox_2d: box(), score: 0.64, text: 'The second of five lions from the left.' },
      answer: {
        bbox_2d: isConfirmed ? tool : box(),
        score: random.next(),
        decision: isConfirmed ? 'confirm' : 'correct',
        text: 'The tool names the same lion; its box is kept.',
      },
      candidates: 12,
    };
    yield `${JSON.stringify(result)}\n`;
  }
}

const folder = await mkdtemp(join(tmpdir(), 'vgr-bench-eval-'));
try {
  const queriesPath = join(folder, 'queries.jsonl');
  const resultsPath = join(folder, 'results.jsonl');
  await pipeline(Readable.from(queryLines()), createWriteStream(queriesPath));
  await pipeline(Readable.from(resultLines()), createWriteStream(resultsPath));
  const start = performance.now();
  const evaluation = await evaluateResults(
    evalQueries(readLines(queriesPath), queriesPath),
    evalResults(readLines(resultsPath), resultsPath),
    resultsPath,
  );
  const scored = performance.now();
  const { metrics } = refinementReport(evaluation.scores, {});
  const done = performance.now();
  print({
    bench: 'refinement-eval',
    queries: metrics.total,
    score_s: rounded((scored - start) / 1000),
    bootstrap_s: rounded((done - scored) / 1000),
    total_s: rounded((done - start) / 1000),
    peak_mib: rounded(process.resourceUsage().maxRSS / 1024, 1),
    accuracy: metrics.accuracy ?? -1,
  });
} finally {
  await rm(folder, { recursive: true });
}
