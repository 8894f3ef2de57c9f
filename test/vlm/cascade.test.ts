import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import { createLiteRefiner } from '../../src/refine/lite-refiner.js';
import type { Answer, Candidate, RefineRequest, Refiner } from '../../src/refine/refiner.js';
import { CallQuota, cascadeConfidence, createCascade } from '../../src/vlm/cascade.js';
import { PRIOR } from '../support/candidates.js';

const confidences = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 1,
  maxLength: 400,
});
const shares = fc.double({ min: 0, max: 1, noNaN: true });

describe('the quota of calls', () => {
  it('never exceeds its share of the queries by more than 8', () => {
    fc.assert(
      fc.property(confidences, shares, (stream, share) => {
        const quota = new CallQuota({ share, threshold: 2 });
        for (const confidence of stream) {
          quota.decide(confidence);
          expect(quota.calls).toBeLessThanOrEqual(share * quota.seen + 8);
        }
      }),
    );
  });

  it.each([0.1, 0.2, 0.5, 0.9])('comes out at its share in the long run: %d', (share) => {
    const quota = new CallQuota({ share, threshold: 2 });
    // Many ties, and a stream that gets surer half-way.
    for (let index = 0; index < 4000; index++) {
      const base = ((index * 7919) % 13) / 16;
      quota.decide(index < 2000 ? base : base + 0.15);
    }
    expect(Math.abs(quota.calls / quota.seen - share)).toBeLessThan(0.02);
  });

  it('is for the least confident ones', () => {
    const quota = new CallQuota({ share: 0.3, threshold: 2 });
    const asked: number[] = [];
    const others: number[] = [];
    for (let index = 0; index < 2000; index++) {
      const confidence = ((index * 7919) % 1009) / 1009;
      (quota.decide(confidence) ? asked : others).push(confidence);
    }
    const below = asked.filter((confidence) => confidence < 0.31).length;
    expect(below / asked.length).toBeGreaterThan(0.95);
    expect(others.filter((confidence) => confidence > 0.29).length / others.length).toBeGreaterThan(
      0.95,
    );
  });

  it('asks about nothing or all at the ends, and never above the threshold', () => {
    fc.assert(
      fc.property(confidences, (stream) => {
        const none = new CallQuota({ share: 0, threshold: 2 });
        const all = new CallQuota({ share: 1, threshold: 2 });
        const low = new CallQuota({ share: 1, threshold: 0.4 });
        for (const confidence of stream) {
          expect(none.decide(confidence)).toBe(false);
          expect(all.decide(confidence)).toBe(true);
          expect(low.decide(confidence)).toBe(confidence < 0.4);
        }
      }),
    );
  });

  it('goes on after a break as if there had been none', () => {
    fc.assert(
      fc.property(confidences, shares, fc.nat(400), (stream, share, at) => {
        const whole = new CallQuota({ share, threshold: 0.8 });
        const decisions = stream.map((confidence) => whole.decide(confidence));
        const resumed = new CallQuota({ share, threshold: 0.8 });
        stream.slice(0, at).forEach((confidence, index) => {
          resumed.recall(confidence, decisions[index]!);
        });
        const rest = stream.slice(at).map((confidence) => resumed.decide(confidence));
        expect(rest).toEqual(decisions.slice(at));
      }),
    );
  });
});

const LEFT = { x1: 0, y1: 0, x2: 100, y2: 100 };
const RIGHT = { x1: 300, y1: 0, x2: 400, y2: 100 };
const tool: Candidate = { boxXyxy: LEFT, tool: 'dino', rank: 0, score: 0.3 };

function request(changes: Partial<RefineRequest> = {}): RefineRequest {
  return {
    query: 'the right one',
    imageSize: { width: 400, height: 100 },
    candidates: [tool, { boxXyxy: RIGHT, tool: 'ofa', rank: 0 }],
    toolName: 'dino',
    tool,
    ...changes,
  };
}

