import { expect, it } from 'vitest';
import { parseQueryLine } from '../../src/formats/query-line.js';
import { requestOf, resultLine } from '../../src/runtime/query-answer.js';

it('a set has the score and the label of each of its boxes', () => {
  const tools = { t: [{ bbox_2d: [5, 5, 9, 9], label: 'lion' }, { bbox_2d: [20, 20, 30, 30] }] };
  const query = parseQueryLine(JSON.stringify({ query: 'the lions', tools }), 1);
  const boxes = query.tools[0]!.boxes.map(({ boxXyxy }, at) => ({
    boxXyxy,
    score: 0.9 - at / 3,
  }));
  const { answer } = resultLine(
    query,
    requestOf(query, undefined, { detectors: [] }),
    {
      think: { boxXyxy: null, score: 0, text: '' },
      answer: { boxXyxy: boxes[0]!.boxXyxy, boxes, score: 0.9, decision: 'confirm', text: '' },
    },
    undefined,
  );
  expect(answer.boxes).toEqual([
    { bbox_2d: [5, 5, 9, 9], score: 0.9, label: 'lion' },
    { bbox_2d: [20, 20, 30, 30], score: 0.5667 },
  ]);
  expect(answer.bbox_2d).toEqual([5, 5, 9, 9]);
});

it.each([
  ['with area', [5, 5, 9, 9], 'lion'],
  ['without area', [5, 5, 5, 9], 'lion'],
  ['that no candidate has', [50, 50, 60, 60], undefined],
])('an answer %s has the label of its candidate', (_, [x1, y1, x2, y2], label) => {
  const bbox = label === undefined ? [0, 0, 9, 9] : [x1!, y1!, x2!, y2!];
  const tools = { t: [{ bbox_2d: bbox, label: 'lion' }] };
  const query = parseQueryLine(JSON.stringify({ query: 'the lion', tools }), 1);
  const boxXyxy = { x1: x1!, y1: y1!, x2: x2!, y2: y2! };
  const { answer } = resultLine(
    query,
    requestOf(query, undefined, { detectors: [] }),
    {
      think: { boxXyxy, score: 1, text: '' },
      answer: { boxXyxy, score: 1, decision: 'confirm', text: '' },
    },
    undefined,
  );
  expect(answer.label).toBe(label);
});
