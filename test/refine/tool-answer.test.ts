import { describe, expect, it } from 'vitest';
import { firstAnswer, toolAnswer } from '../../src/refine/candidates.js';
import { box, detected } from '../support/candidates.js';

const street = detected([
  ['person', 0.9, box(0, 0, 50, 100)],
  ['car', 0.8, box(100, 0, 50, 50)],
  ['cup', 0.5, box(300, 0, 20, 20)],
  ['wine glass', 0.6, box(340, 0, 20, 20)],
  ['car', 0.3, box(200, 0, 50, 50)],
]);

describe('toolAnswer', () => {
  it.each([
    ['the car on the right', 1],
    ['a jeep', 1],
    ['guy in red', 0],
    ['the glass', 3],
    ['the lamp post', 0],
    ['2nd from left', 0],
    ['blue jeans', 0],
  ])('%s', (query, at) => expect(toolAnswer(query, street)).toBe(street[at]));

  it('is null without boxes', () => {
    expect(toolAnswer('the car', [])).toBeNull();
    expect(firstAnswer([])).toBeNull();
  });

  it('keeps the tool order among equal scores, whatever the order of the list', () => {
    const equal = detected([
      ['car', 0.5, box(0, 0, 10, 10)],
      ['car', 0.5, box(50, 0, 10, 10)],
    ]);
    expect(toolAnswer('car', [...equal].reverse())).toBe(equal[0]);
    expect(firstAnswer([...equal].reverse())).toBe(equal[0]);
  });
});
