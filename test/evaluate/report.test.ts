import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { evaluateResults } from '../../src/evaluate/evaluation-run.js';
import { refinementReport } from '../../src/evaluate/refinement-report.js';
import { renderReport } from '../../src/evaluate/report.js';
import { evalQueries, evalResults } from '../../src/formats/eval-files.js';
import type { Thumbnail } from '../../src/photos/crop.js';

const EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>';

function lines(values: readonly unknown[]) {
  return values.map((value, index) => ({ number: index + 1, text: JSON.stringify(value) }));
}

/** `count` answers; the first of each four is a correction, then come a confirmation, a loss and an error. */
async function evaluated(count: number, words = 'the lion') {
  const queries = Array.from({ length: count }, (_, index) => ({
    id: `q${index}`,
    image: `${words}.jpg`,
    query: `${words} ${index}`,
    bbox: [10, 10, 50, 50],
    kind: words,
  }));
  const results = queries.map(({ id, image, query }, index) => {
    const box = (isRight: boolean) => (isRight ? [10, 10, 60, 55] : [100, 100, 120, 120]);
    return {
      type: 'result',
      schema: 1,
      id,
      image,
      query,
      width: 640,
      height: 480,
      tool: { name: words, bbox_2d: box(index % 4 === 1 || index % 4 === 2) },
      think: { bbox_2d: null, score: 0, text: words },
      answer: { bbox_2d: box(index % 4 < 2), score: 0.5, decision: 'correct', text: words },
    };
  });
  return evaluateResults(
    evalQueries(lines(queries), 'q.jsonl'),
    evalResults(lines(results), 'r.jsonl'),
    'r.jsonl',
    { gallery: 8 },
  );
}

type Photos = ReadonlyMap<number, Thumbnail>;

async function pageOf(count: number, words?: string, photos: Photos = new Map()): Promise<string> {
  const evaluation = await evaluated(count, words);
  const report = refinementReport(evaluation.scores, { resamples: 50 });
  return renderReport(evaluation, report, [['results', words ?? '']], photos);
}

const photo: Thumbnail = {
  dataUrl: 'data:image/jpeg;base64,/9j/4AAQ',
  size: { width: 640, height: 480 },
};

/** How many marks of an outcome the scatter plot draws. */
function marksOf(page: string, outcome: string): number {
  const marks = new RegExp(`<g[^>]*stroke="var\\(--${outcome}\\)"[^>]*>.*?</g>`, 's').exec(page);
  return marks![0].match(/<(?:path|circle) /g)!.length;
}

const sumOf = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);

