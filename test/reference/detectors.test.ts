import { beforeAll, describe, expect, it } from 'vitest';
import type { ImageSize } from '../../src/core/box.js';
import { detectorFamily, PROMPTED_FAMILIES } from '../../src/detect/families.js';
import type { NamedTensors } from '../../src/detect/family.js';
import { packRasters } from '../../src/detect/packing.js';
import { PromptTokenizer } from '../../src/detect/prompt-tokenizer.js';
import { type DetectorCard, isScoring, type ScoringCard } from '../../src/formats/model-card.js';
import { openPhoto } from '../../src/photos/decode.js';
import {
  difference,
  type Golden,
  goldenOf,
  numbersOf,
  type OpenedReference,
  openReference,
} from '../support/reference.js';

interface Outputs {
  readonly logits: Golden;
  readonly pred_boxes: Golden;
}

interface Photo {
  readonly file: string;
  readonly size: readonly [number, number];
  readonly pixels: Golden;
  readonly outputs: Outputs;
  readonly detections: readonly {
    readonly score: number;
    readonly label: string;
    readonly box: readonly number[];
  }[];
}

type Found = Photo['detections'][number];

function sizeOf({ size: [width, height] }: Pick<Photo, 'size'>): ImageSize {
  return { width, height };
}

function rasterOf({ pixels }: Pick<Photo, 'pixels'>, { width, height }: ImageSize) {
  return { width, height, data: numbersOf(pixels) as Uint8Array };
}

function expectSame(found: NamedTensors, outputs: Outputs): void {
  for (const [name, golden] of Object.entries(outputs) as [string, Golden][]) {
    expect(found[name]!.dims).toEqual(golden.dims);
    const own = found[name]!.data as Float32Array;
    expect(difference(own, numbersOf(golden)).most).toBeLessThan(1e-4);
  }
}

/** The reference's boxes may reach beyond the photo; what is left of them inside it. */
function inside({ box: [x1, y1, x2, y2], ...rest }: Found, { width, height }: ImageSize): Found {
  const within = (value: number, side: number): number => Math.min(side, Math.max(0, value));
  const box = [within(x1!, width), within(y1!, height), within(x2!, width), within(y2!, height)];
  return { ...rest, box };
}

const isBox = ({ box: [x1, y1, x2, y2] }: Found): boolean => x2! > x1! && y2! > y1!;

async function pixelsApart({ file, size, pixels }: Photo, { input }: DetectorCard) {
  const photo = await openPhoto(`fixtures/images/${file}`, input);
  expect([photo.size.width, photo.size.height]).toEqual(size);
  return difference(photo.raster.data, numbersOf(pixels));
}

describe.each(['detr', 'rt-detr-v2', 'd-fine', 'rf-detr'])('%s', (name) => {
  const { photos } = goldenOf<{ photos: readonly Photo[] }>(name);
  let card: DetectorCard;
  let run: OpenedReference['run'];

  beforeAll(async () => {
    const opened = await openReference(name);
    card = opened.card as DetectorCard;
    run = opened.run;
  });

  it('scales photos as the processor does', async () => {
    for (const photo of photos) {
      const apart = await pixelsApart(photo, card);
      expect(apart.mean).toBeLessThan(0.6);
      expect(apart.most).toBeLessThan(12.5);
    }
  });

  it('gives the outputs and the boxes', async () => {
    const family = detectorFamily(card.family);
    for (const photo of photos) {
      const image = sizeOf(photo);
      const outputs = await run(family.pack([rasterOf(photo, card.input)], card));
      expectSame(outputs, photo.outputs);
      const options = { minScore: 0.05, maxDetections: photo.detections.length };
      const [found] = family.decode(outputs, [image], card, options);
      const expected = photo.detections.map((one) => inside(one, image)).filter(isBox);
      expected.sort((a, b) => b.score - a.score);
      for (const [rank, { score, label, box }] of expected.entries()) {
        const own = found![rank]!;
        expect(Math.abs(own.score - score)).toBeLessThan(1e-4);
        expect(own.label).toBe(label);
        expect(difference(Object.values(own.boxXyxy), box).most).toBeLessThan(0.05);
      }
    }
  });
});

interface Prompted {
  readonly expressions: readonly string[];
  readonly tokens: readonly (readonly number[])[];
}

async function openPrompted(name: string) {
  const { card, run, json } = await openReference(name);
  if (card.kind !== 'detector' || !isScoring(card)) throw new Error('no such card');
  const tokenizer = new PromptTokenizer(json, {}, card.input.text, card.family);
  return { card: card as ScoringCard, run, tokenizer };
}

