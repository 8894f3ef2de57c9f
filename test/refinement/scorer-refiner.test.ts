import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BoxXyxy, mirrorXyxy } from '../../src/geometry/box.js';
import { iouXyxy } from '../../src/geometry/overlap.js';
import { mirrorExpression } from '../../src/language/mirror.js';
import type { Candidate, RefineRequest } from '../../src/refinement/refiner.js';
import { createScorerRefiner } from '../../src/refinement/scorer-refiner.js';
import { toolAnswer } from '../../src/refinement/tool-answer.js';
import { answered, box, detected, PHOTO, request } from '../support/candidates.js';

const refiner = createScorerRefiner();
const refine = async (one: RefineRequest) => (await refiner.refine([one]))[0]!;

/** Three dogs from left to right, the middle one best seen, and two chairs; a ghost dog far left. */
const yard = detected([
  ['dog', 0.9, box(250, 180, 110, 90)],
  ['dog', 0.7, box(80, 190, 60, 50)],
  ['chair', 0.7, box(520, 150, 60, 120)],
  ['dog', 0.6, box(450, 170, 60, 60)],
  ['chair', 0.6, box(20, 20, 60, 60)],
  ['dog', 0.06, box(5, 180, 30, 30)],
]);
const [middleDog, leftDog, rightChair, rightDog, upperChair] = yard as [
  Candidate,
  Candidate,
  Candidate,
  Candidate,
  Candidate,
];

describe('the words decide', () => {
  it.each<[string, Candidate]>([
    ['the leftmost dog', leftDog],
    ['dog on the left', leftDog],
    ['the second dog from the right', middleDog],
    ['2nd dog from left', middleDog],
    ['third dog from the left', rightDog],
    ['far right dog', rightDog],
    ['the largest dog', middleDog],
    ['the smallest dog', leftDog],
    ['the dog in the middle', middleDog],
    ['the dog next to the chair', rightDog],
    ['puppy to the left of the chair on the right', rightDog],
    ['the upper chair', upperChair],
    ['the topmost one that is not a dog', upperChair],
    ['the leftmost of the three dogs', leftDog],
    ['the dgo second to last', middleDog],
    ['the lower chair', rightChair],
    ['the chair near the rightmost dog', rightChair],
  ])('%s', async (query, meant) => {
    const tool = toolAnswer(query, yard);
    const { think, answer } = await refine(request(query, yard, tool));
    expect(think.boxXyxy).toEqual(meant.boxXyxy);
    expect(answer.boxXyxy).toEqual(meant.boxXyxy);
    expect(answer.decision).toBe(tool === meant ? 'confirm' : 'correct');
  });

  it.each<[string, number]>([
    ['the baby zebra', 1],
    ['the youngest zebra', 1],
    ['the mother zebra', 0],
    ['the zebra closest to the car', 2],
    ['the zebra farther from the car', 0],
    ['the zebra farthest from the chair', 2],
  ])('%s: age shows in size, and distance in order', async (query, meant) => {
    const field = detected([
      ['zebra', 0.9, box(40, 100, 180, 150)],
      ['zebra', 0.7, box(230, 180, 70, 60)],
      ['zebra', 0.8, box(330, 120, 140, 130)],
      ['car', 0.8, box(490, 150, 100, 100)],
      ['chair', 0.4, box(5, 120, 30, 60)],
    ]);
    const { think } = await refine(request(query, field));
    expect(think.boxXyxy).toEqual(field[meant]!.boxXyxy);
  });

  it.each<[string, number]>([
    ['the boat with the green windows', 1],
    ['the boat with the red windows', 0],
    ['the dog next to the green boat', 3],
    ['the dog next to the red boat', 2],
  ])('%s: the colours of parts and landmarks count', async (query, meant) => {
    const harbour = detected([
      ['boat', 0.8, box(20, 60, 200, 160)],
      ['boat', 0.6, box(340, 60, 200, 160)],
      ['dog', 0.7, box(60, 230, 80, 60)],
      ['dog', 0.8, box(400, 230, 80, 60)],
    ]);
    // Red on the left half, green on the right.
    const data = Uint8Array.from({ length: 60 * 40 * 3 }, (_, at) => {
      const right = Math.floor(at / 3) % 60 >= 30;
      return at % 3 === (right ? 1 : 0) ? 200 : 20;
    });
    const evidence = {
      raster: { width: 60, height: 40, data },
      contentXyxy: { x1: 0, y1: 0, x2: 60, y2: 40 },
    };
    const { think } = await refine({ ...request(query, harbour), evidence });
    expect(think.boxXyxy).toEqual(harbour[meant]!.boxXyxy);
  });

  it('says why, with numbers', async () => {
    const { think, answer } = await refine(request('the leftmost dog', yard, middleDog));
    expect(think.text).toMatch(/^leftmost of 3 dogs, 0\.\d\d$/);
    expect(answer.text).toMatch(
      /^another object than the tool's, 0\.\d\d against 0\.\d\d: leftmost of 3 dogs, 0\.\d\d$/,
    );
  });

  it('answers by the other words where no box has the name, and says so', async () => {
    const { answer } = await refine(request('the leftmost lamp', yard));
    expect(answer.text).toContain('no box is named "lamp"');
    expect(answer.boxXyxy).toEqual(upperChair.boxXyxy);
  });

  it('lists what it cannot judge', async () => {
    const { think } = await refine(request('the dog beside the xylophone', yard));
    expect(think.text).toContain('not judged: beside xylophone');
  });
});

