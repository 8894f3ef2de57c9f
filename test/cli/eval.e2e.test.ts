import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshFolder, vgr } from '../support/vgr.js';

const METRIC_KEYS = [
  ...['total', 'accuracy', 'tool_accuracy', 'mean_iou', 'tool_mean_iou', 'ccr'],
  ...['refinement_rate', 'follow_correct_rate', 'worsen_rate', 'inherited_error_rate'],
  ...['mean_iou_delta', 'nsri', 'nsri_tool_correct', 'nsri_tool_wrong', 'nsri_scaled'],
  ...['accuracy_50', 'accuracy_75', 'accuracy_90', 'mean_accuracy', 'by_size'],
  ...['n_acc', 't_acc', 'set_precision', 'score_auc', 'score_ece'],
];

/** Four queries whose ground truth is [0, 0, 10, 10]: a correction, a confirmation, a loss, and one without an answer. */
function scoredRun(): { queries: string; results: string } {
  const folder = freshFolder();
  const right = [0, 0, 10, 10];
  const wrong = [50, 50, 60, 60];
  const boxes = [
    [wrong, right],
    [right, right],
    [right, wrong],
    [wrong, null],
  ];
  const queries = boxes.map((_, index) => ({
    id: `q${index}`,
    image: 'a.jpg',
    query: 'the cat',
    bbox: [0, 0, 10, 10],
    kind: index < 2 ? 'good' : 'bad',
  }));
  const results = boxes.map(([tool, answer], index) => ({
    type: 'result',
    schema: 1,
    id: `q${index}`,
    image: 'a.jpg',
    width: 100,
    height: 100,
    query: 'the cat',
    tool: { name: 'det', bbox_2d: tool, score: 0.5 },
    think: { bbox_2d: answer, score: 0.5, text: 't' },
    answer: { bbox_2d: answer, score: 0.5, decision: answer ? 'correct' : 'none', text: 'r' },
    candidates: 2,
  }));
  const write = (name: string, lines: readonly object[]): string => {
    const path = join(folder, name);
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return path;
  };
  return { queries: write('q.jsonl', queries), results: write('results.jsonl', results) };
}

