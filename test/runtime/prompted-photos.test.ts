import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import type { Query } from '../../src/formats/query-line.js';
import type { ExamineParts } from '../../src/runtime/photo-store.js';
import { promptedPhotos } from '../../src/runtime/photo-store.js';
import { type PhotoRef, type PromptPort, startedProgress } from '../../src/runtime/ports.js';
import { requestOf } from '../../src/runtime/query-answer.js';

const ref = (image: string): PhotoRef => ({ image, path: `/photos/${image}` });

interface Scene {
  readonly parts: ExamineParts;
  readonly port: PromptPort;
  readonly log: string[];
  /** Lets the next run end. */
  step(): Promise<void>;
}

/** A detector that finds one box as wide as the expression is long, and ends a run when it is told to. */
function scene(promptsARun: number, crashes = 0): Scene {
  const log: string[] = [];
  const gates: (() => void)[] = [];
  let left = crashes;
  const port: PromptPort = {
    promptsARun,
    ask: async ({ sha256 }, expressions) => {
      log.push(`${sha256}: ${expressions.join(' + ')}`);
      await new Promise<void>((resolve) => gates.push(resolve));
      if (left > 0) {
        left -= 1;
        throw new VgrError('WORKER_CRASHED', 'ended');
      }
      const answers = expressions.map((text) => [
        {
          boxXyxy: { x1: 0, y1: 0, x2: text.length, y2: 1 },
          score: 0.2,
          label: text,
          categoryId: 1,
        },
        { boxXyxy: { x1: 9, y1: 9, x2: 10, y2: 10 }, score: 0.1, label: text, categoryId: 1 },
      ]);
      return { answers, ms: expressions.length };
    },
  };
  const parts: ExamineParts = {
    progress: startedProgress(),
    open: async ({ image }) => {
      log.push(`open ${image}`);
      if (image === 'missing') throw new VgrError('IMAGE_MISSING', 'no photo');
      const raster = { width: 1, height: 1, data: new Uint8Array(3) };
      const size = { width: 100, height: 50 };
      return { size, raster, contentXyxy: { x1: 0, y1: 0, x2: 1, y2: 1 }, bytes: 1, sha256: image };
    },
    detector: {
      name: 'worded',
      spec: { width: 1, height: 1, fit: 'stretch', fill: 0 },
      categories: [],
      detect: () => Promise.reject(new Error('is not called')),
      prompted: port,
    },
  };
  const step = async (): Promise<void> => {
    while (gates.length === 0) await new Promise((resolve) => setImmediate(resolve));
    gates.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { parts, port, log, step };
}

describe('photos for a detector that takes words', () => {
  it('are decoded once; expressions that wait together share a run, and none is asked twice', async () => {
    const { parts, port, log, step } = scene(3);
    const store = promptedPhotos(4, parts, port);
    const asked = ['a', 'bb', 'a', 'ccc', 'dddd'].map((text) => store(ref('x'), text));
    expect(asked.map(({ fresh }) => fresh)).toEqual([true, true, false, true, true]);
    await step();
    // One is left over: it waits with what comes while the first run is under way.
    await step();
    const photos = await Promise.all(asked.map(({ photo }) => photo));
    expect(photos.map(({ detections }) => detections[0]!.boxXyxy.x2)).toEqual([1, 2, 1, 3, 4]);
    expect(log).toEqual(['open x', 'x: a + bb + ccc', 'x: dddd']);
    expect(parts.progress).toMatchObject({ decoded: 1, detected: 4 });
    expect(photos.map(({ decodeMs }) => decodeMs > 0)).toEqual([true, false, true, false, false]);
  });

  it('let a run that is not full wait while another is under way', async () => {
    const { parts, port, log, step } = scene(2);
    const store = promptedPhotos(4, parts, port);
    const first = store(ref('x'), 'a').photo;
    while (log.length < 2) await new Promise((resolve) => setImmediate(resolve));
    const second = store(ref('x'), 'b').photo;
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['open x', 'x: a']);
    const third = store(ref('x'), 'c').photo;
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['open x', 'x: a', 'x: b + c']);
    await step();
    await step();
    await Promise.all([first, second, third]);
  });

  it('are asked once more when the worker ends, without decoding them again', async () => {
    const { parts, port, log, step } = scene(1, 1);
    const photo = promptedPhotos(4, parts, port)(ref('x'), 'a').photo;
    await step();
    await step();
    expect((await photo).asked).toBe(true);
    expect(log).toEqual(['open x', 'x: a', 'x: a']);
  });

  it('give each expression the error, of the photo or of a worker that ended twice', async () => {
    const crashing = scene(2, 2);
    const store = promptedPhotos(4, crashing.parts, crashing.port);
    const lost = ['a', 'b'].map((text) => store(ref('x'), text).photo);
    await crashing.step();
    await crashing.step();
    for (const photo of lost)
      await expect(photo).rejects.toMatchObject({ code: 'DETECTION_FAILED' });
    for (const text of ['a', 'b']) {
      await expect(store(ref('missing'), text).photo).rejects.toMatchObject({
        code: 'IMAGE_MISSING',
      });
    }
    expect(crashing.log.filter((entry) => entry === 'open missing')).toHaveLength(1);
  });

  it('answer once what is asked twice, in one run', async () => {
    const { parts, port, log, step } = scene(8);
    const store = promptedPhotos(1, parts, port);
    const [a, bb, again] = ['a', 'bb', 'a'].map((text) => store(ref('x'), text).photo);
    await step();
    expect(await again).toBe(await a);
    expect(await bb).not.toBe(await a);
    expect(log).toEqual(['open x', 'x: a + bb']);
  });
});

describe('the answer of a detector that takes words', () => {
  it('is its first box, whatever its label says', async () => {
    const { parts, port, step } = scene(1);
    const shelf = promptedPhotos(1, parts, port);
    const looked = shelf(ref('x'), 'the left lion').photo;
    await step();
    const query = {
      id: 'q',
      line: 1,
      imagePath: 'x',
      query: 'the left lion',
      tools: [],
      extra: {},
    };
    const request = requestOf(query as Query, await looked, { detectors: [{ name: 'worded' }] });
    expect(request.tool).toMatchObject({ rank: 0, boxXyxy: { x2: 13 } });
    expect(request.candidates).toHaveLength(2);
    expect(request.candidates[0]!.label).toBe('the left lion');
  });

  it('has no label that names no kind', async () => {
    const { parts, port, step } = scene(1);
    const looked = promptedPhotos(1, parts, port)(ref('x'), 'left').photo;
    await step();
    const query = { id: 'q', line: 1, imagePath: 'x', query: 'left', tools: [], extra: {} };
    const photo = await looked;
    const request = (asked: boolean) =>
      requestOf(query as Query, { ...photo, asked }, { detectors: [{ name: 'worded' }] });
    expect(request(true).candidates.map(({ label }) => label)).toEqual([undefined, undefined]);
    expect(request(false).candidates.map(({ label }) => label)).toEqual(['left', 'left']);
  });
});