describe('think and rethink', () => {
  it('thinks blind to the answer that is judged', async () => {
    const thoughts = await Promise.all(
      [middleDog, leftDog, null].map(async (tool) => {
        const refinement = await refine({
          ...request('left dog', yard, tool),
          toolName: 'detector',
        });
        return refinement.think;
      }),
    );
    expect(new Set(thoughts.map((think) => JSON.stringify(think))).size).toBe(1);
  });

  it('finds nothing where nothing is proposed', async () => {
    const { think, answer } = await refine(request('the dog', []));
    expect(think.boxXyxy).toBeNull();
    expect(answer).toMatchObject({ boxXyxy: null, decision: 'none', score: 0 });
  });

  it('answers alone where the tool found nothing', async () => {
    const { answer } = await refine({ ...request('the left dog', yard, null), toolName: 'other' });
    expect(answer).toMatchObject({ boxXyxy: leftDog.boxXyxy, decision: 'correct' });
  });

  it('corrects a grounding tool that two others contradict, and not for one', async () => {
    const [here, there] = [box(10, 10, 80, 80), box(300, 200, 90, 90)];
    const lone = [answered('a', here), answered('b', there)];
    const outvoted = [...lone, answered('c', box(302, 198, 90, 90))];
    expect((await refine(request('man in hat', lone))).answer.decision).toBe('confirm');
    const { answer } = await refine(request('man in hat', outvoted));
    expect(answer.decision).toBe('correct');
    expect(answer.boxXyxy).toEqual(box(301, 199, 90, 90));
  });

  it('adjusts a box that other tools draw otherwise', async () => {
    const tools = [
      answered('a', box(100, 100, 100, 100)),
      answered('b', box(100, 100, 100, 162)),
      answered('c', box(100, 100, 100, 160)),
    ];
    const { answer } = await refine(request('man in hat', tools));
    expect(answer.decision).toBe('adjust');
    expect(answer.boxXyxy!.y2).toBeGreaterThan(230);
  });

  it('tells of the words of a question that told nothing, and of no other', async () => {
    const { answer } = await refine(request('What can we abstrusely sit on?', yard));
    expect([rightChair.boxXyxy, upperChair.boxXyxy]).toContainEqual(answer.boxXyxy);
    expect(answer.text).toMatch(/not judged: abstrusely$/);
  });

  it('stops where the signal is aborted', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(refiner.refine([request('dog', yard)], signal)).rejects.toThrow('enough');
  });
});

const LABELS = ['dog', 'cat', 'person', 'car'];
const side = fc.integer({ min: 12, max: 150 });
const boxes: fc.Arbitrary<BoxXyxy> = fc
  .tuple(fc.integer({ min: 0, max: 450 }), fc.integer({ min: 0, max: 250 }), side, side)
  .map(([x, y, width, height]) => box(x, y, width, height));
const scenes = fc
  .array(fc.tuple(fc.constantFrom(...LABELS), fc.integer({ min: 6, max: 95 }), boxes), {
    minLength: 1,
    maxLength: 8,
  })
  .map((list) =>
    detected(
      list
        .map(([label, score, b], at) => [label, score / 100 + at / 1e4, b] as const)
        .sort((a, b) => b[1] - a[1]),
    ),
  );
const phrases = fc
  .tuple(
    fc.constantFrom('the leftmost', 'the largest', 'the upper', 'the', 'far right'),
    fc.constantFrom('dog', 'cat', 'guy', 'vehicle', 'animal', 'one'),
    fc.constantFrom(
      '',
      'on the left',
      'second from the right',
      'left of the cat',
      'next to the man',
      'in front',
      'sitting left of the car',
      'not standing on the right',
    ),
  )
  .map((parts) => parts.join(' ').trim());
const questions = fc.constantFrom(
  'What can I ride?',
  'Which animal is on the left?',
  'What barks?',
);
const queries = fc.oneof({ weight: 5, arbitrary: phrases }, { weight: 1, arbitrary: questions });

describe('any scene', () => {
  it('gives the mirrored box for the mirrored words in the mirrored photo', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, queries, async (candidates, query) => {
        const mirrored = candidates.map((candidate) => ({
          ...candidate,
          boxXyxy: mirrorXyxy(candidate.boxXyxy, PHOTO),
        }));
        const plain = await refine(request(query, candidates));
        const turned = await refine(request(mirrorExpression(query), mirrored));
        // Two boxes may fit equally well; then either may be named, on either side.
        fc.pre(turned.think.score < 0.499 || turned.think.score > 0.501);
        const expected = mirrorXyxy(plain.think.boxXyxy!, PHOTO);
        expect(turned.think.score).toBeCloseTo(plain.think.score, 6);
        if (plain.think.score > 0.501) {
          expect(iouXyxy(turned.think.boxXyxy!, expected)).toBeGreaterThan(0.999);
        }
      }),
    );
  });

  it('does not depend on the order of candidates', async () => {
    await fc.assert(
      fc.asyncProperty(
        scenes.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        queries,
        async ([candidates, shuffled], query) => {
          const tool = candidates[0] as Candidate;
          expect(await refine(request(query, shuffled, tool))).toEqual(
            await refine(request(query, candidates, tool)),
          );
        },
      ),
    );
  });

  it('answers with a proposed box, scores in 0..1 and one line of text', async () => {
    await fc.assert(
      fc.asyncProperty(
        scenes,
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        async (candidates, query) => {
          const { think, answer } = await refine(request(query, candidates));
          for (const part of [think, answer]) {
            expect(candidates.map(({ boxXyxy }) => boxXyxy)).toContainEqual(part.boxXyxy);
            expect(part.score).toBeGreaterThanOrEqual(0);
            expect(part.score).toBeLessThanOrEqual(1);
            expect(part.text).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
          }
        },
      ),
    );
  });
});
