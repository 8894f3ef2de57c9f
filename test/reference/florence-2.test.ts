import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NamedTensors } from '../../src/detect/family.js';
import { florence2 } from '../../src/detect/florence-2.js';
import { openTextTokens } from '../../src/detect/prompt-tokenizer.js';
import type { Graphs } from '../../src/detect/writing.js';
import {
  graphNames,
  isWriting,
  type TaskName,
  type WritingCard,
} from '../../src/formats/model-card.js';
import { openPhoto } from '../../src/photos/decode.js';
import {
  findModel,
  jsonObject,
  readFurther,
  readGraph,
  readVerified,
} from '../../src/runtime/model-store.js';
import { Sessions } from '../../src/runtime/sessions.js';
import { difference, type Golden, numbersOf, REFERENCE } from '../support/reference.js';

interface Florence {
  readonly bins: number;
  readonly photos: readonly {
    readonly file: string;
    readonly size: readonly [number, number];
    readonly pixels: Golden;
    readonly features: Golden;
  }[];
  readonly queries: readonly {
    readonly photo: string;
    readonly task: TaskName;
    readonly expression: string;
    readonly tokens: readonly number[];
    readonly phrase: readonly number[];
    readonly firstLogits: Golden;
    readonly boxes: readonly {
      readonly locations: readonly number[];
      readonly score: number;
      readonly box: readonly number[];
      readonly label: string;
    }[];
  }[];
}

async function openFlorence(folder: string) {
  const model = await findModel(folder);
  if (model.card.kind !== 'detector' || !isWriting(model.card)) throw new Error('no such card');
  const { card } = model;
  const sessions = new Sessions();
  const names = graphNames(card);
  for (const [role, file] of Object.entries({ photo: card.file, ...card.graphs })) {
    const { bytes } = await (role === 'photo' ? readVerified(model) : readGraph(model, file));
    await sessions.load({ model: names.get(role)!, bytes, device: { name: 'cpu' }, threads: 1 });
  }
  const signatures = [...names].map(([role, own]) => [role, sessions.signatureOf(own)]);
  const graphs: Graphs = {
    run: (role, feeds, fetches) => sessions.run(names.get(role)!, feeds, fetches),
    signatures: Object.fromEntries(signatures),
    mixesRows: false,
  };
  expect(florence2.disagreements(card, graphs.signatures)).toEqual([]);
  const tokens = openTextTokens(jsonObject(await readFurther(model, 'tokenizer.json')), {});
  return { card, graphs, tokens };
}

