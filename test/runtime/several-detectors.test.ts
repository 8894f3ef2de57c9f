import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import type { Query } from '../../src/formats/query-line.js';
import { categoriesOf } from '../../src/run/output.js';
import { photoShelf } from '../../src/runtime/photo-store.js';
import { type Detector, type PhotoRef, startedProgress } from '../../src/runtime/ports.js';
import { requestOf, resultLine } from '../../src/runtime/query-answer.js';

const ref = (image: string): PhotoRef => ({ image, path: `/photos/${image}` });
const BOX = { x1: 10, y1: 10, x2: 30, y2: 30 };

interface DetectorParts {
  readonly name: string;
  readonly side: number;
  readonly label: string;
  /** Photos under which its thread ends, once. */
  readonly crashes?: Set<string>;
  readonly isPrompted?: boolean;
}

/** Finds one box, and says what raster it got. */
function detectorOf({ name, side, label, crashes, isPrompted }: DetectorParts, log: string[]) {
  const found = { boxXyxy: BOX, score: 0.5, label, categoryId: side };
  const detector: Detector = {
    name,
    spec: { width: side, height: side, fit: 'stretch', fill: 0 },
    categories: [
      { id: 1, name: 'person' },
      { id: side, name: label },
    ],
    detect: async ({ raster, sha256 }) => {
      log.push(`${name} at ${raster.width}`);
      if (crashes?.delete(sha256)) throw new VgrError('WORKER_CRASHED', 'ended');
      return { raster, detections: [found], ms: side };
    },
    prompted: isPrompted
      ? {
          promptsARun: 1,
          ask: async ({ raster }, [text]) => {
            log.push(`${name} at ${raster.width}: ${text}`);
            return { answers: [[{ ...found, label: text! }]], ms: side };
          },
        }
      : undefined,
  };
  return detector;
}

function scene(...parts: readonly DetectorParts[]) {
  const log: string[] = [];
  const progress = startedProgress();
  const detectors = parts.map((each) => detectorOf(each, log));
  const shelf = photoShelf(
    {
      progress,
      detectors,
      open: async ({ image }, specs) => {
        log.push(`open ${image} for ${specs.map(({ width }) => width).join(', ')}`);
        if (image === 'missing') throw new VgrError('IMAGE_MISSING', 'no photo');
        return specs.map(({ width, height }) => ({
          size: { width: 100, height: 50 },
          raster: { width, height, data: new Uint8Array(3 * width * height) },
          contentXyxy: { x1: 0, y1: 0, x2: width, y2: height },
          bytes: 1,
          sha256: image,
        }));
      },
    },
    4,
  );
  return { log, progress, detectors, shelf };
}

const query = (text: string): Query => ({
  id: 'q',
  line: 1,
  imagePath: 'x',
  query: text,
  tools: [],
  extra: {},
});

