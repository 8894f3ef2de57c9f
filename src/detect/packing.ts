import type { ImageSize } from '../core/box.js';
import { type FitMode, isFitOfPhoto, type RgbRaster } from '../core/raster.js';
import type { DetectorCard, ExtraInput } from '../formats/model-card.js';
import { CardMismatch, type NamedTensors, type Tensor } from './family.js';

/** How pixels go into a graph, and the model's name for messages. */
export interface PixelInput {
  readonly name: string;
  readonly input: Omit<DetectorCard['input'], 'fit' | 'fill'> & { readonly fit?: FitMode };
}

/**
 * The rasters as the input that the card describes, with the further inputs that it names. A single raster of a `uint8` graph
 * is handed over without a copy. Where the size of a raster depends on its photo, all are of one size.
 * @throws {CardMismatch} when a raster is not of the card's size, there is none, or more than the graph takes at once
 */
export function packRasters(rasters: readonly RgbRaster[], card: PixelInput): NamedTensors {
  const { name, type, batch } = card.input;
  if (rasters.length === 0 || (batch === 1 && rasters.length > 1)) {
    throw new CardMismatch(
      `${card.name}: expected ${batch === 1 ? 'one raster' : 'rasters'}, got ${rasters.length}`,
    );
  }
  const size: ImageSize = isFitOfPhoto(card.input.fit) ? rasters[0]! : card.input;
  for (const { width, height, data } of rasters) {
    if (width !== size.width || height !== size.height || data.length !== width * height * 3) {
      throw new CardMismatch(
        `${card.name}: expected rasters of ${size.width} x ${size.height}, got ${width} x ${height} with ${data.length} bytes`,
      );
    }
  }
  const inputs: Record<string, Tensor> = {
    [name]: type === 'uint8' ? packBytes(rasters, card, size) : packFloats(rasters, card, size),
  };
  for (const extra of card.input.extra ?? []) {
    inputs[extra.name] = packExtra(extra, rasters.length, size);
  }
  return inputs;
}

/** Pixels as they are. */
const BYTES = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } satisfies Partial<PixelInput['input']>;

function packBytes(
  rasters: readonly RgbRaster[],
  { name, input }: PixelInput,
  { width, height }: ImageSize,
): Tensor {
  const { layout, channels } = input;
  if (layout !== 'nhwc' || channels !== 'rgb') {
    const floats = packFloats(rasters, { name, input: { ...input, ...BYTES } }, { width, height });
    return { type: 'uint8', data: Uint8Array.from(floats.data as Float32Array), dims: floats.dims };
  }
  const dims = [rasters.length, height, width, 3];
  const [first] = rasters;
  if (rasters.length === 1 && first !== undefined) return { type: 'uint8', data: first.data, dims };
  const each = width * height * 3;
  const data = new Uint8Array(rasters.length * each);
  for (const [index, raster] of rasters.entries()) data.set(raster.data, index * each);
  return { type: 'uint8', data, dims };
}

function packFloats(
  rasters: readonly RgbRaster[],
  { input }: PixelInput,
  { width, height }: ImageSize,
): Tensor {
  const { layout, channels, scale, mean, std } = input;
  const area = width * height;
  const data = new Float32Array(rasters.length * area * 3);
  const [step, plane] = layout === 'nhwc' ? [3, 1] : [1, area];
  for (const [index, raster] of rasters.entries()) {
    for (let channel = 0; channel < 3; channel++) {
      const source = channels === 'rgb' ? channel : 2 - channel;
      const shade = new Float32Array(256);
      for (let value = 0; value < 256; value++) {
        shade[value] = (value * scale - mean[channel]!) / std[channel]!;
      }
      let to = index * area * 3 + channel * plane;
      for (let from = source; from < area * 3; from += 3, to += step) {
        data[to] = shade[raster.data[from]!]!;
      }
    }
  }
  const batch = rasters.length;
  const dims = {
    nchw: [batch, 3, height, width],
    nhwc: [batch, height, width, 3],
    chw: [3, height, width],
  };
  return { type: 'float32', data, dims: dims[layout] };
}

function packExtra(
  { type, holds, dims: fixed }: ExtraInput,
  batch: number,
  { width, height }: ImageSize,
): Tensor {
  const dims = holds === 'pixel-mask' ? [height, width] : fixed;
  const each = dims.reduce((product, size) => product * size, 1);
  const pair = holds === 'width-height' ? [width, height] : [height, width];
  const values = Array.from({ length: batch * each }, (_, index) =>
    holds === 'ones' || holds === 'pixel-mask' ? 1 : pair[index % 2]!,
  );
  return { type, data: numbersOf(type, values), dims: [batch, ...dims] };
}

/** Numbers as the elements of a tensor. */
export function numbersOf(type: ExtraInput['type'], values: readonly number[]): Tensor['data'] {
  if (type === 'int64') return BigInt64Array.from(values, BigInt);
  return type === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
}

type Encoding = Pick<DetectorCard['input'], 'channels' | 'scale' | 'mean' | 'std'>;

/** Ways in which detectors take pixels, by a name that `vgr models add --pixels` takes. */
export const PIXEL_ENCODINGS = {
  /** 0..1 */
  unit: { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
  /** 0..255 */
  byte: { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
  /** 0..1 less ImageNet's mean of red, green and blue, over its deviation. */
  imagenet: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  /** 0..1 less the mean of the photos that CLIP was trained on, over their deviation. */
  clip: {
    scale: 1 / 255,
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  },
  /** -1..1 */
  signed: { scale: 1 / 127.5, mean: [1, 1, 1], std: [1, 1, 1] },
} as const satisfies Record<string, Omit<Encoding, 'channels'>>;

export type PixelEncodingName = keyof typeof PIXEL_ENCODINGS;

export const PIXEL_ENCODING_NAMES = Object.keys(PIXEL_ENCODINGS) as PixelEncodingName[];

/** The encoding for channels in this order. */
export function pixelEncoding(name: PixelEncodingName, channels: 'rgb' | 'bgr'): Encoding {
  const { scale, mean, std } = PIXEL_ENCODINGS[name];
  const inOrder = ([r, g, b]: readonly [number, number, number]): [number, number, number] =>
    channels === 'rgb' ? [r, g, b] : [b, g, r];
  return { channels, scale, mean: inOrder(mean), std: inOrder(std) };
}

/** The encodings of detectors with labels of their own, in both orders of channels. */
export function pixelEncodings(): [PixelEncodingName, Encoding][] {
  return PIXEL_ENCODING_NAMES.filter((name) => name !== 'clip').flatMap((name) =>
    (['rgb', 'bgr'] as const).map((channels): [PixelEncodingName, Encoding] => [
      name,
      pixelEncoding(name, channels),
    ]),
  );
}
