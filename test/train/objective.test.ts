import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import { beliefOf, type Policy } from '../../src/refine/policy.js';
import type { Example } from '../../src/train/examples.js';
import { addGroup, addObjective, drawGroup, rewardsOf } from '../../src/train/objective.js';

const STAGES = ['think', 'rethink'] as const;
const [WIDTH, QUERY_WIDTH] = [5, 3];

/** Normal enough: mean 0, deviation 1. */
const normal = (random: SeededRandom) =>
  Math.sqrt(3) * (2 * random.next() - 1 + (2 * random.next() - 1));
const normals = (count: number, random: SeededRandom) =>
  Float64Array.from({ length: count }, () => normal(random));

const randomPolicy = (random: SeededRandom): Policy => ({
  columns: [],
  boxes: normals(WIDTH, random),
  none: normals(QUERY_WIDTH, random),
});

/** Boxes of one object each; some of them, and the last two columns, are the tool's. */
function randomExample(random: SeededRandom, truths = random.nextBelow(2)): Example {
  const count = 2 + random.nextBelow(4);
  return {
    rows: {
      boxes: normals(count * WIDTH, random),
      query: normals(QUERY_WIDTH, random),
      ofTool: Uint8Array.from({ length: count }, (_, at) =>
        at > 0 && random.nextBelow(3) === 0 ? 1 : 0,
      ),
      hidden: [WIDTH - 2, WIDTH - 1],
    },
    pairs: new Float32Array(count * count),
    overlaps: Float32Array.from({ length: count }, () => (truths === 0 ? 0 : random.next())),
    truthOf: new Int32Array(count).fill(-1),
    truths,
    tool: random.next(),
    several: false,
    hasPhoto: true,
    weight: 1,
  };
}

const zeros = () => ({ boxes: new Float64Array(WIDTH), none: new Float64Array(QUERY_WIDTH) });

/** The gradient of a function of the policy's weights, by central differences. */
function numeric(policy: Policy, value: (policy: Policy) => number) {
  const slope = (part: 'boxes' | 'none') =>
    policy[part].map((_, at) => {
      const moved = (by: number) =>
        value({ ...policy, [part]: policy[part].map((weight, i) => weight + (i === at ? by : 0)) });
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    });
  return { boxes: slope('boxes'), none: slope('none') };
}

type Gradient = ReturnType<typeof zeros>;
function expectSame(got: Gradient, wanted: Gradient): void {
  const flat = ({ boxes, none }: Gradient) => [...boxes, ...none];
  const scale = Math.max(...flat(wanted).map(Math.abs), 1e-3);
  for (const [at, slope] of flat(got).entries()) {
    expect(Math.abs(slope - flat(wanted)[at]!) / scale).toBeLessThan(1e-5);
  }
}

const actionsOf = ({ boxes, none }: { boxes: Float64Array; none: number }) => [...boxes, none];
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The parts of J as the paper has them, as sums over all actions. */
function termsOf(example: Example, policy: Policy, start: Policy, stage: 'think' | 'rethink') {
  const chances = actionsOf(beliefOf(policy, example.rows, stage));
  const before = actionsOf(beliefOf(start, example.rows, stage));
  const rewards = rewardsOf(example, stage);
  const targets = chances.map((_, at) => {
    if (at === chances.length - 1) return example.truths === 0 ? 1 : 0;
    const seen = stage === 'rethink' || example.rows.ofTool[at] === 0;
    return seen && example.overlaps[at]! > 0.5 ? Math.exp(example.overlaps[at]! / 0.1) : 0;
  });
  const total = targets.reduce((a, b) => a + b, 0);
  const sum = (term: (chance: number, at: number) => number) =>
    chances.reduce((all, chance, at) => (chance === 0 ? all : all + term(chance, at)), 0);
  return {
    reward: sum((chance, at) => chance * rewards[at]!),
    divergence: sum((chance, at) => chance * Math.log(chance / before[at]!)),
    likelihood:
      total === 0
        ? Math.log(1 - chances.at(-1)!)
        : sum((chance, at) => (targets[at]! / total) * Math.log(chance)),
  };
}