describe('owlv2', () => {
  type Seen = Omit<Photo, 'pixels'> & { readonly values: Golden };
  const golden = goldenOf<Prompted & { readonly photos: readonly Seen[] }>('owlv2');

  it('gives the tokens, the outputs and the boxes', async () => {
    const { card, run, tokenizer } = await openPrompted('owlv2');
    const prompts = golden.expressions.map((text) => tokenizer.expression(text)!);
    expect(prompts.map(({ ids }) => ids)).toEqual(golden.tokens);
    const family = PROMPTED_FAMILIES[card.family];
    for (const photo of golden.photos) {
      const image = sizeOf(photo);
      const { raster } = await openPhoto(`fixtures/images/${photo.file}`, card.input);
      const packed = family.pack(raster, prompts, card);
      // Its processor scales numbers, not pixels, and after a Gauss filter. 1 is some 70 of 255.
      const own = packed.pixel_values!.data as Float32Array;
      expect(difference(own, numbersOf(photo.values)).mean).toBeLessThan(0.12);
      const { dims, data } = packed.pixel_values!;
      const values = {
        type: 'float32' as const,
        dims,
        data: numbersOf(photo.values) as typeof data,
      };
      const outputs = await run({ ...packed, pixel_values: values });
      expectSame(outputs, photo.outputs);
      const answers = family.decode(outputs, image, prompts, card, {
        minScore: 0.05,
        maxDetections: 300,
      });
      for (const [at, label] of golden.expressions.entries()) {
        const boxes = answers[at]!.map(({ score, boxXyxy }) => ({
          score,
          box: Object.values(boxXyxy),
        }));
        // The reference counts a patch for the expression that it fits best.
        for (const expected of photo.detections.filter((one) => one.label === label)) {
          const { score, box } = inside(expected, image);
          if (!isBox({ score, label, box })) continue;
          const same = boxes.filter(
            (one) => difference(one.box, box).most < 0.05 && Math.abs(one.score - score) < 1e-4,
          );
          expect(same).toHaveLength(1);
        }
      }
    }
  });
});

describe.each(['grounding-dino', 'mm-grounding-dino'])('%s', (name) => {
  type Seen = Omit<Photo, 'outputs' | 'detections'> & { readonly prompts: readonly Outputs[] };
  const golden = goldenOf<Prompted & { readonly photos: readonly Seen[] }>(name);

  it('gives the pixels, the tokens, the outputs and the boxes', async () => {
    const { card, run, tokenizer } = await openPrompted(name);
    const prompts = golden.expressions.map((text) => tokenizer.expression(text)!);
    expect(prompts.map(({ ids }) => ids)).toEqual(golden.tokens);
    const family = PROMPTED_FAMILIES[card.family];
    for (const photo of golden.photos) {
      const apart = await pixelsApart(photo as unknown as Photo, card);
      expect(apart.mean).toBeLessThan(0.6);
      const image = sizeOf(photo);
      for (const [at, prompt] of prompts.entries()) {
        const { logits, pred_boxes } = photo.prompts[at]!;
        const outputs = await run(family.pack(rasterOf(photo, card.input), [prompt], card));
        const [, queries, tokens] = outputs.logits!.dims as [number, number, number];
        // Beyond the prompt the reference gives minus infinity.
        const own = Array.from(numbersOf(logits) as Float32Array, (_, index) => {
          const length = logits.dims[2]!;
          const query = Math.floor(index / length);
          return (outputs.logits!.data as Float32Array)[query * tokens + (index % length)]!;
        });
        expect(difference(own, numbersOf(logits)).most).toBeLessThan(1e-4);
        expectSame(outputs, { pred_boxes } as Outputs);
        const options = { minScore: 0, maxDetections: queries };
        const [found] = family.decode(outputs, image, [prompt], card, options);
        const sides = numbersOf(pred_boxes) as Float32Array;
        const expected = Array.from({ length: queries }, (_, query) => {
          const [x, y, w, h] = sides.subarray(query * 4, query * 4 + 4);
          const { width, height } = image;
          const corners = [
            (x! - w! / 2) * width,
            (y! - h! / 2) * height,
            (x! + w! / 2) * width,
            (y! + h! / 2) * height,
          ];
          return inside({ score: 0, label: '', box: corners }, image);
        }).filter(isBox);
        expect(found).toHaveLength(expected.length);
        for (const { boxXyxy } of found!) {
          const least = expected.map(({ box }) => difference(Object.values(boxXyxy), box).most);
          expect(Math.min(...least)).toBeLessThan(0.05);
        }
      }
    }
  });
});

describe.each(['clip', 'siglip'])('%s', (name) => {
  interface Encoder {
    readonly expressions: readonly string[];
    readonly tokens: readonly (readonly number[])[];
    readonly texts: readonly Golden[];
    readonly photos: readonly (Pick<Photo, 'file' | 'pixels'> & { readonly embedding: Golden })[];
  }
  const golden = goldenOf<Encoder>(name);

  const normalised = (values: Float32Array): Float32Array => {
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  };

  it('gives the tokens and the embeddings', async () => {
    const { card, run, runFile, json } = await openReference(name);
    if (card.kind !== 'encoder') throw new Error('no such card');
    const { readTokenizer } = await import('../../src/detect/prompt-tokenizer.js');
    const { fitTokens } = await import('../../src/detect/encoder.js');
    const tokenize = readTokenizer(json, card);
    for (const [at, text] of golden.expressions.entries()) {
      const { ids } = fitTokens(tokenize(text), card.text);
      expect(ids).toEqual(golden.tokens[at]);
      const data = BigInt64Array.from(ids, BigInt);
      const feeds = { input_ids: { type: 'int64' as const, data, dims: [1, ids.length] } };
      const { text_embeds } = await runFile(card.text.model, feeds);
      const own = normalised(text_embeds!.data as Float32Array);
      expect(difference(own, numbersOf(golden.texts[at]!)).most).toBeLessThan(1e-4);
    }
    const { output: _, ...image } = card.image;
    const input = { ...image, fit: 'stretch' as const };
    for (const photo of golden.photos) {
      const raster = rasterOf(photo, card.image);
      const { image_embeds } = await run(packRasters([raster], { name, input }));
      const own = normalised(image_embeds!.data as Float32Array);
      expect(difference(own, numbersOf(photo.embedding)).most).toBeLessThan(1e-4);
    }
  });
});
