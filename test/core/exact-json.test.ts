import { describe, expect, it } from 'vitest';
import { exactJson, exactText, nearestNumber, parseExact } from '../../src/core/exact-json.js';

describe('JSON whose numbers keep their digits', () => {
  it.each([
    '{"ann_id":9007199254740993,"uid":12345678901234567890}',
    '[1e400,-1e-400,0.1234567890123456789012]',
    '{"nested":{"ids":[9007199254740995]},"text":"9007199254740993"}',
    '{"plain":[1,2.5,-3,0.1]}',
    '{"text":"a \\"quoted\\" 12345678901234567890"}',
  ])('comes out as it went in: %s', (text) => {
    expect(exactJson(parseExact(text))).toBe(text);
  });

  it.each([
    ['1.0', '1'],
    ['100000000000000000000', '100000000000000000000'],
    ['1.50000000000000000000', '1.5'],
    ['12e003', '12000'],
  ])('writes a number that a double holds as JavaScript does: %s', (text, written) => {
    expect(exactJson(parseExact(text))).toBe(written);
  });

  it('gives the digits as a word, and the nearest double', () => {
    const [id] = parseExact('[9007199254740993]') as [unknown];
    expect(exactText(id)).toBe('9007199254740993');
    expect(nearestNumber(id)).toBe(2 ** 53);
    expect(nearestNumber('7')).toBe('7');
  });

  it.each(['[12345678901234567890', '{"a":01234567890123456789}'])('refuses %s', (text) => {
    expect(() => parseExact(text)).toThrow(SyntaxError);
  });
});
