import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { DetectionsLine, ResultLine } from '../../src/formats/result-line.js';
import { drawText, OverlayFolder } from '../../src/photos/draw.js';
import { useTemporaryFolders } from '../support/temporary-folder.js';

const temporaryFolder = useTemporaryFolders();

async function greyPhoto(folder: string, width: number, height: number): Promise<string> {
  const file = path.join(folder, 'photo.png');
  await sharp({ create: { width, height, channels: 3, background: '#808080' } })
    .png()
    .toFile(file);
  return file;
}

const answerLine = (line: Partial<ResultLine>): ResultLine => ({
  type: 'result',
  schema: 1,
  id: 'q1',
  width: 600,
  height: 400,
  query: 'the left lion',
  tool: { name: 'centernet', bbox_2d: [300, 100, 500, 300], score: 0.7, label: 'lion' },
  think: { bbox_2d: null, score: 0, text: '' },
  answer: { bbox_2d: [50, 100, 250, 300], score: 0.9, decision: 'correct', text: 'Leftmost.' },
  candidates: 2,
  ...line,
});

async function pixels(file: string) {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): readonly number[] =>
    Array.from(data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3));
  return { width: info.width, height: info.height, at };
}

const isRed = ([r = 0, g = 0, b = 0]: readonly number[]) => r > 150 && g < 110 && b < 110;
const isBlue = ([r = 0, g = 0, b = 0]: readonly number[]) => b > 150 && r < 130 && g < 150;

describe('OverlayFolder', () => {
  it('draws every box of a set, and none where nothing fits', async () => {
    const folder = await temporaryFolder();
    const photo = await greyPhoto(folder, 600, 400);
    const { answer } = answerLine({});
    const boxes = [
      { bbox_2d: [50, 100, 250, 300], score: 0.9 },
      { bbox_2d: [50, 20, 250, 80], score: 0.4 },
    ] as const;
    const drawn = new OverlayFolder(folder);
    await drawn.drawAnswer(answerLine({ id: 'set', answer: { ...answer, boxes } }), photo);
    await drawn.drawAnswer(
      answerLine({ id: 'none', answer: { ...answer, bbox_2d: null, decision: 'none' } }),
      photo,
    );
    const [set, none] = [
      await pixels(path.join(folder, 'set.jpg')),
      await pixels(path.join(folder, 'none.jpg')),
    ];
    for (const y of [100, 20]) {
      expect([isRed(set.at(150, y)), isRed(none.at(150, y))]).toEqual([true, false]);
    }
  });

  it('draws the answer in solid red, the tool in dashed blue, and words below', async () => {
    const folder = await temporaryFolder();
    const out = path.join(folder, 'drawn', 'here');
    await new OverlayFolder(out).drawAnswer(answerLine({}), await greyPhoto(folder, 600, 400));
    expect(await readdir(out)).toEqual(['q1.jpg']);
    const picture = await pixels(path.join(out, 'q1.jpg'));
    expect(picture.width).toBe(600);
    expect(picture.height).toBeGreaterThan(460);
    const along = (x1: number) =>
      Array.from({ length: 180 }, (_, i) => picture.at(x1 + 10 + i, 100));
    expect(along(50).every(isRed)).toBe(true);
    const blue = along(300).filter(isBlue).length;
    expect(blue).toBeGreaterThan(60);
    expect(blue).toBeLessThan(140);
    const below = Array.from({ length: 600 * (picture.height - 400) }, (_, i) =>
      picture.at(i % 600, 400 + Math.floor(i / 600)),
    );
    expect(below.filter(([r = 0, g = 0]) => r < 100 && g < 100).length).toBeGreaterThan(200);
  });

  it('shrinks large photos, widens narrow ones, and keeps boxes on the border in sight', async () => {
    const folder = await temporaryFolder();
    const overlays = new OverlayFolder(folder);
    const whole = { bbox_2d: [0, 0, 4000, 2000], score: 1, decision: 'confirm', text: '' } as const;
    const large = answerLine({ id: 'large', width: 4000, height: 2000, answer: whole });
    await overlays.drawAnswer(large, await greyPhoto(folder, 4000, 2000));
    const picture = await pixels(path.join(folder, 'large.jpg'));
    expect(picture.width).toBe(1280);
    expect([picture.at(640, 2), picture.at(640, 637), picture.at(2, 320)].every(isRed)).toBe(true);
    const narrow = answerLine({ id: 'narrow', width: 40, height: 90 });
    await overlays.drawAnswer(narrow, await greyPhoto(folder, 40, 90));
    expect((await pixels(path.join(folder, 'narrow.jpg'))).width).toBe(480);
  });

  it('draws foreign words as words, and lines without boxes', async () => {
    const folder = await temporaryFolder();
    const photo = await greyPhoto(folder, 600, 400);
    const hostile = '<span foreground="red">&amp; </b> \u001b[31m \u0000 \ud800 \u202e]]>'.repeat(
      30,
    );
    const line = answerLine({
      id: '../../evil',
      query: hostile,
      tool: { name: hostile, bbox_2d: null },
      answer: { bbox_2d: null, score: 0, decision: 'none', text: hostile, label: hostile },
    });
    await new OverlayFolder(folder).drawAnswer(line, photo);
    expect((await readdir(folder)).length).toBe(2);
    const plain = await drawText('a<b', { size: 20, colour: '#000000' });
    const bold = await drawText('<b>a</b>', { size: 20, colour: '#000000' });
    expect(bold.width).toBeGreaterThan(2 * plain.width);
    expect((await drawText(' ', { size: 20, colour: '#000000' })).width).toBeGreaterThan(0);
  });

  it('draws every detection, and says how many there are', async () => {
    const folder = await temporaryFolder();
    const photo = await greyPhoto(folder, 640, 480);
    const line: DetectionsLine = {
      type: 'detections',
      schema: 1,
      image: 'zoo/1.jpg',
      width: 640,
      height: 480,
      detections: Array.from({ length: 80 }, (_, i) => ({
        bbox_2d: [i, i, i + 100, i + 100],
        score: 1 - i / 100,
        label: 'lion',
        category_id: i,
      })),
    };
    const overlays = new OverlayFolder(path.join(folder, 'out'));
    await overlays.drawDetections(line, photo);
    await overlays.drawDetections({ ...line, image: 'none.jpg', detections: [] }, photo);
    expect((await readdir(path.join(folder, 'out'))).sort()).toEqual(['none.jpg', 'zoo__1.jpg']);
  });

  it('says what stands in the way', async () => {
    const folder = await temporaryFolder();
    const photo = await greyPhoto(folder, 60, 40);
    await writeFile(path.join(folder, 'file'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
    const line = answerLine({ width: 60, height: 40 });
    await expect(
      new OverlayFolder(path.join(folder, 'file')).drawAnswer(line, photo),
    ).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
    await expect(
      new OverlayFolder(folder).drawAnswer(line, path.join(folder, 'file')),
    ).rejects.toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
  });
});
