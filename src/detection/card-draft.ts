import type { HubInput } from '../formats/hub-config.js';
import type { DetectorCard, DetectorFamilyName } from '../formats/model-card.js';
import type { ImageSize } from '../geometry/box.js';
import type { GraphInputs } from './graph-inputs.js';
import { type PixelEncodingName, pixelEncoding } from './pixel-encoding.js';
import type { Recognition } from './recognition.js';

/** How a family takes photos, as its own training configuration does it, and what becomes of its boxes. */
interface FamilyHabit {
  readonly size: number;
  readonly fit: DetectorCard['input']['fit'];
  readonly fill: number;
  readonly pixels: PixelEncodingName;
  readonly channels: 'rgb' | 'bgr';
  /** Below 0.05 where average precision on COCO still gains by it. */
  readonly minScore: number;
  readonly nmsIou: number | null;
}

const HABITS: Readonly<Record<DetectorFamilyName, FamilyHabit>> = {
  centernet: habit(512, 'stretch', 0, 'byte', 'rgb', 0.05, 0.7),
  'nanodet-plus': habit(416, 'stretch', 0, 'imagenet', 'bgr', 0.1, 0.6),
  picodet: habit(416, 'stretch', 0, 'imagenet', 'rgb', 0.1, 0.6),
  yolox: habit(640, 'letterbox', 114, 'byte', 'bgr', 0.02, 0.6),
  yolo: habit(640, 'letterbox-centre', 114, 'unit', 'rgb', 0.02, 0.7),
  detr: habit(640, 'stretch', 0, 'unit', 'rgb', 0.05, null),
  deim: habit(640, 'stretch', 0, 'unit', 'rgb', 0.05, null),
  ssd: habit(300, 'stretch', 0, 'byte', 'rgb', 0.05, null),
  'grounding-dino': habit(800, 'stretch', 0, 'imagenet', 'rgb', 0.1, null),
  owlv2: habit(960, 'letterbox', 128, 'clip', 'rgb', 0.05, null),
  owlvit: habit(768, 'stretch', 0, 'clip', 'rgb', 0.05, null),
};

/** NanoDet's own mean and deviation, of pixels in 0..255, blue first. */
const NANODET_PIXELS = {
  channels: 'bgr',
  scale: 1,
  mean: [103.53, 116.28, 123.675],
  std: [57.375, 57.12, 58.395],
} satisfies Partial<DetectorCard['input']>;

function habit(
  size: number,
  fit: FamilyHabit['fit'],
  fill: number,
  pixels: PixelEncodingName,
  channels: 'rgb' | 'bgr',
  minScore: number,
  nmsIou: number | null,
): FamilyHabit {
  return { size, fit, fill, pixels, channels, minScore, nmsIou };
}

/** What a draft is made from. */
export interface DraftFacts {
  readonly inputs: GraphInputs;
  readonly size: ImageSize;
  readonly hub?: HubInput | undefined;
  readonly pixels?: PixelEncodingName | undefined;
  readonly channels?: 'rgb' | 'bgr' | undefined;
}

/**
 * How photos go into a graph whose heads follow its sides, whatever its family does in training: more is found in them undistorted
 * (docs/models/centernet.md). Sides are multiples of 32; families with a stride of 64 round that map up.
 */
export const OWN_SHAPE = { fit: 'longer-side', fill: 114, multiple: 32 } as const;

/** The side of the raster where nothing tells it. */
export function habitualSize(family: DetectorFamilyName): number {
  return HABITS[family].size;
}

/** The `input` of a card. */
export function draftInput(
  { inputs: { image, extra }, size, hub, pixels, channels }: DraftFacts,
  recognised: Pick<Recognition, 'family' | 'classes' | 'outputs'>,
): DetectorCard['input'] {
  const { fit, fill, ...habits } = HABITS[recognised.family];
  const { name, type, layout, batch } = image;
  const order = channels ?? habits.channels;
  // Torchvision's graphs take 0..1 and normalise by themselves.
  const usual = layout === 'chw' ? 'unit' : habits.pixels;
  const own = ownPixels(recognised) ?? pixelEncoding(usual, order);
  const given = pixels && pixelEncoding(pixels, order);
  const beside = hub && {
    channels: order,
    scale: hub.scale,
    mean: [...hub.mean] as [number, number, number],
    std: [...hub.std] as [number, number, number],
  };
  const encoding = type === 'uint8' ? pixelEncoding('byte', 'rgb') : (given ?? beside ?? own);
  return {
    name,
    type,
    layout,
    width: size.width,
    height: size.height,
    batch,
    fit,
    fill,
    ...encoding,
    ...(extra.length > 0 && {
      extra: extra.map(({ dims, ...one }) => ({ ...one, dims: dims ?? [size.height, size.width] })),
    }),
  };
}

/** Pixels of models that differ from their family's habit. */
function ownPixels({
  family,
  classes,
  outputs,
}: Pick<Recognition, 'family' | 'classes' | 'outputs'>):
  | Pick<DetectorCard['input'], 'channels' | 'scale' | 'mean' | 'std'>
  | undefined {
  if (family === 'nanodet-plus') return NANODET_PIXELS as Required<typeof NANODET_PIXELS>;
  // DETR and RF-DETR number their classes by COCO's ids; RF-DETR's own export calls its outputs so.
  const isImagenet = classes === 91 || outputs.boxes?.[0] === 'dets';
  return family === 'detr' && isImagenet ? pixelEncoding('imagenet', 'rgb') : undefined;
}

/** The `decoding` of a card. */
export function draftDecoding(recognised: Recognition): DetectorCard['decoding'] {
  const { minScore, nmsIou } = HABITS[recognised.family];
  const { strides, boxes, activation, firstClass } = recognised;
  // Where the shape does not tell the number of classes, boxes come finished, one class each.
  const finished = recognised.classes === undefined;
  return {
    minScore,
    maxDetections: 100,
    nmsIou: finished ? null : nmsIou,
    strides: [...strides],
    ...(boxes && { boxes }),
    ...(activation && { activation }),
    ...(firstClass !== undefined && { firstClass }),
  };
}
