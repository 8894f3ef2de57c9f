import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluateCoco } from '../../src/evaluate/coco.js';
import { CocoDetections, CocoGroundTruth } from '../../src/evaluate/coco-columns.js';
import { RefinementScores } from '../../src/evaluate/metrics.js';
import { comparisonReport, refinementReport } from '../../src/evaluate/refinement-report.js';
import {
  cocoTable,
  comparisonTable,
  metricsOverview,
  metricsTable,
  renderCsv,
  renderMarkdown,
} from '../../src/evaluate/tables.js';

function scores() {
  const scored = new RefinementScores();
  scored.add({ toolIou: 0.2, finalIou: 0.9, group: 'human' });
  scored.add({ toolIou: 0.9, finalIou: 0.9, group: '=cmd|x' });
  return scored;
}

describe('CSV', () => {
  test('quotes what needs it, and nothing runs as a formula', () => {
    const rows = [
      ['a,b', 'say "hi"', 'two\nlines', 'plain'],
      ['=1+1', '@SUM', '-2', '+3'],
      [-2, 0.1 + 0.2, null, 1e-9],
    ];
    expect(renderCsv({ columns: ['a', 'b', 'c', 'd'], rows })).toBe(
      'a,b,c,d\r\n"a,b","say ""hi""","two\nlines",plain\r\n' +
        "'=1+1,'@SUM,'-2,'+3\r\n-2,0.30000000000000004,,1e-9\r\n",
    );
  });

  test('is read back cell by cell', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é') });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), (rows) => {
        const text = renderCsv({ columns: ['x', 'y'], rows });
        const wanted = rows.map((row) => row.map((value) => value.replace(/^(?=\r)/, "'")));
        expect(readCsv(text)).toEqual([['x', 'y'], ...wanted]);
      }),
    );
  });
});

/** A reader of RFC 4180, character by character. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  let cell = '';
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const mark = text[at]!;
    if (mark === '"' && isQuoted && text[at + 1] === '"') cell += text[++at];
    else if (mark === '"') isQuoted = !isQuoted;
    else if (!isQuoted && (mark === ',' || text.startsWith('\r\n', at))) {
      rows.at(-1)!.push(cell);
      cell = '';
      if (mark === '\r') {
        at++;
        rows.push([]);
      }
    } else cell += mark;
  }
  rows.pop();
  return rows;
}

describe('Markdown', () => {
  test('is a table whose foreign texts stay texts', () => {
    const text = renderMarkdown({
      columns: ['name', 'value'],
      rows: [
        ['a|b', 0.5],
        ['<img src=x onerror=alert(1)>', 3],
        ['_it_ snake_case **b** [l](u) `c`\nnext\u001b[2J', null],
      ],
    });
    expect(text.split('\n')).toEqual([
      '| name | value |',
      '| --- | ---: |',
      '| a&#124;b | 0.5000 |',
      '| &#60;img src=x onerror=alert(1)&#62; | 3 |',
      '| &#95;it&#95; snake_case &#42;&#42;b&#42;&#42; &#91;l&#93;(u) &#96;c&#96; next&#92;u001b&#91;2J |  |',
      '',
    ]);
  });
});

describe('tables', () => {
  test('of the metrics, with intervals', () => {
    const report = refinementReport(scores(), { resamples: 50 });
    const { columns, rows } = metricsTable(report);
    expect(columns).toEqual(['group', 'metric', 'value', 'low', 'high']);
    expect(rows).toHaveLength(3 * 27);
    expect(rows[1]).toEqual(['all', 'accuracy', 1, 1, 1]);
    expect(rows[0]).toEqual(['all', 'total', 2, null, null]);
    expect(rows.find(([group, metric]) => group === 'human' && metric === 'ccr')?.[2]).toBe(1);
    expect(renderCsv({ columns, rows })).toContain("\r\n'=cmd|x,accuracy,1,1,1\r\n");
  });

  test('of the metrics to be read, a column a group', () => {
    const { columns, rows } = metricsOverview(refinementReport(scores(), { resamples: 50 }));
    expect(columns).toEqual(['metric', 'all', '=cmd|x', 'human']);
    expect(rows[0]).toEqual(['total', 2, 1, 1]);
    expect(rows[1]![1]).toBe('1.0000 (1.0000 to 1.0000)');
    const plain = metricsOverview(refinementReport(scores()));
    expect(plain.rows[1]).toEqual(['accuracy', 1, 1, 1]);
  });

  test('of two runs', () => {
    const { rows } = comparisonTable(comparisonReport(scores(), scores(), { resamples: 20 }));
    expect(rows[1]).toEqual(['all', 'accuracy', 1, 1, 0, 0, 0]);
    expect(rows.at(-1)!.slice(0, 2)).toEqual(['human', 'by_size.large']);
  });

  test('of COCO, by category where asked for', () => {
    const truth = new CocoGroundTruth();
    truth.add({ kind: 'image', image: { id: 1 } });
    truth.add({ kind: 'category', category: { id: 4, name: 'lion' } });
    const evaluation = evaluateCoco(truth, new CocoDetections());
    expect(cocoTable(evaluation, false).rows).toEqual([['all', null, ...Array(12).fill(-1)]]);
    expect(cocoTable(evaluation, true).rows[1]).toEqual(['lion', 4, ...Array(12).fill(-1)]);
  });
});

const python = spawnSync('python3', ['--version']).status === 0;
if (!python) console.log('skipped: no python3 to read the CSV with');

test.skipIf(!python)('another reader of CSV sees the same cells', () => {
  const rows = [['a,"b"', 'two\r\nlines', "it's", ' edge ']];
  const { stdout } = spawnSync(
    'python3',
    [
      '-c',
      'import csv,json,sys,io;print(json.dumps(list(csv.reader(io.StringIO(sys.stdin.buffer.read().decode(), newline="")))))',
    ],
    { input: renderCsv({ columns: ['a', 'b', 'c', 'd'], rows }), encoding: 'utf8' },
  );
  expect(JSON.parse(stdout)).toEqual([['a', 'b', 'c', 'd'], ...rows]);
});
