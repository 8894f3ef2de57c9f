import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toolAnswer } from '../../src/refine/candidates.js';
import { createLiteRefiner } from '../../src/refine/lite-refiner.js';
import { type PolicyNumbers, PRIOR_NUMBERS } from '../../src/refine/policy.js';
import type { Candidate, RefineRequest } from '../../src/refine/refiner.js';
import { answered, box, detected, HALVES, request, YARD } from '../support/candidates.js';

const refinerOf = (numbers: Partial<PolicyNumbers> = {}) =>
  createLiteRefiner({
    name: 'lite',
    numbers: { ...PRIOR_NUMBERS, ...numbers },
    rules: { answers: 'auto', minConfidence: 0 },
  });

function asked(query: string, candidates: readonly Candidate[], more = {}): RefineRequest {
  const listed = candidates.filter(({ tool }) => tool === 'detector');
  return {
    ...request(query, candidates, toolAnswer(query, listed)),
    toolName: 'detector',
    ...more,
  };
}

const reasons = async (one: RefineRequest, refiner = refinerOf()) => {
  const { think, answer } = await refiner.refine(one);
  return { think: think.text, answer: answer.text, decision: answer.decision };
};

const street = detected([
  ['person', 0.9, box(20, 100, 80, 250)],
  ['person', 0.8, box(250, 120, 80, 240)],
  ['person', 0.7, box(480, 110, 80, 250)],
  ['laptop', 0.7, box(330, 250, 60, 40)],
  ['car', 0.8, box(100, 20, 140, 60)],
  ['bus', 0.7, box(380, 10, 160, 80)],
]);
const zebras = detected([
  ['zebra', 0.9, box(20, 100, 100, 100)],
  ['zebra', 0.8, box(250, 110, 100, 100)],
  ['zebra', 0.8, box(450, 110, 100, 100)],
]);
const cups = detected([
  ['cup', 0.8, box(40, 200, 60, 60)],
  ['cup', 0.8, box(270, 200, 60, 60)],
  ['cup', 0.8, box(500, 200, 60, 60)],
]);
const room = detected([
  ['person', 0.09, box(250, 120, 80, 100)],
  ['tv', 0.5, box(20, 20, 200, 150)],
]);
const savanna = detected([
  ['elephant', 0.8, box(250, 120, 180, 150)],
  ['giraffe', 0.06, box(252, 122, 178, 150)],
]);
const unlabelled = zebras.map(({ label: _, ...rest }) => rest);
const buses = detected([
  ['bus', 0.9, box(20, 100, 200, 150)],
  ['bus', 0.9, box(350, 100, 200, 150)],
]);
const kennel = detected([
  ['dog', 0.9, box(250, 180, 110, 90)],
  ['chair', 0.7, box(520, 20, 60, 60)],
]);

