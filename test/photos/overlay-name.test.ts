import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overlayName } from '../../src/photos/draw.js';

const anyId = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc
    .array(fc.constantFrom('a', 'A', '/', '.', '..', '\\', '-', '\0', 'con', ' ', '\ud800'), {
      maxLength: 6,
    })
    .map((parts) => parts.join('')),
);

describe('overlayName', () => {
  it('takes plain ids as they are', () => {
    for (const id of ['q7', '12', 'zoo_3.jpg', 'a-b.c']) expect(overlayName(id)).toBe(id);
  });

  it.each([['zoo/3.jpg'], ['..'], ['.'], [''], ['con'], ['NUL.txt'], ['Q7'], ['-rf'], ['ü']])(
    'makes %j safe and keeps it apart',
    (id) => {
      expect(overlayName(id)).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_.-]*-[0-9a-f]{16}$|^-[0-9a-f]{16}$/);
    },
  );

  it('holds no separator, no leading dot, no device, and is short', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const name = overlayName(id);
        expect(name).toMatch(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,96}$/);
        expect(name).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
        expect(overlayName(id)).toBe(name);
      }),
      { numRuns: 500 },
    );
  });

  it('never gives two ids the same name, upper case or not', () => {
    fc.assert(
      fc.property(anyId, anyId, (a, b) => {
        fc.pre(a !== b);
        expect(overlayName(a).toLowerCase()).not.toBe(overlayName(b).toLowerCase());
        expect(overlayName(overlayName(a))).not.toBe(
          overlayName(a) === a ? undefined : overlayName(a),
        );
      }),
      { numRuns: 500 },
    );
  });
});
