import type { BoxXyxy } from '../geometry/box.js';
import { widenedXyxy } from '../geometry/box.js';
import type { RgbRaster } from '../geometry/raster.js';
import type { CropMatcher, MatchScale } from '../refinement/crop-match.js';
import { BoundedCache } from './bounded-cache.js';
import { Gate } from './gate.js';
import type { PhotoRef } from './ports.js';

/** An image-text encoder that stands ready. Embeddings are [d] and of length 1. */
export interface ImageTextEncoder extends MatchScale {
  /** One embedding a crop. @throws VgrError */
  embedCrops(crops: readonly RgbRaster[]): Promise<readonly Float32Array[]>;
  /** @throws VgrError */
  embedText(text: string): Promise<Float32Array>;
}

/** Cuts boxes, pixels of the upright photo, out of it, in the shape that the encoder takes. @throws VgrError of the photo */
export type CropPhoto = (ref: PhotoRef, boxes: readonly BoxXyxy[]) => Promise<readonly RgbRaster[]>;

/** A crop shows this much more on each side, as a share of the box's own: things are known by what is around them too. */
const MARGIN = 0.1;
/** Photos that are held decoded at a time, up to 48 MB each. */
const DECODED = 4;
/** Embeddings kept, of a few kilobytes each: those of the boxes of some hundred photos, and of as many texts. */
const KEPT = 8192;

/**
 * Holds crops against texts, each box and each text embedded once as long as it is remembered: queries of one photo lie near
 * each other, and share boxes.
 */
export class CropMatching {
  readonly #encoder: ImageTextEncoder;
  readonly #crop: CropPhoto;
  readonly #mostCrops: number;
  readonly #crops = new BoundedCache<Float32Array>(KEPT);
  readonly #texts = new BoundedCache<Float32Array>(KEPT);
  readonly #gate = new Gate(DECODED);

  /** @param mostCrops of a photo that are held at a time; for more it is decoded again */
  constructor(encoder: ImageTextEncoder, crop: CropPhoto, mostCrops: number) {
    this.#encoder = encoder;
    this.#crop = crop;
    this.#mostCrops = mostCrops;
  }

  /** What compares crops of this photo with texts. */
  of(ref: PhotoRef): CropMatcher {
    const { scale, bias } = this.#encoder;
    return {
      scale,
      bias,
      match: async (boxes, texts) => {
        const looks = this.#embedBoxes(ref, boxes);
        const words = texts.map((text) => this.#embedText(text));
        const [crops, meanings] = await Promise.all([Promise.all(looks), Promise.all(words)]);
        return meanings.map((meaning) => Float32Array.from(crops, (crop) => dot(crop, meaning)));
      },
    };
  }

  #embedText(text: string): Promise<Float32Array> {
    const known = this.#texts.get(text);
    if (known) return known;
    const made = this.#encoder.embedText(text);
    this.#texts.set(text, made);
    return made;
  }

  #embedBoxes(ref: PhotoRef, boxes: readonly BoxXyxy[]): readonly Promise<Float32Array>[] {
    const fresh = new Map<string, BoxXyxy>();
    const keys = boxes.map((box) => `${box.x1} ${box.y1} ${box.x2} ${box.y2} ${ref.path}`);
    const known = keys.map((key, at) => {
      const held = this.#crops.get(key);
      if (held === undefined) fresh.set(key, boxes[at]!);
      return held;
    });
    const coming = this.#embedFresh(ref, fresh);
    return keys.map((key, at) => known[at] ?? coming.get(key)!);
  }

  /** By the keys of the boxes, which must not be held yet. */
  #embedFresh(
    ref: PhotoRef,
    boxes: ReadonlyMap<string, BoxXyxy>,
  ): ReadonlyMap<string, Promise<Float32Array>> {
    if (boxes.size === 0) return new Map();
    const wide = [...boxes.values()].map((box) => widenedXyxy(box, MARGIN));
    const all = this.#gate.run(async () => {
      const made: Float32Array[] = [];
      for (let from = 0; from < wide.length; from += this.#mostCrops) {
        const crops = await this.#crop(ref, wide.slice(from, from + this.#mostCrops));
        made.push(...(await this.#encoder.embedCrops(crops)));
      }
      return made;
    });
    const coming = new Map(
      [...boxes.keys()].map((key, place) => [key, all.then((made) => made[place]!)]),
    );
    for (const [key, embedding] of coming) this.#crops.set(key, embedding);
    return coming;
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!;
  return sum;
}
