import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BoxXyxy } from '../../src/core/box.js';
import { iouXyxy, isSameXyxy } from '../../src/core/box.js';
import { toolAnswer } from '../../src/refine/candidates.js';
import { createLiteRefiner } from '../../src/refine/lite-refiner.js';
import { beliefOf, policyOf, rowsOf } from '../../src/refine/policy.js';
import type { RefineRequest } from '../../src/refine/refiner.js';
import { situationOf } from '../../src/refine/situation.js';
import { readRefiner } from '../../src/runtime/refiner.js';
import { detections, expressions, requests } from '../support/arbitraries.js';
import {
  answered,
  box,
  detected,
  HALVES,
  mirrorXyxy,
  PHOTO,
  PRIOR,
  refined,
  request,
  YARD,
} from '../support/candidates.js';

const FITTED = { ...PRIOR, numbers: (await readRefiner('lite')).numbers };
const SPECS = [
  ['the priors', PRIOR],
  ['the fitted numbers', FITTED],
] as const;

const PHOTOS = {
  yard: YARD,
  field: detected([
    ['zebra', 0.9, box(40, 100, 180, 150)],
    ['zebra', 0.7, box(230, 180, 70, 60)],
    ['zebra', 0.8, box(330, 120, 140, 130)],
    ['car', 0.8, box(490, 150, 100, 100)],
    ['chair', 0.4, box(5, 120, 30, 60)],
  ]),
  // The left half is red, the right one green.
  harbour: detected([
    ['boat', 0.8, box(20, 60, 200, 160)],
    ['boat', 0.6, box(340, 60, 200, 160)],
    ['dog', 0.7, box(60, 230, 80, 60)],
    ['dog', 0.8, box(400, 230, 80, 60)],
  ]),
  kitchen: detected([
    ['cup', 0.8, box(40, 200, 60, 70)],
    ['cup', 0.75, box(200, 210, 60, 70)],
    ['cup', 0.7, box(360, 205, 60, 70)],
    ['oven', 0.8, box(460, 100, 130, 200)],
    ['sink', 0.7, box(120, 100, 120, 60)],
    ['refrigerator', 0.8, box(5, 10, 100, 180)],
  ]),
  airport: detected([
    ['airplane', 0.9, box(30, 60, 220, 120)],
    ['airplane', 0.8, box(330, 80, 220, 110)],
    ['person', 0.7, box(280, 250, 30, 90)],
  ]),
  zoo: detected([
    ['zebra', 0.9, box(40, 120, 120, 130)],
    ['zebra', 0.85, box(220, 120, 120, 130)],
    ['zebra', 0.8, box(420, 120, 120, 130)],
    ['person', 0.7, box(560, 100, 35, 120)],
  ]),
};
type Photo = keyof typeof PHOTOS;

function asked(photo: Photo, query: string): RefineRequest {
  const candidates = PHOTOS[photo];
  const plain = request(query, candidates, toolAnswer(query, candidates));
  return photo === 'harbour' ? { ...plain, evidence: HALVES } : plain;
}

const boxesOf = (photo: Photo, at: readonly number[]): BoxXyxy[] =>
  at.map((each) => PHOTOS[photo][each]!.boxXyxy);

const mirroredWords = (text: string): string =>
  text.replace(/left|right/gi, (side) => (side.toLowerCase() === 'left' ? 'right' : 'left'));

function mirrored(one: RefineRequest): RefineRequest {
  const candidates = one.candidates.map((each) => ({
    ...each,
    boxXyxy: mirrorXyxy(each.boxXyxy, one.imageSize),
  }));
  const tool = one.tool && candidates[one.candidates.indexOf(one.tool)]!;
  return { ...one, query: mirroredWords(one.query), candidates, tool };
}

const same = (a: BoxXyxy | null, b: BoxXyxy | null): boolean =>
  a === null || b === null ? a === b : isSameXyxy(a, b);