describe('what the answer says of a box', () => {
  it.each<[string, readonly Candidate[], string]>([
    ['the second dog from the right', YARD, '2nd from the right of 3 dogs'],
    ['the largest dog', YARD, 'largest of 3 dogs'],
    ['the leftmost dog', YARD, "another dog than the detector's; leftmost of 3 dogs"],
    ['the dog next to the chair', YARD, "another dog than the detector's; dog: next to the chair"],
    ['the chair', YARD, "the surest of 2 chairs, the detector's own choice"],
    ['the dog', kennel, "the only dog box, the detector's own choice"],
    ['the old dog', YARD, 'dog: old by its size'],
    [
      'the dog left of the lamp',
      YARD,
      "another dog than the detector's; dog: towards the left; not judged: lamp",
    ],
    ['the woman on the left', street, 'leftmost of 3 people; not judged: woman'],
    [
      'the old man with glasses',
      street,
      "the surest of 3 people, the detector's own choice; not judged: man, old, with glasses",
    ],
    [
      'the guy next to the laptop',
      street,
      "another person than the detector's; person: next to the laptop",
    ],
    [
      'the woman next to the old man in a hat',
      street,
      "another person than the detector's; one of 3 people; not judged: woman, man, old, in hat",
    ],
    ['the vehicle on the right', street, "not the detector's car; rightmost of 2 vehicles"],
    ['the jeep', street, "a car box for jeep: the detector's own choice"],
    [
      'the headphones',
      room,
      "a person box, 0.09, stands in: the detector has no word for headphones; the detector's own choice",
    ],
    ['the person', room, "a faint person box, 0.09: the detector's own choice"],
    ['the giraffe', savanna, 'a faint giraffe box, 0.06, more likely an elephant'],
    [
      'the leftmost lamp',
      YARD,
      "not the detector's dog; a chair box, 0.60, stands in: the detector has no word for lamp; leftmost of 5 objects",
    ],
    ['the leftmost zebra', unlabelled, 'leftmost of 3 boxes; not judged: zebra'],
    ['the far left', YARD, "not the detector's dog; a chair box: leftmost of 5 objects"],
    ['What can I sit on?', YARD, "not the detector's dog; the surest of 2 objects"],
    ['the dgo in the middle', YARD, 'most central of 3 dogs; "dgo" read as dog'],
    [
      'find the <ref>right dog</ref>',
      YARD,
      'another dog than the detector\'s; rightmost of 3 dogs; "find the ref" left out',
    ],
    ['dogs on the left', YARD, "another dog than the detector's; leftmost of 3 dogs"],
  ])('%s', async (query, candidates, text) => {
    expect((await reasons(asked(query, candidates))).answer).toBe(text);
  });

  it.each<[string, readonly Candidate[], string]>([
    ['the red cup', cups, 'cup: most of it is red'],
    ['the purple bus', street, 'the only bus box'],
    ['the green bus', buses, "another bus than the detector's; bus: most of it is green"],
    [
      'person in the green shirt',
      street,
      "another person than the detector's; person: green shirt",
    ],
    [
      'the lady in a striped green shirt and jeans',
      street,
      "another person than the detector's; person: green shirt; not judged: lady, striped shirt, jeans",
    ],
  ])('with the colours of the photo: %s', async (query, candidates, text) => {
    expect((await reasons(asked(query, candidates, { evidence: HALVES }))).answer).toBe(text);
  });

  it('counts the tools that agree, and names the tool that read the words', async () => {
    const left = box(22, 101, 99, 99);
    const readers = ['a', 'b'].map((tool) => answered(tool, left));
    const all = [...zebras, ...readers, answered('c', box(250, 110, 100, 100))];
    expect((await reasons(asked('the left zebra', all))).answer).toBe(
      "the detector's zebra, another box of it; leftmost of 3 zebras, 2 of 3 tools agree",
    );
    const judged = answered('vlm', zebras[1]!.boxXyxy);
    const told = await reasons(request('the left zebra', [...zebras, judged], judged));
    expect(told.answer).toBe("not vlm's box; leftmost of 3 zebras");
    expect(told.think).toBe('leftmost of 3 zebras');
  });

  it('cuts the list of what was not judged', async () => {
    const query = 'the happy clever lazy noisy famous dog beside the xylophone';
    expect((await reasons(asked(query, kennel))).answer).toBe(
      "the only dog box, the detector's own choice; not judged: happy, clever, lazy, noisy and 2 more",
    );
  });
});

describe('what it says of several boxes', () => {
  it.each<[string, readonly Candidate[], string]>([
    ['all the zebras', zebras, '3 zebras'],
    ['all cups but the leftmost', cups, '2 cups, all but the leftmost'],
    ['everyone', street, '3 people'],
    ['four zebras', zebras, '3 of the 4 zebras asked for were found'],
  ])('%s', async (query, candidates, text) => {
    const refiner = refinerOf({ members: { behind: 1 } });
    expect((await reasons(asked(query, candidates), refiner)).answer).toBe(text);
  });

  it('does not call out what is in the answer', async () => {
    const told = await reasons(
      asked('all cups but the leftmost', cups),
      refinerOf({ members: { behind: 0 } }),
    );
    expect(told.answer).toBe('3 cups, the leftmost among them');
  });
});

