import type { TfConstant } from './graph-model.js';

/** Height and width of a feature map, and its channels. */
export interface MapSize {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/**
 * A convolution. `weights.dims` is [height, width, in, out], for a depthwise one [height, width, channels, 1]; padding is
 * TensorFlow's `SAME` or none.
 */
export interface ConvLayer {
  readonly kind: 'conv';
  readonly input: string;
  readonly weights: TfConstant;
  readonly bias: Float32Array | null;
  readonly depthwise: boolean;
  readonly stride: number;
  readonly same: boolean;
  readonly relu: boolean;
}

/** `scale * x * clip(slope * x + 0.5, 0, 1)`; slope is 1/6 and scale near 1, as the model's own constant 1/6 was rounded. */
export interface HardSwishLayer {
  readonly kind: 'hard-swish';
  readonly input: string;
  readonly scale: number;
  readonly slope: number;
}

/** `scale * clip(x / 6 + 0.5, 0, 1)` */
interface HardSigmoidLayer {
  readonly kind: 'hard-sigmoid';
  readonly input: string;
  readonly scale: number;
}

/** Element by element; `mean` is over the whole map and keeps height and width as 1. */
interface UnaryLayer {
  readonly kind: 'relu' | 'sigmoid' | 'mean';
  readonly input: string;
}

interface ScaleLayer {
  readonly kind: 'scale';
  readonly input: string;
  readonly factor: number;
}

/** One operand may be a map of one pixel, which stands for all pixels. */
interface BinaryLayer {
  readonly kind: 'add' | 'multiply';
  readonly inputs: readonly [string, string];
}

/** Channels of all inputs, one after the other. */
interface ConcatLayer {
  readonly kind: 'concat';
  readonly inputs: readonly string[];
}

/** Bilinear: pixel i of the output lies at i / factor of the input. */
interface ResizeLayer {
  readonly kind: 'resize';
  readonly input: string;
  readonly height: number;
  readonly width: number;
}

export type Layer =
  | ConvLayer
  | HardSwishLayer
  | HardSigmoidLayer
  | UnaryLayer
  | ScaleLayer
  | BinaryLayer
  | ConcatLayer
  | ResizeLayer;

/** Layers by the name of their output, in topological order. */
export interface Network {
  /** The name that stands for the photo. */
  readonly input: string;
  readonly layers: ReadonlyMap<string, Layer>;
  /** Names of layers, by the names that the finished graph gives them. */
  readonly outputs: Readonly<Record<string, string>>;
}

export function inputsOf(layer: Layer): readonly string[] {
  return 'inputs' in layer ? layer.inputs : [layer.input];
}

/** How many layers and outputs read each layer. */
export function readersOf({ layers, outputs }: Network): ReadonlyMap<string, number> {
  const readers = new Map<string, number>();
  const count = (name: string) => readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const layer of layers.values()) inputsOf(layer).forEach(count);
  Object.values(outputs).forEach(count);
  return readers;
}