/** What is meant, as an index into the candidates of the photo. */
const MEANT: readonly [Photo, string, number][] = [
  ['yard', 'the leftmost dog', 1],
  ['yard', 'dog on the left', 1],
  ['yard', 'the second dog from the right', 0],
  ['yard', '2nd dog from left', 0],
  ['yard', 'third dog from the left', 3],
  ['yard', 'far right dog', 3],
  ['yard', 'the largest dog', 0],
  ['yard', 'the dog in the middle', 0],
  ['yard', 'the dog next to the chair', 3],
  ['yard', 'puppy to the left of the chair on the right', 3],
  ['yard', 'the upper chair', 4],
  ['yard', 'the topmost one that is not a dog', 4],
  ['yard', 'the leftmost of the three dogs', 1],
  ['yard', 'the dgo second to last', 0],
  ['yard', 'the lower chair', 2],
  ['yard', 'the chair near the rightmost dog', 2],
  ['field', 'the zebra closest to the car', 2],
  ['field', 'the zebra farther from the car', 0],
  ['field', 'the zebra farthest from the chair', 2],
  ['field', 'the mother zebra', 0],
  ['harbour', 'the red boat', 0],
  ['harbour', 'the green boat', 1],
  ['harbour', 'the boat with the green windows', 1],
  ['harbour', 'the boat with the red windows', 0],
  ['harbour', 'the dog next to the green boat', 3],
  ['harbour', 'the dog next to the red boat', 2],
  ['kitchen', 'the cup between the other cups', 1],
  ['kitchen', 'the cup left of the oven', 2],
  ['airport', 'the left plane', 0],
  ['airport', 'the plane on the right', 1],
  ['zoo', 'the second zebra from the left', 1],
  ['zoo', 'the zebra next to the man', 2],
];

describe.each(SPECS)('one thing, by %s', (_, spec) => {
  it.each(MEANT)('%s: %s', async (photo, query, meant) => {
    const one = asked(photo, query);
    const { think, answer } = await refined(one, spec);
    const expected = PHOTOS[photo][meant]!;
    expect(think.boxXyxy).toEqual(expected.boxXyxy);
    expect(answer.boxXyxy).toEqual(expected.boxXyxy);
    expect(answer.decision).toBe(one.tool === expected ? 'confirm' : 'correct');
    expect(answer.score).toBeGreaterThan(0.5);
    expect(answer).not.toHaveProperty('boxes');
  });

  const sided = MEANT.filter(([photo, query]) => photo !== 'harbour' && /left|right/.test(query));
  it.each(sided)('%s, mirrored: %s', async (photo, query, meant) => {
    const { answer } = await refined(mirrored(asked(photo, query)), spec);
    expect(answer.boxXyxy).toEqual(mirrorXyxy(PHOTOS[photo][meant]!.boxXyxy, PHOTO));
  });

  it('is less sure of a colour that no boat has', async () => {
    const [blue, red] = await Promise.all(
      ['the blue boat', 'the red boat'].map((query) => refined(asked('harbour', query), spec)),
    );
    expect(blue!.answer.score).toBeLessThan(red!.answer.score - 0.1);
  });
});

it.each<[string, number]>([
  ['the baby zebra', 1],
  ['the youngest zebra', 1],
])('%s: age shows in size', async (query, meant) => {
  const { think } = await refined(asked('field', query));
  expect(think.boxXyxy).toEqual(PHOTOS.field[meant]!.boxXyxy);
});

describe.each(SPECS)('nothing, by %s', (_, spec) => {
  it.each<[Photo, string]>([
    ['kitchen', 'the giraffe'],
    ['kitchen', 'the elephant'],
    ['zoo', 'the fourth zebra from the left'],
    ['kitchen', 'the fourth cup from the left'],
    ['zoo', 'the fifth zebra'],
  ])('%s: %s', async (photo, query) => {
    const { think, answer } = await refined(asked(photo, query), spec);
    expect(think.boxXyxy).toBeNull();
    expect(answer).toMatchObject({ boxXyxy: null, decision: 'none' });
    expect(answer.score).toBeGreaterThan(0.5);
  });

  it.each<[Photo, string]>([
    ['kitchen', 'asdf qwer'],
    ['yard', 'asdf qwer'],
    ['yard', 'der linke Hund'],
    ['kitchen', 'die linke Tasse'],
    ['kitchen', 'der rote Becher links vom Ofen'],
    ['airport', 'the flying carpet'],
  ])('%s, or an answer that is not relied on: %s', async (photo, query) => {
    const { answer } = await refined(asked(photo, query), spec);
    if (answer.decision !== 'none') expect(answer.score).toBeLessThan(0.5);
  });

  it('is found where nothing is proposed', async () => {
    const { think, answer } = await refined(request('the dog', []), spec);
    expect(think.boxXyxy).toBeNull();
    expect(answer).toMatchObject({ boxXyxy: null, decision: 'none' });
    expect(answer.score).toBeGreaterThan(0.5);
  });
});