/** A large refiner that always gives the same box, or fails. */
function large(answer: Partial<Answer> | VgrError): Refiner & { asked: number } {
  const made = {
    name: 'vlm:m',
    asked: 0,
    refine: async () => {
      made.asked += 1;
      if (answer instanceof VgrError) throw answer;
      return {
        think: { boxXyxy: null, score: 0, text: 'thought' },
        answer: {
          boxXyxy: RIGHT,
          score: 1,
          decision: 'correct',
          text: 'said',
          ...answer,
        } as Answer,
      };
    },
  };
  return made;
}

function cascade(big: Refiner, share: number, threshold = 2) {
  const tally = { asked: 0, failed: 0, unpaid: 0 };
  const small = createLiteRefiner(PRIOR);
  const quota = new CallQuota({ share, threshold });
  const made = createCascade({ small, large: big, quota, tally });
  return {
    tally,
    ask: (changed?: Partial<RefineRequest>) => made.refine(request(changed)),
  };
}

describe('a cascade', () => {
  it('gives the answer of the small refiner where it does not ask', async () => {
    const big = large({});
    const given = await cascade(big, 0).ask();
    const alone = await createLiteRefiner(PRIOR).refine(request());
    expect(big.asked).toBe(0);
    expect(given.think).toEqual(alone.think);
    expect(given.answer).toEqual({
      ...alone.answer,
      cascade: { confidence: expect.any(Number), asked: false },
    });
  });

  it('takes the answer of the large one as one more tool, and tells the decision on the first', async () => {
    const { answer } = await cascade(large({ format: 1 }), 1).ask();
    expect(answer).toMatchObject({
      boxXyxy: RIGHT,
      decision: 'correct',
      text: 'said',
      format: 1,
      cascade: { asked: true },
    });
  });

  it('tells when the large one keeps the box of the tool', async () => {
    const { answer } = await cascade(large({ boxXyxy: LEFT }), 1).ask({
      query: 'it',
      candidates: [tool],
    });
    expect(answer).toMatchObject({ boxXyxy: LEFT, decision: 'confirm' });
  });

  it('takes the word of the large one that nothing fits', async () => {
    const { answer } = await cascade(large({ boxXyxy: null, decision: 'none' }), 1).ask();
    expect(answer).toMatchObject({ boxXyxy: null, decision: 'none' });
  });

  it.each([
    new VgrError('REFINEMENT_FAILED', 'the server refuses this query'),
    new VgrError('BUDGET_SPENT', 'no more'),
  ])('stands by the small one where the large one fails: $code', async (error) => {
    const { ask, tally } = cascade(large(error), 1);
    expect((await ask()).answer.cascade).toMatchObject({ asked: true });
    const unpaid = error.code === 'BUDGET_SPENT' ? 1 : 0;
    expect(tally).toEqual({ asked: 1, failed: 1, unpaid });
  });

  it('ends where the server is gone', async () => {
    const { ask } = cascade(large(new VgrError('SERVER_UNAVAILABLE', 'gone')), 1);
    await expect(ask()).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' });
  });

  it('decides in the order of the input, whichever request is ready first', async () => {
    const order: string[] = [];
    let open = (): void => undefined;
    const come = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { ask } = cascade(large({}), 1);
    const turn = (name: string, before: Promise<void>) => ({
      come: before,
      take: () => {
        order.push(name);
        if (name === 'first') open();
      },
    });
    const second = ask({ turn: turn('second', come) });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(order).toEqual([]);
    await Promise.all([second, ask({ turn: turn('first', Promise.resolve()) })]);
    expect(order).toEqual(['first', 'second']);
  });
});

it('goes by the score of the small refiner, and never relies on an answer without a box', () => {
  const answer: Answer = { boxXyxy: LEFT, score: 0.81236, decision: 'confirm', text: '' };
  expect(cascadeConfidence(answer)).toBe(0.8124);
  expect(cascadeConfidence({ ...answer, boxXyxy: null, decision: 'none' })).toBe(0);
});
