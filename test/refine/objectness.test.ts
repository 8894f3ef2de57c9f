import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { calibrationOf } from '../../src/detect/family.js';
import { type DetectorCard, parseModelCard } from '../../src/formats/model-card.js';
import { objectness } from '../../src/refine/candidates.js';
import { box, PHOTO } from '../support/candidates.js';

const MODELS = new URL('../../models/', import.meta.url);

function cardOf(name: string): DetectorCard {
  const result = parseModelCard(
    JSON.parse(readFileSync(new URL(`${name}/card.json`, MODELS), 'utf8')),
  );
  if (!result.ok || result.card.kind !== 'detector') throw new Error('no detector');
  return result.card;
}

/** A tenth of the photo. */
const tenth = { boxXyxy: box(0, 0, 240, 100), tool: 'detector', rank: 0 };

describe('objectness', () => {
  it('is what the calibration makes of score and size', () => {
    const calibration = { intercept: 1, score: 2, area: 0.5 };
    // 1 + 2 ln(0.8 / 0.2) + 0.5 ln(0.1) = 2.6213
    expect(objectness({ ...tenth, score: 0.8, calibration }, PHOTO)).toBeCloseTo(0.9322, 4);
  });

  it('takes CenterNet for granted where nothing is known', () => {
    // 3.77 + 2.71 ln(0.3 / 0.7) + 0.43 ln(0.1) = 0.4837
    const known = { ...tenth, score: 0.3 };
    expect(objectness(known, PHOTO)).toBeCloseTo(0.6186, 3);
    const calibration = calibrationOf(cardOf('centernet'));
    expect(objectness({ ...known, calibration }, PHOTO)).toBe(objectness(known, PHOTO));
    expect(objectness(tenth, PHOTO)).toBe(0.7);
  });
});

describe('calibrationOf', () => {
  it('is the card’s own, a general one where it tells none', () => {
    expect(calibrationOf(cardOf('nanodet-plus-m-416'))).toEqual({
      intercept: 0.4,
      score: 3.06,
      area: -0.1,
    });
    expect(calibrationOf(cardOf('yolox-s'))).toEqual({ intercept: -0.4, score: 1.86, area: -0.07 });
  });

  it('holds a score the likelier the higher it is, for every card', () => {
    const names = readdirSync(MODELS).filter(
      (name) =>
        JSON.parse(readFileSync(new URL(`${name}/card.json`, MODELS), 'utf8')).kind === 'detector',
    );
    for (const name of names) {
      const calibration = calibrationOf(cardOf(name));
      const chances = [0.1, 0.3, 0.5, 0.9].map((score) =>
        objectness({ ...tenth, score, calibration }, PHOTO),
      );
      expect(chances, name).toEqual(chances.toSorted((a, b) => a - b));
      expect(chances.at(-1), name).toBeGreaterThan(0.8);
    }
  });
});