describe('several things', () => {
  it.each<[Photo, string, readonly number[]]>([
    ['zoo', 'all the zebras', [0, 1, 2]],
    ['zoo', 'the two zebras on the left', [0, 1]],
    ['zoo', 'every zebra but the rightmost', [0, 1]],
    ['airport', 'both planes', [0, 1]],
    ['kitchen', 'the three cups', [0, 1, 2]],
    ['kitchen', 'How many cups are there?', [0, 1, 2]],
    ['kitchen', 'all cups except the leftmost', [1, 2]],
    ['yard', 'everything but the dogs', [2, 4]],
  ])('%s: %s', async (photo, query, meant) => {
    const { answer } = await refined(asked(photo, query), FITTED);
    const boxes = answer.boxes!.map(({ boxXyxy }) => boxXyxy);
    expect(boxes).toHaveLength(meant.length);
    expect(boxes).toEqual(expect.arrayContaining(boxesOf(photo, meant)));
    expect(answer).toMatchObject(answer.boxes![0]!);
    const scores = answer.boxes!.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(Math.min(...scores)).toBeGreaterThan(0.5);
  });

  it('are one where only one is asked for, and where nothing fits none', async () => {
    const one = { ...FITTED, rules: { ...FITTED.rules, answers: 'one' as const } };
    const { think, answer } = await refined(asked('zoo', 'all the zebras'), one);
    expect(answer).not.toHaveProperty('boxes');
    expect(answer.boxXyxy).toEqual(think.boxXyxy);
    const giraffes = await refined(asked('kitchen', 'all the giraffes'), FITTED);
    expect(giraffes.answer.decision).toBe('none');
    expect(giraffes.answer).not.toHaveProperty('boxes');
  });

  it('are taken from a bare plural, but with a place people write it for one box', async () => {
    const { answer: all } = await refined(asked('zoo', 'the zebras'), FITTED);
    expect(all.boxes?.length).toBeGreaterThan(1);
    const { answer: one } = await refined(asked('zoo', 'zebras on the left'), FITTED);
    expect(one).not.toHaveProperty('boxes');
  });
});

describe('the tool’s answer', () => {
  it('is not needed', async () => {
    const one = request('the left dog', PHOTOS.yard, null);
    const { answer } = await refined({ ...one, toolName: 'other' });
    expect(answer).toMatchObject({ boxXyxy: PHOTOS.yard[1]!.boxXyxy, decision: 'correct' });
  });

  it('stands where another tool differs, and not where two agree on another object', async () => {
    const there = box(300, 200, 90, 90);
    const lone = [answered('a', box(10, 10, 80, 80)), answered('b', there)];
    const outvoted = [...lone, answered('c', box(302, 198, 90, 90))];
    expect((await refined(request('man in hat', lone))).answer.decision).toBe('confirm');
    const { answer } = await refined(request('man in hat', outvoted));
    expect(answer.decision).toBe('correct');
    expect(iouXyxy(answer.boxXyxy!, there)).toBeGreaterThan(0.9);
  });

  it('is adjusted where other tools draw its object otherwise', async () => {
    const tools = [
      answered('a', box(100, 100, 100, 100)),
      answered('b', box(100, 100, 100, 162)),
      answered('c', box(100, 100, 100, 160)),
    ];
    const numbers = { ...PRIOR.numbers, boxes: { reader: 0, 'reader-overlap': 0 } };
    const { answer } = await refined(request('man in hat', tools), { ...PRIOR, numbers });
    expect(answer.decision).toBe('adjust');
    expect(answer.boxXyxy!.y2).toBeGreaterThan(230);
  });

  it('changes neither box nor score where there is none', async () => {
    const one = { ...FITTED, rules: { ...FITTED.rules, answers: 'one' as const } };
    await fc.assert(
      fc.asyncProperty(requests, async (asked) => {
        const { think, answer } = await refined({ ...asked, toolName: 'absent', tool: null }, one);
        expect({ boxXyxy: answer.boxXyxy, score: answer.score }).toEqual({
          boxXyxy: think.boxXyxy,
          score: think.score,
        });
      }),
    );
  });
});