describe('the page', () => {
  test('holds the 2 x 2, the charts and a card an answer', async () => {
    const page = await pageOf(40, undefined, new Map([[0, photo]]));
    for (const outcome of ['correction', 'confirmation', 'loss', 'error']) {
      expect(page).toContain(`<td class="${outcome}"><strong>10</strong>25.0\u00a0%`);
      expect(page.match(new RegExp(`data-outcome="${outcome}"`, 'g'))).toHaveLength(2);
    }
    const figures = [...page.matchAll(/<figure><h3>([^<]*)<\/h3>.*?<\/figure>/gs)];
    expect(figures.map(([text, title]) => [title, text.includes('<svg ')])).toEqual([
      ['Tool IoU and answer IoU', true],
      ['Calibration of the score', true],
      ['Accuracy by group', true],
      ['Accuracy by object size', true],
    ]);
    expect(marksOf(page, 'correction')).toBe(10);
    expect(page.match(/<img /g)).toHaveLength(1);
    expect(page.match(/boxes alone"/g)).toHaveLength(7);
    expect(page).toContain('alt="the lion.jpg, the lion 0: tool wrong, answer right;');
  });

  test('draws every box of a set and of its answer, and says where nothing fits', async () => {
    const queries = [
      {
        id: 'set',
        query: 'the lions',
        boxes: [
          [0, 0, 10, 10],
          [20, 0, 10, 10],
        ],
      },
      { id: 'absent', query: 'the giraffe', boxes: [] },
    ];
    const result = { type: 'result', schema: 1, tool: { name: 't', bbox_2d: [0, 0, 10, 10] } };
    const boxes = [
      [0, 0, 10, 10],
      [20, 0, 30, 10],
    ].map((box) => ({ bbox_2d: box, score: 0.5 }));
    const results = [
      { ...result, id: 'set', answer: { ...boxes[0], decision: 'confirm', boxes } },
      { ...result, id: 'absent', answer: { bbox_2d: null, score: 0.5, decision: 'none' } },
    ];
    const evaluation = await evaluateResults(
      evalQueries(lines(queries), 'q.jsonl'),
      evalResults(lines(results), 'r.jsonl'),
      'r.jsonl',
      { gallery: 8 },
    );
    const report = refinementReport(evaluation.scores);
    const page = await renderReport(evaluation, report, [], new Map());
    expect(page.match(/<rect class="truth" x/g)).toHaveLength(2);
    expect(page.match(/<rect class="answer" x/g)).toHaveLength(2);
    expect(page).toContain('set, 2 objects are meant');
    expect(page).toContain('absent, nothing in the photo fits');
    expect(page).toMatch(/Exact<strong>100\.0/);
    expect(page).toMatch(/None found<strong>100\.0/);
  });

  test('asks for nothing, and runs no script but its own', async () => {
    const page = await pageOf(4);
    expect(page.replaceAll('"data:,"', '')).not.toMatch(/(?:src|href)="(?!#|data:image)/);
    expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|@import|url\(/);
    const scripts = [...page.matchAll(/<script>(.*?)<\/script>/gs)];
    expect(scripts).toHaveLength(1);
    const hash = createHash('sha256').update(scripts[0]![1]!).digest('base64');
    expect(page).toContain(`script-src &#39;sha256-${hash}&#39;`);
    expect(page).toContain('default-src &#39;none&#39;');
  });

  test('leaves foreign texts texts, wherever they stand', async () => {
    const page = await pageOf(8, EVIL);
    expect(page).not.toContain('<img');
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/alert\(1\)>/);
    expect(page.match(/&lt;img src=x onerror=alert\(1\)&gt;/g)!.length).toBeGreaterThan(30);
  });

  test('takes no photo that is not one', async () => {
    const bad = ['javascript:alert(1)', 'data:image/svg+xml;base64,AAAA', 'data:image/png,<svg>'];
    for (const dataUrl of bad) {
      const page = await pageOf(4, undefined, new Map([[0, { ...photo, dataUrl }]]));
      expect(page).not.toContain(dataUrl);
    }
  });

  test('stays below 15 MB, whatever the photos weigh', async () => {
    const heavy = { ...photo, dataUrl: `data:image/jpeg;base64,${'A'.repeat(5_000_000)}` };
    const photos = new Map(Array.from({ length: 8 }, (_, row) => [row, heavy]));
    const page = await pageOf(8, undefined, photos);
    expect(page.length).toBeLessThan(15_000_000);
    expect(page.match(/<img /g)).toHaveLength(2);
  });

  test('says where a rate is over nothing', async () => {
    const page = await pageOf(1);
    expect(page).toContain('Followed<strong>undefined</strong>');
  });

  test('is the same for the same data', async () => {
    expect(await pageOf(12)).toBe(await pageOf(12));
  });
});

describe('the scatter plot', () => {
  test('is a sample where there are many queries, its table counts all', async () => {
    const page = await pageOf(4000);
    const marks = ['correction', 'confirmation', 'loss', 'error'].map((outcome) =>
      marksOf(page, outcome),
    );
    expect(sumOf(marks)).toBe(1500);
    expect(marks[0]).toBeGreaterThan(300);
    expect(marks[0]).toBeLessThan(450);
    expect(page).toContain('A sample of 1500 of 4000 queries is drawn.');
    const table = page.match(/<caption>Tool IoU and answer IoU<.*?<\/table>/s)![0];
    expect(sumOf([...table.matchAll(/<td>(\d+)/g)].map(([, count]) => Number(count)))).toBe(4000);
  });
});
