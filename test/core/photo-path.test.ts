import { describe, expect, it } from 'vitest';
import { Match, PhotoIndex, plainPath } from '../../src/core/photo-path.js';

describe('plainPath', () => {
  it.each([
    ['a//b/./c.jpg', 'a/b/c.jpg'],
    ['./a.jpg', 'a.jpg'],
    ['x/../a.jpg', 'a.jpg'],
    ['a\\b.jpg', 'a/b.jpg'],
    ['cafe\u0301.jpg', 'caf\u00e9.jpg'],
    ['a.JPG', 'a.JPG'],
    ['100%25.jpg', '100%25.jpg'],
    ['../a.jpg', '../a.jpg'],
    ['/data/a.jpg', '/data/a.jpg'],
    ['a..b/.c/d...jpg', 'a..b/.c/d...jpg'],
  ])('reads %j as %j', (path, plain) => {
    expect(plainPath(path)).toBe(plain);
    expect(plainPath(plain)).toBe(plain);
  });
});

describe('PhotoIndex', () => {
  const indexOf = (...paths: string[]) => {
    const index = new PhotoIndex<string>();
    for (const path of paths) index.add(path, path);
    return index;
  };

  it.each([
    ['a.jpg', 'a.jpg', Match.Exact],
    ['./a.jpg', 'a.jpg', Match.Spelling],
    ['A.jpg', undefined, undefined],
    ['x/a.jpg', 'a.jpg', Match.End],
    ['C:\\photos\\a.JPG', 'a.jpg', Match.End],
    ['ba.jpg', undefined, undefined],
    ['my cat.jpg', 'my%20cat.jpg', Match.Spelling],
    ['cam1/1.jpg', 'cam1/1.jpg', Match.Exact],
    ['cam3/1.jpg', undefined, undefined],
    ['1.jpg', undefined, undefined],
    ['photos/cam2/1.jpg', 'cam2/1.jpg', Match.End],
    ['50%.jpg', '50%.jpg', Match.Exact],
  ])('finds for %j %j', (path, thing, match) => {
    const index = indexOf('a.jpg', 'my%20cat.jpg', 'cam1/1.jpg', 'cam2/1.jpg', '50%.jpg');
    expect(index.find(path)).toEqual(thing === undefined ? undefined : { thing, match });
  });

  it('prefers the path as it is, and takes none of several that are spelled alike', () => {
    const index = indexOf('a.jpg', 'a.JPG');
    expect(index.find('a.JPG')).toEqual({ thing: 'a.JPG', match: Match.Exact });
    expect(index.find('a.Jpg')).toBeUndefined();
    expect(indexOf('b.jpg', 'b.jpg').find('b.jpg')).toBeUndefined();
  });
});