describe('several detectors in one run', () => {
  it('share the decoding of a photo, and their findings are one object for all its queries', async () => {
    const { log, progress, shelf } = scene(
      { name: 'first', side: 4, label: 'cat' },
      { name: 'second', side: 8, label: 'dog' },
    );
    const seen = ['the cat', 'the dog'].map((text) => shelf(ref('x'), text));
    expect(seen.map(({ fresh }) => fresh)).toEqual([true, false]);
    const [one, other] = await Promise.all(seen.map(({ photo }) => photo));
    expect(one).toBe(other);
    expect(log).toEqual(['open x for 4, 8', 'first at 4', 'second at 8']);
    expect(one).toMatchObject({
      raster: { width: 4 },
      detections: [{ label: 'cat' }],
      others: [{ detections: [{ label: 'dog' }] }],
      detectMs: 12,
    });
    expect(progress).toMatchObject({ decoded: 1, detected: 1, detectMs: 12 });
  });

  it('decode a photo again where a thread ended under one of them', async () => {
    const { log, shelf } = scene(
      { name: 'first', side: 4, label: 'cat' },
      { name: 'second', side: 8, label: 'dog', crashes: new Set(['x']) },
    );
    const photo = await shelf(ref('x'), 'the cat').photo;
    expect(photo.others).toMatchObject([{ detections: [{ label: 'dog' }] }]);
    expect(log).toEqual([
      'open x for 4, 8',
      'first at 4',
      'second at 8',
      'open x for 4, 8',
      'second at 8',
    ]);
  });

  it('may be asked in words beside those that list objects', async () => {
    const { log, shelf, detectors } = scene(
      { name: 'lister', side: 4, label: 'cat' },
      { name: 'reader', side: 8, label: '', isPrompted: true },
    );
    const [one, other] = await Promise.all(
      ['the cat', 'left'].map((text) => shelf(ref('x'), text).photo),
    );
    expect(log).toEqual([
      'open x for 4, 8',
      'lister at 4',
      'reader at 8: the cat',
      'reader at 8: left',
    ]);
    const { candidates, tool, toolName } = requestOf(query('the cat'), one, { detectors });
    expect(toolName).toBe('lister');
    expect(tool).toMatchObject({ tool: 'lister', listed: true });
    expect(candidates).toMatchObject([
      { tool: 'lister', label: 'cat', listed: true },
      { tool: 'reader', label: 'the cat' },
    ]);
    expect(candidates[1]!.listed).toBeUndefined();
    const asReader = requestOf(query('left'), other, { detectors, toolName: 'reader' });
    expect(asReader.tool).toMatchObject({ tool: 'reader' });
    expect(asReader.tool!.label).toBeUndefined();
  });

  it('fail together on a photo that cannot be read, once for all queries', async () => {
    const { log, shelf } = scene(
      { name: 'first', side: 4, label: 'cat' },
      { name: 'second', side: 8, label: 'dog' },
    );
    for (const text of ['a', 'b']) {
      await expect(shelf(ref('missing'), text).photo).rejects.toMatchObject({
        code: 'IMAGE_MISSING',
      });
    }
    expect(log).toEqual(['open missing for 4, 8']);
  });

  it('are named in the line, each with its own worth of a score', async () => {
    const { shelf, detectors } = scene(
      { name: 'first', side: 4, label: 'cat' },
      { name: 'second', side: 8, label: 'cat' },
    );
    const calibration = { intercept: 1, score: 1, area: 0 };
    const settings = { detectors: [detectors[0]!, { ...detectors[1]!, calibration }] };
    const request = requestOf(query('cat'), await shelf(ref('x'), 'cat').photo, settings);
    expect(request.candidates.map((each) => each.calibration)).toEqual([undefined, calibration]);
    const lineOf = (boxXyxy: typeof BOX, namesTools: boolean) =>
      resultLine(
        query('cat'),
        request,
        {
          think: { boxXyxy: null, score: 0, text: '' },
          answer: {
            boxXyxy,
            score: 1,
            decision: 'confirm',
            text: '',
            boxes: [{ boxXyxy, score: 1 }],
          },
        },
        { namesTools },
      ).answer;
    expect(lineOf(BOX, true).from).toEqual(['first', 'second']);
    expect(lineOf({ ...BOX, x2: 31 }, true).boxes![0]!.from).toEqual(['first', 'second']);
    expect(lineOf({ ...BOX, x1: 50, x2: 60 }, true).from).toEqual([]);
    expect(lineOf(BOX, false).from).toBeUndefined();
  });

  it('have categories of each name once', () => {
    const { detectors } = scene(
      { name: 'first', side: 4, label: 'cat' },
      { name: 'second', side: 1, label: 'cat' },
      { name: 'third', side: 4, label: 'shoe' },
    );
    expect(categoriesOf(detectors)).toEqual([
      { id: 1, name: 'person' },
      { id: 4, name: 'cat' },
      { id: 5, name: 'shoe' },
    ]);
    expect(categoriesOf([])).toEqual([]);
  });
});
