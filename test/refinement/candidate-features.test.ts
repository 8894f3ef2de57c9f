import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../src/language/expression.js';
import { agreement } from '../../src/refinement/agreement.js';
import { fusedBox } from '../../src/refinement/box-fusion.js';
import { boxGeometry, partShare } from '../../src/refinement/box-geometry.js';
import { candidateFeatures, FEATURE_NAMES } from '../../src/refinement/candidate-features.js';
import { existence } from '../../src/refinement/existence.js';
import { grounders } from '../../src/refinement/grounder.js';
import { scoreThings } from '../../src/refinement/transparent-scorer.js';
import { answered, box, detected, PHOTO } from '../support/candidates.js';

const dogs = detected([
  ['dog', 0.9, box(100, 100, 100, 100)],
  ['dog', 0.5, box(102, 101, 100, 100)],
  ['dog', 0.4, box(400, 100, 80, 80)],
  ['dog', 0.1, box(110, 110, 30, 30)],
]);

describe('existence', () => {
  it('grows with score and size, and is high for tools that tell no score', () => {
    const chances = dogs.map((dog) => existence(dog, PHOTO));
    expect([...chances].sort((a, b) => b - a)).toEqual(chances);
    expect(chances[0]).toBeGreaterThan(0.9);
    expect(chances[3]).toBeLessThan(0.1);
    expect(existence(answered('a', box(0, 0, 9, 9)), PHOTO)).toBe(0.7);
  });
});

describe('grounders', () => {
  it('are tools that name one box for the expression', () => {
    const candidates = [
      ...dogs,
      answered('qwen', box(0, 0, 9, 9)),
      ...detected([['left dog', 0.5, box(0, 0, 9, 9)]], 'dino'),
    ];
    expect([...grounders('the left dog, please', candidates)]).toEqual(['qwen', 'dino']);
  });
});

describe('agreement', () => {
  it('counts best boxes in full, later ones in part', () => {
    const candidates = [
      answered('a', box(0, 0, 100, 100)),
      answered('b', box(5, 0, 100, 100)),
      { ...answered('c', box(0, 5, 100, 100)), rank: 1 },
    ];
    const of = (...voters: string[]) => agreement(box(0, 0, 100, 100), candidates, new Set(voters));
    expect(of('a', 'b')).toBe(1);
    expect(of('b', 'c')).toBe(0.75);
    expect(of('a', 'd')).toBe(0.5);
    expect(of()).toBeNull();
  });

  it('counts the tool that gave a box without area for that box', () => {
    const candidates = [answered('a', box(7, 7, 0, 0)), answered('b', box(7, 7, 0, 9))];
    expect(agreement(box(7, 7, 0, 0), candidates, new Set(['a', 'b']))).toBe(0.5);
  });
});

describe('fusedBox', () => {
  it('averages across tools, never within one', () => {
    expect(fusedBox(dogs[0]!.boxXyxy, dogs)).toBeNull();
    const fused = fusedBox(box(0, 0, 100, 100), [
      answered('a', box(0, 0, 100, 100)),
      answered('b', box(0, 0, 100, 120)),
      answered('c', box(300, 0, 100, 120)),
    ]);
    expect(fused).toEqual(box(0, 0, 100, 110));
  });
});

describe('box geometry', () => {
  it('is told in shares of the photo', () => {
    const shape = boxGeometry(box(0, 0, 300, 200), PHOTO);
    expect(shape).toMatchObject({
      cx: 0.25,
      cy: 0.25,
      width: 0.5,
      height: 0.5,
      size: 0.5,
      borders: 0.5,
    });
  });

  it('knows a part by the larger box of its label around it', () => {
    expect(partShare(dogs[3]!, dogs)).toBe(1);
    expect(partShare(dogs[2]!, dogs)).toBe(0);
  });
});

describe('candidateFeatures', () => {
  const features = (query: string) => {
    const expression = parseExpression(query);
    const scene = { image: PHOTO, candidates: dogs, grounders: new Set<string>() };
    const rowOf = candidateFeatures(expression, scene, scoreThings(expression, scene), new Set());
    return dogs
      .map((_, at) => rowOf(at))
      .map((row) => Object.fromEntries(FEATURE_NAMES.map((name, at) => [name, row[at]])));
  };

  it('has one number a name, within -1..1, and null for what is not known', () => {
    for (const row of features('the red dog on the left next to the cat')) {
      for (const value of Object.values(row)) {
        expect(value).not.toBeUndefined();
        if (value !== null) expect(Math.abs(value as number)).toBeLessThanOrEqual(1);
      }
      expect(row).toMatchObject({ colour: null, relation: null, agreement: null });
    }
  });

  it('marks duplicates and places', () => {
    const rows = features('the leftmost dog');
    expect(rows.map(({ foremost }) => foremost)).toEqual([1, 0, 1, 1]);
    expect(rows[1]!.belief).toBe(rows[0]!.belief);
    expect(rows[0]!.place).toBeGreaterThan(rows[2]!.place as number);
    expect(features('the dog')[0]!.place).toBeNull();
  });
});