describe('vgr eval', () => {
  it('prints the metrics of the contract, overall and by kind', async () => {
    const { queries, results } = scoredRun();
    const run = await vgr(['eval', '--queries', queries, '--results', results, '--json']);
    expect(run.code).toBe(0);
    const { metrics, groups, missing_answers } = JSON.parse(run.stdout);
    expect(Object.keys(metrics)).toEqual(METRIC_KEYS);
    expect(metrics).toMatchObject({ total: 4, accuracy: 0.5, tool_accuracy: 0.5, ccr: 0.5 });
    expect(metrics.worsen_rate).toBe(0.25);
    expect(metrics.nsri).toBeCloseTo(0, 6);
    expect(groups.good.accuracy).toBe(1);
    expect(groups.bad.accuracy).toBe(0);
    expect(missing_answers).toBe(1);
  });

  it('scores sets and absent objects, from results and from two tools', async () => {
    const [queries, results] = ['queries', 'results'].map(
      (name) => `test/evaluate/oracle/answers.${name}.jsonl`,
    );
    const expected = JSON.parse(
      readFileSync('test/evaluate/oracle/answers.generated.json', 'utf8'),
    );
    const keys = ['n_acc', 't_acc', 'set_precision', 'mean_accuracy', 'score_auc', 'score_ece'];
    for (const [kind, args] of [
      ['results', ['--results', results!]],
      ['tools', ['--tool', 'before', '--answer', 'after']],
    ] as const) {
      const of = ['eval', '--queries', queries!, ...args];
      const { metrics } = JSON.parse((await vgr([...of, '--json'])).stdout);
      for (const key of keys) expect(metrics[key]).toBeCloseTo(expected[kind].metrics[key], 9);
      const table = await vgr([...of, '--fail-under', 'set_precision=0.1,by_size.small=0.9']);
      expect(table.code).toBe(1);
      expect(table.stderr).toContain('--fail-under: by_size.small is 0.4');
      expect(table.stdout).toContain('| n_acc | ');
    }
    const plain = scoredRun();
    const { stdout } = await vgr(['eval', '--queries', plain.queries, '--results', plain.results]);
    expect(stdout).not.toMatch(/\| (n_acc|t_acc|set_precision) \|/);
  });

  it('exits with 1 below a threshold of --fail-under, and says which', async () => {
    const { queries, results } = scoredRun();
    const args = ['eval', '--queries', queries, '--results', results, '--fail-under'];
    const held = await vgr([...args, 'accuracy=0.5,ccr=0.5']);
    expect(held.code).toBe(0);
    const missed = await vgr([...args, 'accuracy=0.5,ccr=0.6', '--quiet']);
    expect(missed.code).toBe(1);
    expect(missed.stderr).toBe('--fail-under: ccr is 0.5, expected at least 0.6\n');
    const unknown = await vgr([...args, 'beauty=1']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('`beauty`');
  });

  it('compares two runs query by query', async () => {
    const { queries, results } = scoredRun();
    const better = results.replace('results', 'better');
    const lines = readFileSync(results, 'utf8').replace(
      /"answer":\{"bbox_2d":null/,
      '"answer":{"bbox_2d":[0,0,10,10]',
    );
    writeFileSync(better, lines);
    const args = ['eval', '--queries', queries, '--results', results, '--compare', better];
    const { code, stdout } = await vgr([...args, '--json']);
    expect(code).toBe(0);
    const { comparison } = JSON.parse(stdout);
    expect(comparison.metrics.accuracy).toMatchObject({
      first: 0.5,
      second: 0.75,
      difference: 0.25,
    });
    const piped = [...args, '--json'].map((arg) => (arg === queries ? '-' : arg));
    expect(await vgr(piped, { stdin: readFileSync(queries, 'utf8') })).toMatchObject({ stdout });
  });

  it('writes a report, CSV and Markdown', async () => {
    const { queries, results } = scoredRun();
    const folder = freshFolder();
    const [report, csv, markdown] = ['r.html', 't.csv', 't.md'].map((name) => join(folder, name));
    const args = ['eval', '--queries', queries, '--results', results, '--report', report!];
    const { code } = await vgr([...args, '--csv', csv!, '--markdown', markdown!, '--quiet']);
    expect(code).toBe(0);
    expect(readFileSync(report!, 'utf8')).toContain('Content-Security-Policy');
    expect(readFileSync(csv!, 'utf8')).toContain('all,accuracy,0.5,');
    expect(readFileSync(markdown!, 'utf8')).toMatch(/^\| group \|/);
  });

  it('refuses what would give a wrong number, with file and line', async () => {
    const { queries, results } = scoredRun();
    const whole = readFileSync(results, 'utf8');
    const cases: [string, RegExp][] = [
      [whole.slice(0, whole.length - 40), /results\.jsonl:?.* 4/],
      [whole.replace('"id":"q2"', '"id":"q9"'), /q9/],
      [whole.replace('[50,50,60,60]', '[50,50,"60",60]'), /bbox_2d/],
      ['', /results\.jsonl/],
    ];
    for (const [text, message] of cases) {
      writeFileSync(results, text);
      const run = await vgr(['eval', '--queries', queries, '--results', results, '--json']);
      expect(run.code).toBe(2);
      expect(run.stdout).toBe('');
      expect(run.stderr).toMatch(message);
    }
  });

  it('says what can be evaluated when nothing is named', async () => {
    const { code, stderr } = await vgr(['eval', '--queries', 'q.jsonl']);
    expect(code).toBe(2);
    expect(stderr).toContain('--coco-gt gt.json');
  });

  const shared = '../shared/data/coco-eval';
  it.skipIf(!existsSync(shared))('gives the COCO numbers of pycocotools', async () => {
    for (const name of ['small', 'crowds-and-ties', 'photos']) {
      const files = [
        '--coco-gt',
        `${shared}/${name}.gt.json`,
        '--coco-dt',
        `${shared}/${name}.dt.json`,
      ];
      const { stdout } = await vgr(['eval', ...files, '--json']);
      const expected = JSON.parse(readFileSync(`${shared}/${name}.expected.json`, 'utf8'));
      const { coco } = JSON.parse(stdout);
      for (const [key, value] of Object.entries(expected)) {
        expect(coco[key], `${name} ${key}`).toBeCloseTo(value as number, 9);
      }
    }
  });

  it('keeps a report with photos small', async () => {
    const folder = freshFolder();
    const results = join(folder, 'out');
    const queries = 'fixtures/queries.jsonl';
    await vgr(['refine', 'fixtures/images', '--queries', queries, '--output', results, '--quiet']);
    const report = join(folder, 'report.html');
    const args = ['eval', 'fixtures/images', '--queries', queries];
    const run = await vgr([
      ...args,
      '--results',
      join(results, 'results.jsonl'),
      '--report',
      report,
    ]);
    expect(run.code).toBe(0);
    expect(statSync(report).size).toBeLessThan(2_000_000);
    expect(readFileSync(report, 'utf8')).toContain('data:image/jpeg;base64,');
  });
});
