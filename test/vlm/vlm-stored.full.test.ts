import { createReadStream, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  isSecond,
  type Reaction,
  type SentBody,
  startChatServer,
  textOf,
} from '../support/chat-server.js';
import { freshFolder, vgr } from '../support/vgr.js';
import {
  answered,
  type Line,
  lines,
  queriesFile,
  type RefineOptions,
  refineWith,
  THINK,
} from '../support/vlm-run.js';

const SHARED = resolve('../shared/data/tool-predictions');
const hasShared = existsSync(SHARED);
if (!hasShared) console.info(`skipped: no ${SHARED}, the stored answers of real models`);

interface StoredRow {
  readonly id: string;
  readonly query: string;
  readonly bbox: readonly number[];
  readonly tools: Readonly<Record<string, readonly { readonly bbox_2d: readonly number[] }[]>>;
}

/** A row with the photo that stands in for its own, which is not there. */
interface PlacedRow extends StoredRow {
  readonly image: string;
  readonly width: number;
  readonly height: number;
}

const TOOL = 'grounding-dino-tiny';
const MODEL = 'qwen2.5-vl-7b';
const SETS = ['refcoco-testA', 'refcoco+-testA'];
/** On the grid of 28 the model sees the pixels of the photo; off it the photo is resized. */
const SIDES = { even: 672, odd: 650 } as const;
const PHOTOS = 6;

let images: string;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  images = freshFolder();
  for (const [name, side] of Object.entries(SIDES)) {
    for (let index = 0; index < PHOTOS; index++) {
      const size = { width: side, height: side + 28 * index };
      await sharp({ create: { ...size, channels: 3, background: '#9ab' } })
        .png()
        .toFile(join(images, `${name}-${index}.png`));
    }
  }
});

afterAll(async () => {
  for (const close of closing) await close();
});

const asked = (query: string): string => query.toLowerCase().replace(/^[\s."?!]+|[\s."?!]+$/g, '');
const cornersInOrder = ([x1, y1, x2, y2]: readonly number[]): boolean => x2! >= x1! && y2! >= y1!;

/**
 * Rows of real answers, without those in which some tool gives its corners in the wrong order. A row is known by expression,
 * tool's box and photo: rows that share the first two get different photos.
 */
async function storedRows(name: string, sides: keyof typeof SIDES): Promise<PlacedRow[]> {
  const rows: PlacedRow[] = [];
  const times = new Map<string, number>();
  const input = createReadStream(join(SHARED, `${name}.jsonl`));
  for await (const text of createInterface({ input })) {
    const row = JSON.parse(text) as StoredRow;
    const boxes = Object.values(row.tools).flat();
    if (!boxes.every(({ bbox_2d }) => cornersInOrder(bbox_2d))) continue;
    const key = `${asked(row.query)} ${row.tools[TOOL]?.[0]?.bbox_2d}`;
    const index = times.get(key) ?? 0;
    times.set(key, index + 1);
    const side = SIDES[sides];
    rows.push({
      ...row,
      image: `${sides}-${index}.png`,
      width: side,
      height: side + 28 * index,
    });
  }
  return rows;
}

