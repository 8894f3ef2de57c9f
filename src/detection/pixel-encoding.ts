import type { DetectorCard } from '../formats/model-card.js';

type Encoding = Pick<DetectorCard['input'], 'channels' | 'scale' | 'mean' | 'std'>;

/** ImageNet's mean and deviation of red, green and blue, of pixels in 0..1. */
const IMAGENET = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
} as const;

/** CLIP's, of the photos that it was trained on. */
const CLIP = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

/** Ways in which detectors take pixels, by a name that `vgr models add --pixels` takes. */
export const PIXEL_ENCODINGS = {
  /** 0..1 */
  unit: { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
  /** 0..255 */
  byte: { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
  /** 0..1 less ImageNet's mean, over its deviation. */
  imagenet: { scale: 1 / 255, mean: [...IMAGENET.mean], std: [...IMAGENET.std] },
  /** 0..1 less CLIP's mean, over its deviation. */
  clip: { scale: 1 / 255, mean: [...CLIP.mean], std: [...CLIP.std] },
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
