import { expect, it } from 'vitest';
import { checkedQuery } from '../../src/formats/query-line.js';
import { requestOf } from '../../src/pipeline/query-request.js';
import { resultLine } from '../../src/pipeline/result-record.js';

it.each([
  ['with area', [5, 5, 9, 9], 'lion'],
  ['without area', [5, 5, 5, 9], 'lion'],
  ['that no candidate has', [50, 50, 60, 60], undefined],
])('an answer %s has the label of its candidate', (_, [x1, y1, x2, y2], label) => {
  const line = (bbox: number[]) => ({
    query: 'the lion',
    tools: { t: [{ bbox_2d: bbox, label: 'lion' }] },
  });
  const bbox = label === undefined ? [0, 0, 9, 9] : [x1!, y1!, x2!, y2!];
  const query = checkedQuery(line(bbox), 1);
  const boxXyxy = { x1: x1!, y1: y1!, x2: x2!, y2: y2! };
  const { answer } = resultLine(
    query,
    requestOf(query, undefined, {}),
    {
      think: { boxXyxy, score: 1, text: '' },
      answer: { boxXyxy, score: 1, decision: 'confirm', text: '' },
    },
    undefined,
  );
  expect(answer.label).toBe(label);
});
