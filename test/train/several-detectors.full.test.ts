import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { RefinerCard } from '../../src/formats/refiner-card.js';
import { freshFolder, vgr } from '../support/vgr.js';

const PHOTOS = '../shared/data/grounding';
const MODELS = resolve('../shared/models');
const isHere = existsSync(PHOTOS) && existsSync(MODELS);

/** What a refiner that is fitted to these detectors reaches on lines that were held out of the fit. */
async function reached(...detectors: string[]): Promise<NonNullable<RefinerCard['validation']>> {
  const output = freshFolder();
  const queries = ['train', 'human-train'].flatMap((name) => [
    ...['--queries', `${PHOTOS}/${name}.jsonl`],
  ]);
  const { code, stdout, stderr } = await vgr(
    [
      ...['train-lite', `${PHOTOS}/images`, ...queries, '--val', `${PHOTOS}/dev.jsonl`, '--json'],
      ...['--annotations', `${PHOTOS}/instances.json`, '--output', output, '--device', 'cpu'],
      ...['--cache', freshFolder(), ...detectors.flatMap((name) => ['--detector', name])],
    ],
    { env: { VGR_MODELS_DIR: MODELS } },
  );
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout).validation;
}

it.skipIf(!isHere)(
  `three detectors are right on 2 lines of 100 more than the best of them: 0.736 and 0.709 were reached (skipped without ${PHOTOS})`,
  async () => {
    const best = await reached('picodet-s-416');
    const three = await reached('picodet-s-416', 'nanodet-plus-m-416', 'yolox-nano');
    expect(best.fitted.accuracy).toBeGreaterThan(0.69);
    expect(three.fitted.accuracy! - best.fitted.accuracy!).toBeGreaterThanOrEqual(0.02);
    // Before anything is fitted, three are no worse than one.
    expect(three.start.accuracy).toBeGreaterThan(best.start.accuracy!);
  },
);
