import { copyFileSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Semaphore } from '../../src/core/semaphore.js';
import {
  type DecodingMemory,
  decodingBytes,
  openPhoto,
  withPhoto,
} from '../../src/photos/decode.js';

const MIB = 2 ** 20;
const SPEC = { width: 8, height: 8, fit: 'stretch', fill: 0 } as const;
const PHOTO = 'fixtures/formats/baseline.jpg';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vgr-test-memory-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function memory(total: number, strict: boolean): DecodingMemory {
  return { budget: new Semaphore(total), strict };
}

describe('what decoding holds', () => {
  it('grows with the area only where the decoder holds the whole image', () => {
    const size = { width: 10_000, height: 8000 };
    const baseline = decodingBytes({ ...size, format: 'jpeg', isProgressive: false }, 3 * MIB);
    const progressive = decodingBytes({ ...size, format: 'jpeg', isProgressive: true }, 3 * MIB);
    const avif = decodingBytes({ ...size, format: 'heif', isProgressive: false }, 3 * MIB);
    expect(baseline).toBe(6 * MIB + 10_000 * 8192);
    expect(progressive).toBe(6 * MIB + 480_000_000);
    expect(avif).toBe(6 * MIB + 1_600_000_000);
  });

  it('refuses a photo that alone needs more, where it is strict, and says what to do', async () => {
    await expect(openPhoto(PHOTO, SPEC, { memory: memory(1000, true) })).rejects.toMatchObject({
      code: 'IMAGE_TOO_LARGE',
      message: expect.stringContaining('--max-memory'),
      hint: expect.stringContaining('--retry-failed'),
    });
  });

  it('decodes such a photo alone where it is not', async () => {
    const { raster } = await openPhoto(PHOTO, SPEC, { memory: memory(1000, false) });
    const free = await openPhoto(PHOTO, SPEC);
    expect(raster.data).toEqual(free.raster.data);
  });

  it('reads a large file only when nothing else is being decoded', async () => {
    const large = join(folder, 'large.jpg');
    copyFileSync(PHOTO, large);
    truncateSync(large, 17 * MIB);
    const shared = memory(100 * MIB, true);
    const order: string[] = [];
    await Promise.all([
      shared.budget.run(
        async () => {
          await new Promise((resolve) => setTimeout(resolve, 200));
          order.push('small');
        },
        { units: 1000 },
      ),
      // Decoding inside the hold has the whole budget.
      withPhoto(large, { memory: shared }, async () => order.push('large')),
    ]);
    expect(order).toEqual(['small', 'large']);
  });
});