describe('why nothing fits', () => {
  it.each<[string, readonly Candidate[], string, PolicyNumbers['none']?]>([
    ['the giraffe', YARD, 'no giraffe found'],
    [
      'the giraffe',
      savanna,
      'the surest giraffe box, 0.06, is more likely an elephant',
      { always: 0 },
    ],
    ['the person', room, 'the surest person box, 0.09, is too faint', { always: 0 }],
    ['the fourth zebra from the left', zebras, 'only 3 zebras found, not 4'],
    ['the purple bus', buses, 'no bus is purple', { 'off-colour': 5 }],
    ['the dog next to the chair', kennel, 'no box fits the words', { always: 5 }],
    ['asdf qwer', YARD, 'not English: "asdf qwer"'],
    ['the lamp', YARD, 'the detector has no word for lamp', { always: 0 }],
    [
      'the lamp',
      detected([['vending machine', 0.9, box(0, 0, 90, 90)]]),
      'no box is named lamp',
      { always: 0 },
    ],
    ['the dog', [], 'no box was proposed'],
  ])('%s', async (query, candidates, text, none = {}) => {
    const told = await reasons(asked(query, candidates, { evidence: HALVES }), refinerOf({ none }));
    expect(told).toEqual({ think: text, answer: text, decision: 'none' });
  });
});

describe('whatever is asked', () => {
  const words = fc.constantFrom(
    ...'the a left leftmost second third from right of dog dogs man woman giraffe headphones red blue shirt in not next to all both except old with asdf elefant biggest chair behind zyx <ref> please extraordinarily-long-compounded-wording\n'.split(
      ' ',
    ),
  );
  const queries = fc.array(words, { minLength: 1, maxLength: 16 }).map((all) => all.join(' '));
  const boxes = fc.array(
    fc.record({
      label: fc.constantFrom('dog', 'person', 'giraffe', 'chair', 'odd\nlabel', undefined),
      score: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      x: fc.integer({ min: 0, max: 500 }),
      y: fc.integer({ min: 0, max: 300 }),
      size: fc.integer({ min: 10, max: 100 }),
      tool: fc.constantFrom('detector', 'other'),
    }),
    { maxLength: 8 },
  );

  it('stays one short line that is true', async () => {
    const refiner = refinerOf();
    await fc.assert(
      fc.asyncProperty(queries, boxes, fc.boolean(), async (query, drawn, seen) => {
        const candidates = drawn.map(({ label, score, x, y, size, tool }, rank): Candidate => {
          const place = { boxXyxy: box(x, y, size, size), tool, rank, score };
          return label === undefined ? place : { ...place, label };
        });
        const { think, answer } = await reasons(
          asked(query, candidates, seen ? { evidence: HALVES } : {}),
          refiner,
        );
        for (const text of [think, answer]) {
          expect(text.length).toBeGreaterThan(0);
          expect(text.length).toBeLessThanOrEqual(200);
          expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
          const named = text.replace(/"[^"]*"/g, '');
          const scores = candidates.map(({ score }) => score!.toFixed(2));
          const known = new RegExp(
            `\\b(?:\\d+(?:st|nd|rd|th)|\\d{1,2}(?![.\\d])|${scores.join('|')})\\b`,
            'g',
          );
          expect(named.replace(known, '')).not.toMatch(/\d/);
          if (/only/.test(text) && !/found, not/.test(text)) {
            const [, label] = /the only (.+?) box/.exec(text)!;
            const sure = drawn.filter((each) => each.label === label && each.score > 0.15);
            expect(sure.length).toBeGreaterThan(0);
          }
        }
        expect(think).not.toMatch(/detector's|choice/);
      }),
      { numRuns: 300 },
    );
  });
});
