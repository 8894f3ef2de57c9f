import { describe, expect, it } from 'vitest';
import { BOX_TRAITS, boxTraits, boxWordsFit } from '../../src/refine/box-words.js';
import { box, PHOTO } from '../support/candidates.js';

const large = box(150, 60, 300, 340);
const small = box(250, 300, 60, 60);
const atSide = box(0, 150, 80, 200);
const inside = box(60, 150, 80, 200);

/** Positive where the word speaks for the first box, beside what speaks for it whatever the words are. */
const speaksFor = (word: string, one: typeof large, other: typeof large): number =>
  boxWordsFit([word], one, PHOTO) -
  boxWordsFit([], one, PHOTO) -
  (boxWordsFit([word], other, PHOTO) - boxWordsFit([], other, PHOTO));

describe('boxWordsFit', () => {
  it('knows small and large by word, and who is cut at the side', () => {
    expect(speaksFor('baby', small, large)).toBeGreaterThan(0.5);
    expect(speaksFor('batter', large, small)).toBeGreaterThan(0.3);
    expect(speaksFor('cut', atSide, inside)).toBeGreaterThan(0);
  });

  it('gives words that are in no table no say, and counts a word once', () => {
    expect(boxWordsFit(['zorp'], small, PHOTO)).toBe(boxWordsFit([], small, PHOTO));
    expect(boxWordsFit(['baby', 'baby'], small, PHOTO)).toBe(boxWordsFit(['baby'], small, PHOTO));
    expect(boxWordsFit(['__proto__', 'constructor'], small, PHOTO)).toBe(
      boxWordsFit([], small, PHOTO),
    );
  });
});

describe('boxTraits', () => {
  it('are one a name, and tell borders', () => {
    const traits = boxTraits(atSide, PHOTO);
    expect(traits).toHaveLength(BOX_TRAITS.length);
    expect(traits[BOX_TRAITS.indexOf('cut at a side')]).toBe(1);
    expect(traits[BOX_TRAITS.indexOf('cut above')]).toBe(0);
  });

  it('are finite for a box without extent', () => {
    expect(boxTraits(box(0, 0, 0, 0), PHOTO).every(Number.isFinite)).toBe(true);
  });
});
