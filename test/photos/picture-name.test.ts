import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pictureName, safeName } from '../../src/photos/picture-name.js';

const anyId = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc
    .array(fc.constantFrom('a', 'A', '/', '.', '..', '\\', '-', '\0', 'con', ' ', '\ud800'), {
      maxLength: 6,
    })
    .map((parts) => parts.join('')),
);

describe('safeName', () => {
  it('takes plain ids as they are', () => {
    for (const id of ['q7', 'zoo_3.jpg', 'a-b.c']) expect(safeName(id)).toBe(id);
    expect(safeName('12')).toBe('000012');
  });

  it.each([
    ['zoo/3.jpg'],
    ['..'],
    ['.'],
    [''],
    ['con'],
    ['NUL.txt'],
    ['Q7'],
    ['-rf'],
    ['ü'],
    ['07'],
    ['1234567'],
  ])('makes %j safe and keeps it apart', (id) => {
    expect(safeName(id)).toMatch(/^[\p{L}0-9_][\p{L}\p{M}0-9_.-]*-[0-9a-f]{16}$|^-[0-9a-f]{16}$/u);
  });

  it('holds no separator, no leading dot, no device, and is short', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const name = safeName(id);
        expect(name).toMatch(/^[\p{L}\p{N}_-][\p{L}\p{M}\p{N}_.-]{0,97}$/u);
        expect(name).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i);
        expect(safeName(id)).toBe(name);
        expect(Buffer.byteLength(name)).toBeLessThan(200);
      }),
      { numRuns: 500 },
    );
  });

  it('never gives two ids the same name, upper case or not', () => {
    fc.assert(
      fc.property(anyId, anyId, (a, b) => {
        fc.pre(a !== b);
        expect(safeName(a).toLowerCase()).not.toBe(safeName(b).toLowerCase());
        expect(safeName(safeName(a))).not.toBe(safeName(a) === a ? undefined : safeName(a));
      }),
      { numRuns: 500 },
    );
  });
});

describe('pictureName', () => {
  it.each([
    [{ image: 'dog.jpg' }, 'dog.jpg'],
    [{ image: 'zoo/3.jpg' }, 'zoo__3.jpg'],
    [{ image: 'dog.png' }, /^dog-[0-9a-f]{16}\.jpg$/],
    [{ image: 'zoo/シマウマ.jpg' }, /^zoo_シマウマ-[0-9a-f]{16}\.jpg$/],
    [{ image: 'IMG_0012.JPG' }, /^IMG_0012-[0-9a-f]{16}\.jpg$/],
    [{ id: 'zoo/3.jpg', image: 'zoo/3.jpg' }, 'zoo__3.jpg'],
    [{ id: 'dog.jpg#2', image: 'dog.jpg' }, 'dog+2.jpg'],
    [{ id: '12', image: 'zoo/3.jpg' }, '000012+zoo_3.jpg'],
    [{ id: 'q7', image: 'IMG_0012.JPG' }, 'q7+IMG_0012.jpg'],
    [{ id: 'q7' }, 'q7.jpg'],
  ])('of %j tells the photo', (line, name) => {
    if (typeof name === 'string') expect(pictureName(line)).toBe(name);
    else expect(pictureName(line)).toMatch(name);
  });

  it('never gives two photos of a run the same name, upper case or not', () => {
    const part = fc.constantFrom(
      'a',
      'b',
      '_',
      '__',
      'A',
      '.png',
      '.jpg',
      '-',
      'é',
      'e\u0301',
      '0',
    );
    const image = fc.array(fc.oneof(part, fc.constant('/')), { maxLength: 5 }).map((parts) => {
      return `${parts.join('')}.jpg`;
    });
    fc.assert(
      fc.property(image, image, fc.boolean(), (a, b, asked) => {
        fc.pre(a !== b);
        const names = [a, b].map((each) =>
          pictureName({ image: each, id: asked ? each : undefined }),
        );
        expect(names[0]!.toLowerCase()).not.toBe(names[1]!.toLowerCase());
      }),
      { numRuns: 1000 },
    );
  });
});