describe.each(STAGES)('the gradient of J in %s', (stage) => {
  test.each([
    ['of the reward', 0, 0],
    ['with the divergence', 0.7, 0],
    ['with the likelihood', 0, 0.6],
    ['with both', 0.3, 1],
  ])('%s', (_name, kl, supervised) => {
    const random = new SeededRandom(1);
    for (let round = 0; round < 60; round++) {
      const [example, policy, first] = [
        randomExample(random),
        randomPolicy(random),
        randomPolicy(random),
      ];
      const start = beliefOf(first, example.rows, stage);
      const gradient = zeros();
      const terms = addObjective(
        policy,
        { example, stage, weight: 1.5, start },
        { kl, supervised },
        gradient,
      );
      const own = termsOf(example, policy, first, stage);
      for (const name of ['reward', 'divergence', 'likelihood'] as const) {
        expect(terms[name]).toBeCloseTo(own[name], 10);
      }
      const J = (moved: Policy) => {
        const { reward, divergence, likelihood } = termsOf(example, moved, first, stage);
        return 1.5 * (reward - kl * divergence + supervised * likelihood);
      };
      expectSame(gradient, numeric(policy, J));
    }
  });

  test('of the surrogate of a group, away from the clip', () => {
    const random = new SeededRandom(2);
    let clipped = 0;
    for (let round = 0; round < 120; round++) {
      const [example, drawn, first] = [
        randomExample(random),
        randomPolicy(random),
        randomPolicy(random),
      ];
      const group = drawGroup(drawn, { example, stage }, 8, random);
      const policy = {
        ...drawn,
        boxes: drawn.boxes.map((weight) => weight + 0.1 * normal(random)),
      };
      const start = beliefOf(first, example.rows, stage);
      const [kl, clip] = [0.4, 0.2];
      const surrogate = (moved: Policy) => {
        const chances = actionsOf(beliefOf(moved, example.rows, stage));
        const each = Array.from(group.actions, (action, at) => {
          const [ratio, advantage] = [chances[action]! / group.chances[at]!, group.advantages[at]!];
          const bounded = Math.min(Math.max(ratio, 1 - clip), 1 + clip);
          const log = Math.log(actionsOf(start)[action]! / chances[action]!);
          const apart = Math.exp(log) - log - 1;
          if (moved === policy && ratio !== bounded) clipped += 1;
          return Math.min(ratio * advantage, bounded * advantage) - kl * apart;
        });
        return 0.5 * mean(each);
      };
      surrogate(policy);
      const gradient = zeros();
      addGroup(policy, { example, stage, weight: 0.5, start }, { group, kl, clip }, gradient);
      expectSame(gradient, numeric(policy, surrogate));
    }
    expect(clipped).toBeGreaterThan(20);
  });
});

test('a correction moves the policy twice as much as a confirmation of equal belief', () => {
  const random = new SeededRandom(3);
  const [example, policy] = [randomExample(random, 1), { columns: [], ...zeros() }];
  example.overlaps.fill(0).fill(0.9, 0, 1);
  const start = beliefOf(policy, example.rows, 'rethink');
  const [wrong, right] = [0.2, 0.8].map((tool) => {
    const gradient = zeros();
    const staged = { example: { ...example, tool }, stage: 'rethink', weight: 1, start } as const;
    addObjective(policy, staged, { kl: 0, supervised: 0 }, gradient);
    return [...gradient.boxes, ...gradient.none];
  });
  expect(wrong!.some((slope) => Math.abs(slope) > 0.01)).toBe(true);
  for (const [at, slope] of wrong!.entries()) expect(slope).toBeCloseTo(2 * right![at]!, 12);
});
