import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imageRoots, type Listed, listImages, OtherFiles } from '../../src/photos/find-photos.js';
import { PICTURE_MARK } from '../../src/photos/picture-name.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();

async function folderOf(...files: string[]): Promise<string> {
  const root = path.join(await temporaryFolder(), 'photos');
  await fill(root, files);
  return root;
}

async function fill(root: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), '');
  }
}

async function list(
  inputs: readonly string[],
  options?: Parameters<typeof listImages>[1],
): Promise<Listed[]> {
  const items: Listed[] = [];
  for await (const item of listImages(inputs, options)) items.push(item);
  return items;
}

const namesOf = (items: readonly Listed[]) => items.map((item) => item.image);
const photosOf = (items: readonly Listed[]) => items.filter((item) => 'path' in item);
const errorsOf = (items: readonly Listed[]) =>
  items.flatMap((item) => ('error' in item ? [[item.image, item.error.code]] : []));

describe('listImages', () => {
  it('takes the images of a folder and of the folders in it, in the order of their paths', async () => {
    const root = await folderOf('b.PNG', 'a/2.jpg', 'a/1.jpeg', 'a.jpg', 'a-1/x.webp', 'notes.txt');
    expect(await list([root])).toEqual(
      ['a-1/x.webp', 'a.jpg', 'a/1.jpeg', 'a/2.jpg', 'b.PNG'].map((name) => ({
        image: name,
        path: path.join(root, name),
      })),
    );
  });

  it('gives photos of several folders names that are all different', async () => {
    const one = await folderOf('x/a.jpg', 'y/a.jpg', 'y/x/a.jpg', 'y/b.jpg');
    const [x, y] = [path.join(one, 'x'), path.join(one, 'y')];
    expect(namesOf(await list([x, y]))).toEqual(['a.jpg', 'y/a.jpg', 'b.jpg', 'x/a.jpg']);
    expect(namesOf(await list([x, path.join(y, 'x')]))).toEqual(['a.jpg', 'x/a.jpg']);
    const far = [x, path.join(y, 'x'), path.join(one, 'y/*.jpg')];
    expect(namesOf(await list(far))).toEqual(['a.jpg', 'x/a.jpg', 'y/a.jpg', 'b.jpg']);
    expect(namesOf(await list([y]))).toEqual(['a.jpg', 'b.jpg', 'x/a.jpg']);
  });

  it('takes JPEG by all of its extensions, and tells by kind what it passes by', async () => {
    const root = await folderOf('a.jfif', 'b.JPE', 'c.pjpeg', 'd.HEIC', 'e.heic', 'f', 'g.txt');
    const others = new OtherFiles();
    expect(namesOf(await list([root], { others }))).toEqual(['a.jfif', 'b.JPE', 'c.pjpeg']);
    expect(`${others}`).toBe('4 other files (2 .heic, 1 without extension, 1 .txt)');
  });

  it.each([
    '@eaDir',
    '$RECYCLE.BIN',
    '#recycle',
    '__MACOSX',
    'System Volume Information',
    'lost+found',
  ])('passes by %s, unless it is named', async (folder) => {
    const root = await folderOf('a.jpg', `${folder}/b.jpg`, `x/${folder}/y/c.jpg`);
    const others = new OtherFiles();
    expect(namesOf(await list([root], { others }))).toEqual(['a.jpg']);
    expect(`${others}`).toBe(`the folders \`${folder}\``);
    expect(namesOf(await list([path.join(root, folder)]))).toEqual(['b.jpg']);
  });

  it('passes by what this run and earlier ones have written', async () => {
    const root = await folderOf('a.jpg', 'out/pictures/b.jpg', 'old/results.jsonl', 'old/p/c.jpg');
    await fill(root, ['data/verl.jsonl', 'data/images/d.jpg', 'day/e.jpg', 'day/results.jsonl']);
    const except = [path.join(root, 'out', 'pictures')];
    expect(namesOf(await list([root], { except }))).toEqual(['a.jpg', 'day/e.jpg']);
    // A folder that is named is meant, whatever lies in it.
    expect(namesOf(await list([path.join(root, 'old')]))).toEqual(['p/c.jpg']);
  });

  it('passes by a folder of pictures alone, and takes one that holds a photo or a folder, too', async () => {
    const root = await folderOf('a.jpg', 'mixed/a.jpg', 'deep/x/a.jpg');
    const picture = Buffer.from(`\xff\xd8\xff\xe1\0\0Exif\0\0${PICTURE_MARK}`, 'latin1');
    for (const file of ['seen/1.jpg', 'seen/2.jpg', 'mixed/b.jpg', 'deep/b.jpg']) {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), picture);
    }
    const photos = ['a.jpg', 'deep/b.jpg', 'deep/x/a.jpg', 'mixed/a.jpg', 'mixed/b.jpg'];
    expect(namesOf(await list([root]))).toEqual(photos);
    expect(namesOf(await list([path.join(root, '**/*.jpg')]))).toEqual(photos);
    expect(namesOf(await list([path.join(root, 'seen')]))).toEqual(['1.jpg', '2.jpg']);
    expect(namesOf(await list([path.join(root, 'seen/*.jpg')]))).toEqual(['1.jpg', '2.jpg']);
  });

  it('passes by the same where a pattern walks, but for folders that the pattern names', async () => {
    const root = await folderOf('a.jpg', '@eaDir/a.jpg/x.jpg', 'x/$RECYCLE.BIN/b.jpg', 'x/c.jpg');
    await fill(root, [
      'out/pictures/d.jpg',
      'old/results.jsonl',
      'old/p/e.jpg',
      'y.lrdata/1/f.jpg',
    ]);
    const except = [path.join(root, 'out')];
    const others = new OtherFiles();
    const found = async (pattern: string) =>
      namesOf(await list([path.join(root, pattern)], { except, others }));
    expect(await found('**/*.jpg')).toEqual(['a.jpg', 'x/c.jpg']);
    expect(await found('*/*.jpg')).toEqual(['x/c.jpg']);
    await expect(found('*/*/*.jpg')).rejects.toMatchObject({ code: 'NO_IMAGES' });
    expect(`${others}`).toBe('the folders `$RECYCLE.BIN`, `@eaDir`, `old`, `out`, ...');
    expect(await found('*/$RECYCLE.BIN/*.jpg')).toEqual(['x/$RECYCLE.BIN/b.jpg']);
    expect(await found('@eaDir/**/*.jpg')).toEqual(['a.jpg/x.jpg']);
    await expect(found('{old,x}/p/*.jpg')).rejects.toMatchObject({ code: 'NO_IMAGES' });
  });

  it('says of names that are not UTF-8 why they open nothing', async () => {
    const root = await folderOf('a.jpg');
    const bytes = (text: string) => Buffer.from(`${root}/${text}`, 'latin1');
    await writeFile(bytes('b\xe9.jpg'), '');
    await mkdir(bytes('c\xe9'));
    await writeFile(bytes('c\xe9/d.jpg'), '');
    const items = await list([root]);
    expect(namesOf(photosOf(items))).toEqual(['a.jpg']);
    expect(errorsOf(items)).toEqual([
      ['b\ufffd.jpg', 'IMAGE_UNREADABLE'],
      ['c\ufffd', 'IMAGE_UNREADABLE'],
    ]);
    for (const item of items)
      if ('error' in item) expect(item.error.message).toContain('not UTF-8');
    expect(errorsOf(await list([path.join(root, '*.jpg')]))).toEqual([
      ['b\ufffd.jpg', 'IMAGE_UNREADABLE'],
    ]);
  });

  it('skips hidden names and files that are no images', async () => {
    const root = await folderOf('.x.jpg', '._a.jpg', '.cache/1.jpg', 'a.jpg', 'b.bmp', 'c.BMP');
    expect(namesOf(await list([root]))).toEqual(['a.jpg']);
  });

  it('takes a file given by its name, whatever it is called', async () => {
    const root = await folderOf('scan', 'a[1].jpg', 'a1.jpg');
    expect(namesOf(await list([path.join(root, 'scan')]))).toEqual(['scan']);
    expect(namesOf(await list([path.join(root, 'a[1].jpg')]))).toEqual(['a[1].jpg']);
    expect(namesOf(await list([root, path.join(root, 'scan')]))).toEqual([
      'a1.jpg',
      'a[1].jpg',
      'scan',
    ]);
  });

  it('names the matches of a quoted glob and of one that the shell expands alike', async () => {
    const root = await folderOf('z/1.jpg', 'z/b/1.jpg', 'z/a/1.jpg', 'z/a/2.png', 'z/a/n.txt');
    const quoted = await list([path.join(root, 'z/*/*.jpg')]);
    const expanded = await list([path.join(root, 'z/a/1.jpg'), path.join(root, 'z/b/1.jpg')]);
    expect(namesOf(quoted)).toEqual(['a/1.jpg', 'b/1.jpg']);
    expect(quoted).toEqual(expanded);
    expect(namesOf(await list([path.join(root, 'z/**')]))).toEqual([
      '1.jpg',
      'a/1.jpg',
      'a/2.png',
      'b/1.jpg',
    ]);
  });

  it('reads a pattern below a folder whose name looks like one', async () => {
    const root = await folderOf('p/1.jpg', 'p/2.png');
    expect(namesOf(await list([path.join(root, 'p/*.{jpg,png}')]))).toEqual(['1.jpg', '2.png']);
    expect(
      await imageRoots([path.join(root, 'p/*.jpg'), root, path.join(root, 'p/1.jpg')]),
    ).toEqual([path.join(root, 'p'), root]);
  });

  it('gives each photo once where inputs overlap', async () => {
    const root = await folderOf('a/1.jpg', 'a/2.jpg', 'b/1.jpg');
    const glob = path.join(root, 'a/*.jpg');
    expect(namesOf(await list([path.join(root, 'a'), glob, root]))).toEqual(
      ['1.jpg', '2.jpg', 'b/1.jpg'].map((name) => name),
    );
    expect(namesOf(await list([glob, path.join(root, 'a/2.jpg'), glob]))).toEqual([
      '1.jpg',
      '2.jpg',
    ]);
  });

  it('refuses links that lead out, aloud, unless they are allowed', async () => {
    const outside = await folderOf('o.jpg', 'deep/p.jpg');
    const root = await folderOf('a.jpg', 'sub/b.jpg');
    await symlink(path.join(outside, 'o.jpg'), path.join(root, 'file.jpg'));
    await symlink(outside, path.join(root, 'folder'));
    await symlink(path.join(root, 'sub/b.jpg'), path.join(root, 'inside.jpg'));
    await symlink(path.join(root, 'nowhere'), path.join(root, 'broken.jpg'));
    const items = await list([root]);
    expect(namesOf(photosOf(items))).toEqual(['a.jpg', 'inside.jpg', 'sub/b.jpg']);
    expect(errorsOf(items)).toEqual([
      ['broken.jpg', 'IMAGE_MISSING'],
      ['file.jpg', 'IMAGE_OUTSIDE'],
      ['folder', 'IMAGE_OUTSIDE'],
    ]);
    expect(namesOf(await list([root], { allowOutside: true }))).toEqual([
      'a.jpg',
      'broken.jpg',
      'file.jpg',
      'folder/deep/p.jpg',
      'folder/o.jpg',
      'inside.jpg',
      'sub/b.jpg',
    ]);
    const glob = await list([path.join(root, '**/*.jpg')]);
    expect(errorsOf(glob)).toEqual([
      ['file.jpg', 'IMAGE_OUTSIDE'],
      ['folder', 'IMAGE_OUTSIDE'],
    ]);
  });

  it('ends where links go in circles', async () => {
    const root = await folderOf('a/1.jpg', 'b/2.jpg');
    await symlink('..', path.join(root, 'a/up'));
    await symlink(path.join(root, 'a'), path.join(root, 'b/a'));
    await symlink(path.join(root, 'loop'), path.join(root, 'loop'));
    await symlink(path.dirname(root), path.join(root, 'b/parent'));
    for (const input of [root, path.join(root, '**/*.jpg')]) {
      const images = photosOf(await list([input]));
      expect(namesOf(images)).toEqual(['a/1.jpg', 'b/2.jpg']);
    }
    const inner = path.join(root, 'a');
    await symlink(root, path.join(inner, 'all'));
    expect(namesOf(await list([inner], { allowOutside: true }))).toEqual(['1.jpg', 'all/b/2.jpg']);
  });

  it('says what it looked for and what it found instead', async () => {
    const root = await folderOf('a.txt', 'b.txt', 'c.json', 'README');
    await expect(list([root])).rejects.toMatchObject({
      code: 'NO_IMAGES',
      exit: 2,
      message: expect.stringMatching(
        /looked for \.jpg .*found 4 other files \(2 \.txt, .*1 without/,
      ),
    });
    await expect(list([path.join(root, '*.jpg')])).rejects.toMatchObject({
      code: 'NO_IMAGES',
      message: expect.stringContaining('found no files'),
    });
    await expect(list([path.join(root, 'a.tx')])).rejects.toMatchObject({
      code: 'INPUT_MISSING',
      hint: expect.stringContaining('a.txt'),
    });
  });

  it('gives the same paths in the same order for folder and glob', async () => {
    const name = fc.stringMatching(/^[a-c\-. ]{0,2}[a-c]$/).filter((text) => !text.startsWith('.'));
    const file = fc
      .tuple(fc.array(name, { maxLength: 2 }), name)
      .map(([folders, base]) => [...folders.map((f) => `${f}+`), `${base}.jpg`].join('/'));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(file, { minLength: 1, maxLength: 8 }), async (files) => {
        const root = await folderOf(...files);
        const walked = await list([root]);
        expect(namesOf(walked)).toEqual([...files].sort());
        expect(await list([path.join(root, '**/*.jpg')])).toEqual(walked);
      }),
      { numRuns: 40 },
    );
  });
});