it('gives none below the least confidence, with the chance that nothing fits', async () => {
  const one = asked('yard', 'the smallest dog');
  const { think, answer } = await refined(one);
  const bounded = async (minConfidence: number) =>
    await refined(one, { ...PRIOR, rules: { answers: 'auto', minConfidence } });
  expect((await bounded(answer.score)).answer).toEqual(answer);
  const policy = policyOf(PRIOR.numbers);
  const { none } = beliefOf(policy, rowsOf(situationOf(one), policy.columns), 'rethink');
  const refused = await bounded(answer.score + 1e-6);
  expect(refused.think).toEqual(think);
  expect(refused.answer).toMatchObject({ boxXyxy: null, decision: 'none', score: none });
  expect(refused.answer.text).toMatch(/^score 0\.\d\d is below --min-confidence 0\.\d+: /);
});

describe('any request', () => {
  it('has a box inside what was proposed, scores in 0..1, a fitting decision and one line of text', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (asked) => {
        const { think, answer } = await refined(asked, FITTED);
        const all = [think, answer, ...(answer.boxes ?? [])];
        for (const { boxXyxy, score } of all) {
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual(1);
          if (boxXyxy === null) continue;
          for (const side of ['x1', 'y1', 'x2', 'y2'] as const) {
            const sides = asked.candidates.map((each) => each.boxXyxy[side]);
            expect(boxXyxy[side]).toBeGreaterThanOrEqual(Math.min(...sides) - 1e-9);
            expect(boxXyxy[side]).toBeLessThanOrEqual(Math.max(...sides) + 1e-9);
          }
        }
        for (const { text } of [think, answer]) {
          expect(text).not.toBe('');
          expect(text).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        }
        expect(answer.decision === 'none').toBe(answer.boxXyxy === null);
        expect(answer.decision === 'confirm').toBe(
          asked.tool !== null && same(answer.boxXyxy, asked.tool.boxXyxy),
        );
      }),
    );
  });

  it('is answered alike whatever the order of its candidates', async () => {
    await fc.assert(
      fc.asyncProperty(requests, fc.nat(), async (asked, turn) => {
        const from = turn % (asked.candidates.length + 1);
        const candidates = [
          ...asked.candidates.slice(from),
          ...asked.candidates.slice(0, from),
        ].reverse();
        const [one, two] = [await refined(asked), await refined({ ...asked, candidates })];
        for (const part of ['think', 'answer'] as const) {
          expect(two[part].boxXyxy).toEqual(one[part].boxXyxy);
          expect(two[part].score).toBeCloseTo(one[part].score, 9);
        }
      }),
    );
  });

  it('is answered alike each time, alone and among others', async () => {
    const refiner = createLiteRefiner(FITTED);
    await fc.assert(
      fc.asyncProperty(fc.array(requests, { minLength: 2, maxLength: 3 }), async (asked) => {
        const together = await Promise.all(asked.map((one) => refiner.refine(one)));
        for (const [at, one] of asked.entries()) {
          const again = { ...one, candidates: [...one.candidates] };
          expect(await refined(again, FITTED)).toEqual(together[at]);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('gets the mirrored box for the mirrored words in the mirrored photo', async () => {
    // What people wrote of boxes leans to one side a little.
    const numbers = { ...PRIOR.numbers, boxes: { 'box-words': 0 } };
    await fc.assert(
      fc.asyncProperty(detections, expressions, async (candidates, query) => {
        const one = request(query, candidates, null);
        const plain = await refined(one, { ...PRIOR, numbers });
        const turned = await refined(mirrored(one), { ...PRIOR, numbers });
        const expected = plain.think.boxXyxy && mirrorXyxy(plain.think.boxXyxy, PHOTO);
        expect(same(turned.think.boxXyxy, expected)).toBe(true);
        expect(turned.think.score).toBeCloseTo(plain.think.score, 6);
      }),
    );
  });
});
