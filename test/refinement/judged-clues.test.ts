import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/expression.js';
import { judgedClues, toldClues } from '../../src/refinement/judged-clues.js';
import { liteDraft } from '../../src/refinement/lite-example.js';
import type { PhotoEvidence } from '../../src/refinement/refiner.js';
import { box, detected, request } from '../support/candidates.js';

const kitchen = detected([
  ['cup', 0.8, box(20, 20, 60, 60)],
  ['cup', 0.7, box(300, 20, 60, 60)],
  ['laptop', 0.7, box(380, 10, 150, 120)],
]);

const red: PhotoEvidence = {
  raster: {
    width: 60,
    height: 40,
    data: Uint8Array.from({ length: 60 * 40 * 3 }, (_, at) => (at % 3 === 0 ? 220 : 20)),
  },
  contentXyxy: { x1: 0, y1: 0, x2: 60, y2: 40 },
};

function clues(query: string, evidence?: PhotoEvidence): readonly string[] {
  const asked = { ...request(query, kitchen), ...(evidence && { evidence }) };
  return judgedClues(parseExpression(query), liteDraft(asked, ['detector']).example);
}

describe('judgedClues', () => {
  it('are what colours and boxes show', () => {
    expect(clues('the red cup next to the laptop', red)).toEqual([
      'attribute.colour',
      'relation.next-to',
    ]);
  });

  it('are none of what nothing shows', () => {
    expect(clues('the red cup next to the laptop')).toEqual(['relation.next-to']);
    expect(clues('the red cup next to the teapot')).toEqual([]);
    expect(clues('the leftmost big cup', red)).toEqual([]);
    expect(
      judgedClues(parseExpression('the red cup'), liteDraft(request('x', []), []).example),
    ).toEqual([]);
  });
});

describe('toldClues', () => {
  it('are those of enough queries that the tool has wrong', () => {
    const shown = [
      { sorts: ['attribute.colour', 'relation.on'], toolIsRight: true },
      { sorts: ['relation.on'], toolIsRight: false },
      { sorts: ['relation.on', 'relation.in'], toolIsRight: false },
    ];
    expect(toldClues(shown, 2)).toEqual(['relation.on']);
    expect(toldClues(shown, 1)).toEqual(['relation.in', 'relation.on']);
  });
});
