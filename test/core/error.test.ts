import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asVgrError, printable, quoted, VgrError } from '../../src/core/error.js';

const anyText = fc.string({ unit: 'binary', maxLength: 60 });
const hostileText = fc
  .array(
    fc.constantFrom(
      '\x1b[31m',
      '\x9b2J',
      '\u202e',
      '\u2066',
      '\r',
      '\n',
      '\ud800',
      '\u{e0001}',
      'a',
    ),
  )
  .map((parts) => parts.join(''));

describe('printable', () => {
  it('shows escapes instead of obeying them', () => {
    expect(printable('a\x1b[2Jb\u202ec')).toBe('a\\u001b[2Jb\\u202ec');
    expect(printable('\u{e0041}')).toBe('\\u{e0041}');
    expect(printable('\ud800x')).toBe('\\ud800x');
  });

  it('leaves ordinary text of any script alone', () => {
    const text = 'der Löwe, 左边的狮子, الأسد الأيسر, 🦁 C:\\photos';
    expect(printable(text)).toBe(text);
  });

  it('leaves nothing that a terminal obeys, and is idempotent', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, hostileText), (text) => {
        const safe = printable(text);
        for (const character of safe) {
          const codePoint = character.codePointAt(0)!;
          expect(codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0)).toBe(false);
          expect(codePoint >= 0xd800 && codePoint <= 0xdfff).toBe(false);
          expect(codePoint >= 0x202a && codePoint <= 0x202e).toBe(false);
          expect(codePoint >= 0x2028 && codePoint <= 0x2029).toBe(false);
          expect(codePoint >= 0x2066 && codePoint <= 0x2069).toBe(false);
        }
        expect(printable(safe)).toBe(safe);
      }),
    );
  });
});

describe('quoted', () => {
  it('keeps short text whole and says how long a cut one was', () => {
    expect(quoted('a\tb')).toBe('`a\\u0009b`');
    expect(quoted('x'.repeat(500), 10)).toBe('`xxxxxxxxxx...` (500 characters)');
  });
});

describe('VgrError', () => {
  it('carries code, exit and hint', () => {
    const error = new VgrError('DISK_FULL', 'no space', { hint: 'free some' });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      code: 'DISK_FULL',
      exit: 3,
      hint: 'free some',
      name: 'VgrError',
    });
    expect('cause' in error).toBe(false);
  });

  it('wraps foreign errors once', () => {
    const cause = new TypeError('odd \x1b[0m thing');
    const wrapped = asVgrError(cause);
    expect(wrapped).toMatchObject({ code: 'INTERNAL', message: 'odd \\u001b[0m thing', cause });
    expect(asVgrError(wrapped)).toBe(wrapped);
  });
});
