import type { PolicySettings } from '../../src/refinement/policy-inputs.js';
import type { TrainingExample, TrainingQuery } from '../../src/training/example.js';
import { RandomStream } from '../../src/training/random.js';

/** Words of the toy language; row 0 stands for any unknown word. */
const WORDS = ['?', 'left', 'right', 'first', 'second', 'big', 'dark'] as const;
type Word = (typeof WORDS)[number];

export const TOY_POLICY: PolicySettings = {
  candidateFeatures: 6,
  toolFeatures: 1,
  queryFeatures: 1,
  wordFeatures: 1,
  vocabulary: WORDS.length,
  wordWidth: 8,
  width: 32,
  heads: 4,
  hidden: 48,
  thinkLayers: 1,
  rethinkLayers: 1,
};

interface ToyBox {
  readonly cx: number;
  readonly cy: number;
  readonly size: number;
  readonly shade: number;
}

export interface ToyOptions {
  readonly seed: number;
  readonly count: number;
  /** How often the tool is right by knowledge; else it names any box. */
  readonly toolAccuracy: number;
  /** Spread of the noise on the shades that the policy sees. */
  readonly shadeNoise: number;
}

/**
 * Scenes of 2 to 8 boxes with one thing asked of them, "second left", "first right", "big" or "dark", and a tool that often
 * names another box. Places are exact, so ranks must be read off the other boxes; shades are seen through noise, so that some
 * answers stay uncertain.
 */
export function toyQueries({ seed, count, toolAccuracy, shadeNoise }: ToyOptions): TrainingQuery[] {
  const random = RandomStream.fromSeed(seed);
  return Array.from({ length: count }, () => {
    const boxes = Array.from({ length: 2 + random.below(7) }, () => ({
      cx: random.uniform(),
      cy: random.uniform(),
      size: 0.02 + 0.1 * random.uniform(),
      shade: random.uniform(),
    }));
    const { words, target } = asked(boxes, random);
    const tool = random.uniform() < toolAccuracy ? target : random.below(boxes.length);
    return { views: [toyExample(boxes, words, target, tool, shadeNoise, random)] };
  });
}

function asked(
  boxes: readonly ToyBox[],
  random: RandomStream,
): { words: readonly Word[]; target: number } {
  const order = (by: (box: ToyBox) => number) =>
    boxes.map((_, i) => i).sort((a, b) => by(boxes[a]!) - by(boxes[b]!));
  const kind = random.below(4);
  if (kind === 0) return { words: ['big'], target: order(({ size }) => -size)[0]! };
  if (kind === 1) return { words: ['dark'], target: order(({ shade }) => shade)[0]! };
  const side = random.below(2) === 0 ? 'left' : 'right';
  const place = random.below(2);
  const ranked = order(({ cx }) => (side === 'left' ? cx : -cx));
  return { words: [place === 0 ? 'first' : 'second', side], target: ranked[place]! };
}

function toyExample(
  boxes: readonly ToyBox[],
  words: readonly Word[],
  target: number,
  tool: number,
  noise: number,
  random: RandomStream,
): TrainingExample {
  const n = boxes.length;
  const overlaps = new Float32Array(n + 2);
  overlaps[target] = 1;
  overlaps[n] = overlaps[tool]!;
  const actionMask = new Uint8Array(n + 2).fill(1);
  actionMask[tool] = 0;
  return {
    candidates: Float32Array.from(
      boxes.flatMap(({ cx, cy, size, shade }) => {
        const seen = shade + noise * (random.uniform() + random.uniform() - 1);
        return [2 * cx - 1, 2 * cy - 1, 20 * size - 1.4, 2 * seen - 1, random.uniform(), 1];
      }),
    ),
    boxes: Float32Array.from(boxes.flatMap(({ cx, cy, size }) => [cx, cy, size, size])),
    thinkMask: new Uint8Array(n).fill(1),
    tool: Float32Array.from(boxes, (_, i) => (i === tool ? 1 : 0)),
    actionMask,
    words: Int32Array.from(words, (word) => WORDS.indexOf(word)),
    wordFeatures: new Float32Array(words.length).fill(1),
    query: Float32Array.of(1),
    overlaps,
  };
}
