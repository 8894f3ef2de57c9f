import { PIXEL_ENCODINGS, type PixelEncodingName } from '../detect/packing.js';
import type { EncoderFamilyName } from '../formats/encoder-card.js';
import type { DetectorCard, GraphFamilyName } from '../formats/model-card.js';

/** How a family takes photos, as its own training configuration does it, and what becomes of its boxes. */
export interface DetectorHabit {
  /** Side of the raster where nothing tells it. */
  readonly size: number;
  readonly fit: DetectorCard['input']['fit'];
  readonly fill: number;
  readonly pixels: PixelEncodingName;
  readonly channels: 'rgb' | 'bgr';
  /** Below 0.05 where average precision on COCO still gains by it. */
  readonly minScore: number;
  readonly nmsIou: number | null;
  /** Most tokens of a prompt that upstream's models read. */
  readonly tokens?: number;
}

const PLAIN = {
  fit: 'stretch',
  fill: 0,
  pixels: 'unit',
  channels: 'rgb',
  minScore: 0.05,
  nmsIou: null,
} as const;

export const DETECTOR_HABITS: Readonly<Record<GraphFamilyName, DetectorHabit>> = {
  centernet: { ...PLAIN, size: 512, pixels: 'byte', nmsIou: 0.7 },
  'nanodet-plus': {
    ...PLAIN,
    size: 416,
    pixels: 'imagenet',
    channels: 'bgr',
    minScore: 0.1,
    nmsIou: 0.6,
  },
  picodet: { ...PLAIN, size: 416, pixels: 'imagenet', minScore: 0.1, nmsIou: 0.6 },
  yolox: {
    ...PLAIN,
    size: 640,
    fit: 'letterbox',
    fill: 114,
    pixels: 'byte',
    channels: 'bgr',
    minScore: 0.02,
    nmsIou: 0.6,
  },
  yolo: { ...PLAIN, size: 640, fit: 'letterbox-centre', fill: 114, minScore: 0.02, nmsIou: 0.7 },
  detr: { ...PLAIN, size: 640 },
  deim: { ...PLAIN, size: 640 },
  ssd: { ...PLAIN, size: 300, pixels: 'byte' },
  'grounding-dino': { ...PLAIN, size: 800, pixels: 'imagenet', minScore: 0.1, tokens: 256 },
  owlv2: { ...PLAIN, size: 960, fit: 'letterbox', fill: 128, pixels: 'clip', tokens: 16 },
  owlvit: { ...PLAIN, size: 768, pixels: 'clip', tokens: 16 },
};

/** NanoDet's own mean and deviation, of pixels in 0..255, blue first. */
export const NANODET_PIXELS: Pick<DetectorCard['input'], 'channels' | 'scale' | 'mean' | 'std'> = {
  channels: 'bgr',
  scale: 1,
  mean: [103.53, 116.28, 123.675],
  std: [57.375, 57.12, 58.395],
};

/**
 * How photos go into a graph whose heads follow its sides, whatever its family does in training: more is found in them undistorted
 * (docs/models/centernet.md). Sides are multiples of 32; families with a stride of 64 round that map up.
 */
export const OWN_SHAPE = { fit: 'longer-side', fill: 114, multiple: 32 } as const;

/** Sides of the photos that Grounding DINO was trained on. */
export const GROUNDING_SIDES = { shorter: 800, longer: 1333 };

/**
 * How families of encoders take crops and texts; `length` is the most tokens of a text. Scales and biases are those of OpenAI's
 * models and of SigLIP B/16, 224 x 224.
 */
export const ENCODER_HABITS = {
  clip: {
    mean: PIXEL_ENCODINGS.clip.mean,
    std: PIXEL_ENCODINGS.clip.std,
    fit: 'letterbox-centre',
    fill: 118,
    length: 77,
    padded: false,
    padToken: '<|endoftext|>',
    match: { scale: 100, bias: null },
  },
  siglip: {
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
    fit: 'stretch',
    fill: 0,
    length: 64,
    padded: true,
    padToken: '</s>',
    match: { scale: 117.330765, bias: -12.932437 },
  },
} as const satisfies Record<EncoderFamilyName, object>;
