import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ImageRoots, isInside } from '../../src/photos/image-path.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();

async function zoo(): Promise<string> {
  const root = path.join(await temporaryFolder(), 'zoo');
  await mkdir(path.join(root, 'big'), { recursive: true });
  await writeFile(path.join(root, '..', 'secret.jpg'), '');
  await writeFile(path.join(root, 'Lion.jpg'), '');
  await writeFile(path.join(root, 'big', '7.jpg'), '');
  return root;
}

/** One photo in one folder. */
async function resolveInside(root: string, image: string, options = {}): Promise<string> {
  return (await ImageRoots.open([root], options)).resolve(image);
}

describe('ImageRoots', () => {
  it('finds photos in the folder', async () => {
    const root = await zoo();
    expect(await resolveInside(root, 'big/7.jpg')).toBe(path.join(root, 'big/7.jpg'));
    expect(await resolveInside(root, './big/../Lion.jpg')).toBe(path.join(root, 'Lion.jpg'));
  });

  it.each([
    ['backslashes', 'big\\7.jpg', 'big/7.jpg'],
    ['composed letters', 'caf\u00e9.jpg', 'cafe\u0301.jpg'],
    ['another case of the extension', 'Lion.JPG', 'Lion.jpg'],
    ['percent codes', 'big%2F7.jpg', 'big/7.jpg'],
    ['percent codes on the disk', 'my cat.jpg', 'my%20cat.jpg'],
    ['an extension in mixed case', 'Lion.JPg', 'Lion.jpg'],
    ['an extension in mixed case on the disk', 'x.tif', 'x.Tif'],
    [
      'letters composed in one part and not in the other',
      'e\u0301t\u00e9\\\u00e9.JPG',
      '\u00e9te\u0301/e\u0301.jpg',
    ],
    ['dots and empty parts', './/big\\.\\7.jpg', 'big/7.jpg'],
  ])('finds a photo under another spelling: %s', async (_name, image, file) => {
    const root = await zoo();
    await mkdir(path.join(root, '\u00e9te\u0301'));
    for (const name of ['cafe\u0301.jpg', 'my%20cat.jpg', 'x.Tif', '\u00e9te\u0301/e\u0301.jpg']) {
      await writeFile(path.join(root, name), '');
    }
    expect(await resolveInside(root, image)).toBe(path.join(root, file));
  });

  it('takes none of several photos that another spelling may mean, and no name in other letters', async () => {
    const root = await zoo();
    await writeFile(path.join(root, 'caf\u00e9.JPG'), '');
    await writeFile(path.join(root, 'cafe\u0301.jpg'), '');
    for (const image of ['caf\u00e9.jpeg', 'caf\u00e9.Jpg', 'lion.jpg', 'BIG/7.jpg']) {
      await expect(resolveInside(root, image)).rejects.toMatchObject({ code: 'IMAGE_MISSING' });
    }
    expect(await resolveInside(root, 'caf\u00e9.JPG')).toBe(path.join(root, 'caf\u00e9.JPG'));
  });

  it('takes the name as it is where a photo has it', async () => {
    const root = await zoo();
    await writeFile(path.join(root, 'big\\7.jpg'), '');
    expect(await resolveInside(root, 'big\\7.jpg')).toBe(path.join(root, 'big\\7.jpg'));
    await expect(resolveInside(root, '..%2Fsecret.jpg')).rejects.toMatchObject({ exit: 1 });
  });

  it.each([
    ['..'],
    ['../secret.jpg'],
    ['big/../../secret.jpg'],
    ['/etc/passwd'],
    ['C:\\photos\\1.jpg'],
    ['\\\\host\\share\\1.jpg'],
    ['big/7.jpg\0.png'],
  ])('refuses %j', async (image) => {
    await expect(resolveInside(await zoo(), image)).rejects.toMatchObject({
      code: 'IMAGE_OUTSIDE',
      exit: 1,
    });
  });

  it('refuses links that lead out, and follows them where allowed', async () => {
    const root = await zoo();
    const secret = path.join(root, '..', 'secret.jpg');
    await symlink(secret, path.join(root, 'link.jpg'));
    await symlink(path.join(root, '..'), path.join(root, 'up'));
    await symlink(path.join(root, 'Lion.jpg'), path.join(root, 'big', 'lion-too.jpg'));
    await expect(resolveInside(root, 'link.jpg')).rejects.toMatchObject({ code: 'IMAGE_OUTSIDE' });
    await expect(resolveInside(root, 'up/secret.jpg')).rejects.toMatchObject({
      code: 'IMAGE_OUTSIDE',
    });
    expect(await resolveInside(root, 'big/lion-too.jpg')).toBe(path.join(root, 'Lion.jpg'));
    for (const image of ['link.jpg', 'up/secret.jpg', '../secret.jpg', secret]) {
      expect(await resolveInside(root, image, { allowOutside: true })).toBe(path.resolve(secret));
    }
  });

  it.each([
    ['lion.JPG', 'Lion.jpg'],
    ['Lion.png', 'Lion.jpg'],
    ['Lionn.jpg', 'Lion.jpg'],
    ['big/8.jpg', 'big/7.jpg'],
  ])('suggests for %j', async (image, nearest) => {
    await expect(resolveInside(await zoo(), image)).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
      hint: `is \`${nearest}\` meant?`,
    });
  });

  it('tries the folders in order', async () => {
    const root = await zoo();
    const other = await zoo();
    await writeFile(path.join(other, 'only.jpg'), '');
    const roots = await ImageRoots.open([root, other]);
    expect(await roots.resolve('Lion.jpg')).toBe(path.join(root, 'Lion.jpg'));
    expect(await roots.resolve('only.jpg')).toBe(path.join(other, 'only.jpg'));
    await expect(ImageRoots.open([path.join(root, 'none')])).rejects.toMatchObject({
      code: 'INPUT_MISSING',
    });
  });

  it('never leaves the folder', async () => {
    const root = await zoo();
    const part = fc.constantFrom(
      '..',
      '.',
      'big',
      '7.jpg',
      'Lion.jpg',
      '',
      'secret.jpg',
      '/',
      '\\',
    );
    const roots = await ImageRoots.open([root]);
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 7 }), async (parts) => {
        const found = await roots.resolve(parts.join('/')).catch(() => root);
        expect(isInside(root, found)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