/** Width and height of the picture that was sent, from the header of the PNG. */
function pictureSize(body: SentBody): readonly [number, number] {
  const url = /data:image\/png;base64,([^"]{60})/.exec(JSON.stringify(body.messages))![1]!;
  const header = Buffer.from(url, 'base64');
  return [header.readUInt32BE(16), header.readUInt32BE(20)];
}

/** A server that gives the stored answers of the model, in pixels of the picture that it is sent. */
function replay(rows: readonly PlacedRow[]): (body: SentBody) => Reaction {
  const answers = new Map<string, readonly number[] | undefined>();
  const pictureSide = (side: number): number => Math.round(side / 28) * 28;
  const scaled = (box: readonly number[] | undefined, { width, height }: PlacedRow) =>
    box?.map(
      (value, side) =>
        (value * pictureSide(side % 2 ? height : width)) / (side % 2 ? height : width),
    );
  for (const row of rows) {
    const shown = scaled(row.tools[TOOL]?.[0]?.bbox_2d, row)?.map(Math.round);
    const place = `${pictureSide(row.width)},${pictureSide(row.height)}`;
    answers.set(
      `${asked(row.query)} ${shown} ${place}`,
      scaled(row.tools[MODEL]?.[0]?.bbox_2d, row),
    );
  }
  return (body) => {
    if (!isSecond(body)) return THINK;
    const text = textOf(body);
    const query = /by this expression: "(.*)"\. Find it/.exec(text)![1]!;
    const shown = /reftool_1": "\[(?:\{\\"bbox_2d\\": \[([^\]]*)\])?/.exec(text)![1];
    const key = `${query} ${shown?.split(', ').map(Number)} ${pictureSize(body)}`;
    if (!answers.has(key)) return { kind: 'status', status: 400, message: `unknown row ${key}` };
    const box = answers.get(key);
    return box ? answered(box) : { kind: 'text', text: '<answer>I cannot tell.</answer>' };
  };
}

interface StoredRun {
  readonly given: readonly Line[];
  readonly metrics: Readonly<Record<string, number>>;
}

/** The rows through the whole program, with the model's answers behind the server in place of on the line. */
async function run(rows: readonly PlacedRow[], options: RefineOptions = {}): Promise<StoredRun> {
  const server = await startChatServer(replay(rows));
  closing.push(server.close);
  const file = queriesFile(
    rows.map(({ tools: { [MODEL]: _hidden, ...tools }, ...row }) => ({
      ...row,
      tools: { [TOOL]: [], ...tools },
    })),
  );
  const output = freshFolder();
  const { flags = [] } = options;
  const outcome = await refineWith(images, server, file, {
    ...options,
    flags: ['--output', output, '--tool', TOOL, '--vlm-image', 'png', ...flags],
  });
  expect(outcome.stderr).not.toContain('unknown row');
  expect(outcome.code).toBe(0);
  const results = join(output, 'results.jsonl');
  return { given: lines(outcome), metrics: await metricsOf(file, ['--results', results]) };
}

async function metricsOf(file: string, flags: readonly string[]): Promise<StoredRun['metrics']> {
  const outcome = await vgr(['eval', '--queries', file, ...flags, '--json']);
  expect(outcome.code).toBe(0);
  return JSON.parse(outcome.stdout).metrics;
}

/** The stored boxes, scored without any protocol. */
const scoredDirectly = (rows: readonly PlacedRow[]): Promise<StoredRun['metrics']> =>
  metricsOf(queriesFile(rows), ['--tool', TOOL, '--answer', MODEL]);

/** Where the model has no box the tool's stands: such rows have no stored answer to compare with. */
const answeredRows = (rows: readonly PlacedRow[]): PlacedRow[] =>
  rows.filter(({ tools }) => tools[MODEL]?.[0]);

/** Pixels by which the furthest side of an answer is away from the stored one, cut at the border of the photo. */
function away({ answer }: Line, { tools, width, height }: PlacedRow): number {
  const stored = tools[MODEL]![0]!.bbox_2d;
  return Math.max(
    ...answer.bbox_2d!.map((value, side) =>
      Math.abs(value - Math.min(stored[side]!, side % 2 ? height : width)),
    ),
  );
}

describe.skipIf(!hasShared)('the stored answers of a real model, behind a server', () => {
  it.each(SETS)('%s: gives the same boxes and the same metrics', async (name) => {
    const rows = answeredRows(await storedRows(name, 'even'));
    const { given, metrics } = await run(rows);
    expect(Math.max(...given.map((line, index) => away(line, rows[index]!)))).toBeLessThanOrEqual(
      1,
    );
    const direct = await scoredDirectly(rows);
    for (const key of ['total', 'accuracy', 'tool_accuracy', 'ccr']) {
      expect(metrics[key], key).toBe(direct[key]);
    }
    // The stored answers have no scores, and sizes are accuracies of their own.
    const keys = Object.keys(direct).filter((key) => !/^(score_|by_size)/.test(key));
    const furthest = keys.map((key) => Math.abs(metrics[key]! - direct[key]!));
    const kept = given.filter(({ answer }) => answer.decision === 'confirm').length;
    console.info(
      `${name}: ${rows.length} rows, ${kept} boxes copied, metrics within ${Math.max(...furthest)}`,
    );
    for (const [index, key] of keys.entries()) {
      expect(furthest[index], key).toBeLessThan(0.005);
    }
  });

  it('gives them within a pixel where the photo is resized, too', async () => {
    const rows = answeredRows(await storedRows('refcoco-testA', 'odd')).slice(0, 300);
    const { given, metrics } = await run(rows);
    expect(Math.max(...given.map((line, index) => away(line, rows[index]!)))).toBeLessThanOrEqual(
      1,
    );
    const direct = await scoredDirectly(rows);
    expect(metrics.accuracy).toBeCloseTo(direct.accuracy!, 2);
  });

  it.each(SETS)(
    '%s, as a cascade: half of the calls bring nine tenths of the gain',
    async (name) => {
      const rows = await storedRows(name, 'even');
      const accuracy: number[] = [];
      // What was asked with half of the calls is not asked again with all.
      const env = { XDG_CACHE_HOME: freshFolder() };
      for (const share of [0, 0.5, 1]) {
        const flags = ['--vlm-share', String(share)];
        const { metrics, given } = await run(rows, { refiner: 'cascade', flags, env });
        accuracy.push(metrics.accuracy!);
        const calls = given.filter(({ answer }) => answer.cascade?.asked).length;
        expect(calls).toBeLessThanOrEqual(share * rows.length + 8);
      }
      const [none, half, all] = accuracy as [number, number, number];
      console.info(`${name}: ${none}, ${half}, ${all}; gain ${(half - none) / (all - none)}`);
      expect(half - none).toBeGreaterThanOrEqual(0.9 * (all - none));
    },
  );
});
