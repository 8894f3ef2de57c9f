/**
 * Accuracy against the share of calls: the small refiner over the tools of `../shared/data/tool-predictions` with the stored
 * answers of Qwen2.5-VL-7B in the place of the server. Names the small refiner as its argument: `lite` by default.
 */
import { createReadStream, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type BoxXyxy, iouXyxy, xywhToXyxy } from '../src/core/box.js';
import { decisionOn } from '../src/core/iou.js';
import { extentOf, parseQueryLine } from '../src/formats/query-line.js';
import { firstAnswer } from '../src/refine/candidates.js';
import type { Candidate, RefineRequest, Refiner } from '../src/refine/refiner.js';
import { CallQuota, createCascade } from '../src/vlm/cascade.js';
import { print, rounded } from './vgr.js';

const FOLDER = '../shared/data/tool-predictions';
const TOOL = 'grounding-dino-tiny';
const MODEL = 'qwen2.5-vl-7b';
const SHARES = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1];
/** With all other tools of the rows at hand, and with the one tool alone; the rows of RefCOCOg have no boxes of that one. */
type Evidence = 'all tools' | typeof TOOL;
const SETS: readonly (readonly [set: string, evidence: readonly Evidence[]])[] = [
  ['refcoco-testA', ['all tools', TOOL]],
  ['refcoco+-testA', ['all tools', TOOL]],
  ['refcocog-test', ['all tools']],
];

interface Outcome {
  readonly isRight: boolean;
  readonly asked: boolean;
}

interface Row {
  readonly request: RefineRequest;
  readonly truth: BoxXyxy;
  readonly stored: BoxXyxy | undefined;
}

// The built program: worker threads start from its files.
const built = (name: string) => import(resolve('dist', name));
const { startThreads } = await built('runtime/threads.js');
const { openRefiner } = await built('runtime/refiner.js');
const { StreamPrinter } = await built('cli/printer.js');
const opened = startThreads(
  { detector: 'none', device: 'cpu', sessions: 1, threads: 1 },
  new StreamPrinter({ quiet: true }),
);
try {
  if (!existsSync(FOLDER)) throw new Error(`no ${FOLDER}: the stored answers of real models`);
  const wanted = process.argv[2] ?? 'lite';
  const { make } = await openRefiner(
    { refiner: wanted, answers: 'auto', 'min-confidence': 0, 'max-pixels': 1e8 },
    { pool: opened.pool },
  );
  const small = await make();
  for (const [name, evidences] of SETS) {
    for (const evidence of evidences) {
      const rows = await storedRows(name, evidence);
      const curve: Record<string, number> = {};
      const runs = new Map<number, Outcome[]>();
      for (const share of SHARES) {
        runs.set(share, await outcomes(rows, small, share));
        curve[`at_${share}`] = rounded(accuracy(runs.get(share)!), 4);
      }
      print({
        bench: 'cascade, accuracy by share of calls',
        small: wanted,
        set: name,
        evidence,
        rows: rows.length,
        ...curve,
        gain_at_half: rounded((curve['at_0.5']! - curve.at_0!) / (curve.at_1! - curve.at_0!)),
        ...bounds(rows, runs),
      });
    }
  }
} finally {
  await opened.pool.close();
}

async function storedRows(name: string, evidence: Evidence): Promise<Row[]> {
  const rows: Row[] = [];
  const input = createReadStream(`${FOLDER}/${name}.jsonl`);
  for await (const text of createInterface({ input })) {
    const { query, tools, truthsXywh } = parseQueryLine(text, rows.length + 1);
    const candidates = tools
      .filter((tool) => tool.name !== MODEL && (evidence === 'all tools' || tool.name === TOOL))
      .flatMap(({ name: tool, boxes }) =>
        boxes.map((box, rank): Candidate => ({ ...box, tool, rank })),
      );
    rows.push({
      request: {
        query,
        imageSize: extentOf(tools.flatMap(({ boxes }) => boxes.map(({ boxXyxy }) => boxXyxy))),
        candidates,
        toolName: TOOL,
        tool: firstAnswer(candidates.filter(({ tool }) => tool === TOOL)),
      },
      truth: xywhToXyxy(truthsXywh![0]!),
      stored: tools.find((tool) => tool.name === MODEL)?.boxes[0]?.boxXyxy,
    });
  }
  return rows;
}

/** In the order of the file, as a run decides. */
async function outcomes(rows: readonly Row[], small: Refiner, share: number): Promise<Outcome[]> {
  const stored = new Map(rows.map((row) => [row.request, row.stored]));
  const large: Refiner = {
    name: `vlm:${MODEL}`,
    refine: async (request) => {
      const boxXyxy = stored.get(request) ?? null;
      const think = { boxXyxy: null, score: 0, text: '' };
      const answer = { boxXyxy, score: boxXyxy ? 1 : 0, text: '' };
      const decision = boxXyxy ? decisionOn(boxXyxy, request.tool?.boxXyxy) : 'fallback';
      return { think, answer: { ...answer, decision } };
    },
  };
  const quota = new CallQuota({ share, threshold: Number.POSITIVE_INFINITY });
  const cascade = createCascade({ small, large, quota, tally: { asked: 0, failed: 0, unpaid: 0 } });
  const found: Outcome[] = [];
  for (const { request, truth } of rows) {
    const { answer } = await cascade.refine(request);
    const { boxXyxy, cascade: decided } = answer;
    found.push({ isRight: isRight(boxXyxy, truth), asked: decided!.asked });
  }
  return found;
}

function accuracy(found: readonly Pick<Outcome, 'isRight'>[]): number {
  return found.filter(({ isRight: right }) => right).length / found.length;
}

/**
 * What holds the curve down: the judging, where the large one's answers taken as they are would do better; the choice of whom
 * to ask, where half of the calls at the right queries would.
 */
function bounds(rows: readonly Row[], runs: ReadonlyMap<number, Outcome[]>) {
  const [alone, half] = [runs.get(0)!, runs.get(0.5)!];
  const unjudged = rows.map(({ stored, truth }, index) => ({
    isRight: stored ? isRight(stored, truth) : alone[index]!.isRight,
  }));
  const taken = rows.map((_, index) => (half[index]!.asked ? unjudged[index]! : alone[index]!));
  const wins = unjudged.filter((large, index) => large.isRight && !alone[index]!.isRight).length;
  return {
    unjudged_at_half: rounded(accuracy(taken), 4),
    unjudged_at_1: rounded(accuracy(unjudged), 4),
    best_choice_at_half: rounded(
      accuracy(alone) + Math.min(wins, rows.length / 2) / rows.length,
      4,
    ),
  };
}

function isRight(box: BoxXyxy | null, truth: BoxXyxy): boolean {
  return box !== null && iouXyxy(box, truth) > 0.5;
}