describe.each(['florence-2-a', 'florence-2-b'])('%s', (name) => {
  const folder = join(REFERENCE, name);
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Florence;
  let card: WritingCard;
  let graphs: Graphs;
  let tokens: ReturnType<typeof openTextTokens>;

  beforeAll(async () => {
    ({ card, graphs, tokens } = await openFlorence(folder));
  });

  const rasterOf = ({ file, pixels }: Florence['photos'][number]) => ({
    file,
    width: card.input.width,
    height: card.input.height,
    data: numbersOf(pixels) as Uint8Array,
  });

  it('scales photos as the processor does', async () => {
    for (const { file, size, pixels } of golden.photos) {
      const { raster, size: own } = await openPhoto(`fixtures/images/${file}`, card.input);
      expect([own.width, own.height]).toEqual(size);
      const apart = difference(raster.data, numbersOf(pixels));
      // Pillow rounds after each direction.
      expect(apart.mean).toBeLessThan(0.5);
      expect(apart.most).toBeLessThan(8);
    }
  });

  it('gives the features of the photo', async () => {
    for (const photo of golden.photos) {
      const { image_features } = await florence2.encode(rasterOf(photo), card, graphs.run);
      expect(image_features!.dims).toEqual(photo.features.dims);
      expect(
        difference(image_features!.data as Float32Array, numbersOf(photo.features)).most,
      ).toBeLessThan(1e-4);
    }
  });

  it.runIf(name === 'florence-2-b')('gives other features while scales are frozen', async () => {
    const { frozenAt, ...plain } = card;
    expect(frozenAt).toBe(64);
    const model = { card: plain as WritingCard, folder, weights: join(folder, card.file) };
    const { bytes } = await readVerified(model);
    const sessions = new Sessions();
    await sessions.load({ model: 'frozen', bytes, device: { name: 'cpu' }, threads: 1 });
    const photo = golden.photos[0]!;
    const run: Graphs['run'] = (_, feeds, fetches) => sessions.run('frozen', feeds, fetches);
    const { image_features } = await florence2.encode(rasterOf(photo), card, run);
    const own = image_features!.data as Float32Array;
    expect(difference(own, numbersOf(photo.features)).most).toBeGreaterThan(1e-2);
  });

  it('writes the boxes of each task, alone and beside others', async () => {
    const places = florence2.places(tokens);
    expect(places.bins).toBe(golden.bins);
    for (const photo of golden.photos) {
      const features: NamedTensors = await florence2.encode(rasterOf(photo), card, graphs.run);
      const [width, height] = photo.size;
      for (const task of ['phrase-grounding', 'open-vocabulary'] as const) {
        const queries = golden.queries.filter(
          (one) => one.photo === photo.file && one.task === task,
        );
        const asked = { ...card, decoding: { ...card.decoding, task } };
        const prompts = queries.map(
          ({ expression }) => florence2.prompt(expression, tokens, asked)!,
        );
        for (const [at, { tokens: ids, phrase }] of queries.entries()) {
          expect(prompts[at]!.ids).toEqual(ids);
          expect(prompts[at]!.answer).toEqual([2, 0, ...phrase]);
        }
        const answer = (some: typeof prompts) =>
          florence2.answer(
            {
              features,
              image: { width, height },
              prompts: some,
              places,
              card: asked,
              options: { minScore: 0, maxDetections: 3 },
            },
            graphs,
          );
        const together = await answer(prompts);
        const alone = await Promise.all(prompts.map(async (one) => (await answer([one]))[0]!));
        expect(together).toEqual(alone);
        for (const [at, { boxes }] of queries.entries()) {
          const found = together[at]!;
          expect(found).toHaveLength(boxes.length);
          for (const [rank, { box, score, label }] of boxes.entries()) {
            const { boxXyxy, ...own } = found[rank]!;
            expect(difference(Object.values(boxXyxy), box).most).toBeLessThan(0.05);
            expect(Math.abs(own.score - score)).toBeLessThan(1e-4);
            expect(own.label).toBe(label);
          }
        }
      }
    }
  });
});

/** How alike two lists of numbers run, -1..1. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>) =>
    Array.from(values).reduce((x, y) => x + y, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    ab += (a[at]! - ma) * (b[at]! - mb);
    aa += (a[at]! - ma) ** 2;
    bb += (b[at]! - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

// `npm run reference` makes them; they are not committed.
const isThere = existsSync(join(REFERENCE, 'florence-2-a-int8'));

describe.runIf(isThere).each([
  ['int8', 0.99],
  ['fp16', 0.9999],
  ['fp16-ports', 0.9999],
  ['q4', 0.9],
] as const)('florence-2-a in the precision %s', (precision, least) => {
  it('loads, sees nearly the same and answers', async () => {
    const plain = join(REFERENCE, 'florence-2-a');
    const golden = JSON.parse(readFileSync(join(plain, 'golden.json'), 'utf8')) as Florence;
    const { card, graphs, tokens } = await openFlorence(`${plain}-${precision}`);
    const { pixels, features: expected, size } = golden.photos[0]!;
    const [width, height] = size;
    const raster = { width: 96, height: 96, data: numbersOf(pixels) as Uint8Array };
    const features = await florence2.encode(raster, card, graphs.run);
    const own = features.image_features!.data as Float32Array;
    expect(correlation(own, numbersOf(expected) as Float32Array)).toBeGreaterThan(least);
    const [found] = await florence2.answer(
      {
        features,
        image: { width, height },
        prompts: [florence2.prompt('the left cat', tokens, card)!],
        places: florence2.places(tokens),
        card,
        options: { minScore: 0, maxDetections: 3 },
      },
      graphs,
    );
    expect(found).toHaveLength(3);
  });
});
