import {
  type BoxCxcywh,
  type BoxXyxy,
  cxcywhToXyxy,
  type ImageSize,
  scaleXyxy,
} from '../core/box.js';
import type { DetectorCard } from '../formats/model-card.js';
import { CardMismatch, type NamedTensors, type Tensor } from './family.js';

/** What a graph gives for a batch of photos (or prompts), and the card that says what it holds. */
export interface GraphOutputs {
  readonly outputs: NamedTensors;
  readonly card: DetectorCard;
  readonly batch: number;
}

/** A float32 output of a graph, over all photos of the batch. */
export interface Head {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** Names of the outputs with this role. @throws {CardMismatch} when the card names none */
export function outputsFor(card: DetectorCard, role: string): readonly string[] {
  const names = card.outputs[role];
  if (names === undefined) {
    throw new CardMismatch(
      `${card.name}: expected outputs of the role ${role}, got ${Object.keys(card.outputs).join(', ')}`,
    );
  }
  return names;
}

/**
 * The outputs with this role, in the card's order.
 * @param dims expected dimensions after the batch, null where any size will do
 * @throws {CardMismatch} when one is missing, no float32 tensor or of another shape
 */
export function headsFor(
  { outputs, card, batch }: GraphOutputs,
  role: string,
  dims: readonly (number | null)[],
): Head[] {
  return outputsFor(card, role).map((name) => {
    const tensor = outputs[name];
    const expected = [batch, ...dims];
    if (!(tensor?.data instanceof Float32Array) || !hasDims(tensor, expected)) {
      throw mismatch(card, name, `float32 ${dimsText(expected)}`, tensor);
    }
    return { data: tensor.data, dims: tensor.dims };
  });
}

/** The one output with this role; see {@link headsFor}. */
export function headFor(
  outputs: GraphOutputs,
  role: string,
  dims: readonly (number | null)[],
): Head {
  return headsFor(outputs, role, dims)[0]!;
}

/**
 * The one output with this role as `width` numbers for each of a photo's rows: [batch, rows * width], whatever its number
 * type. With a batch of one the graph may leave that dimension out.
 * @param rows expected rows of each photo, null where any number will do
 * @returns `length` values for each photo, and a function for those of one photo
 * @throws {CardMismatch} when it is missing or of another shape
 */
export function columnFor(
  { outputs, card, batch }: GraphOutputs,
  role: string,
  rows: number | null,
  width = 1,
) {
  const name = outputsFor(card, role)[0]!;
  const tensor = outputs[name];
  const inner = width === 1 ? [rows] : [rows, width];
  const shapes = [[batch, ...inner], ...(batch === 1 ? [inner] : [])];
  // One number a photo may come as [batch, 1], and so may rows of one number.
  if (width === 1) shapes.push([batch, ...inner, 1]);
  if (tensor === undefined || !shapes.some((shape) => hasDims(tensor, shape))) {
    throw mismatch(card, name, dimsText([batch, ...inner]), tensor);
  }
  const { data } = tensor;
  const length = data.length / batch;
  return {
    length,
    ofPhoto: (index: number): ArrayLike<number> => {
      const part = data.subarray(index * length, (index + 1) * length);
      return part instanceof BigInt64Array ? Float64Array.from(part, Number) : part;
    },
  };
}

function hasDims({ dims }: Tensor, expected: readonly (number | null)[]): boolean {
  return (
    dims.length === expected.length &&
    expected.every((size, axis) => size === null || size === dims[axis])
  );
}

/** The output with this role is not as expected. */
export function roleMismatch(
  { outputs, card }: GraphOutputs,
  role: string,
  expected: string,
): CardMismatch {
  const name = outputsFor(card, role)[0]!;
  return mismatch(card, name, expected, outputs[name]);
}

function mismatch(
  card: DetectorCard,
  name: string,
  expected: string,
  tensor: Tensor | undefined,
): CardMismatch {
  const got = tensor ? `${tensor.type} [${tensor.dims}]` : 'nothing';
  return new CardMismatch(`${card.name}, output ${name}: expected ${expected}, got ${got}`);
}

function dimsText(dims: readonly (number | null)[]): string {
  return `[${dims.map((size) => size ?? 'any')}]`;
}

/** The part of a head that belongs to one photo of the batch, as a view. */
export function headOfPhoto({ data, dims }: Head, index: number): Float32Array {
  const each = data.length / dims[0]!;
  return data.subarray(index * each, (index + 1) * each);
}

/** Four numbers from `at` on, as centre and size. */
export function cxcywhAt(values: ArrayLike<number>, at: number): BoxCxcywh {
  return { cx: values[at]!, cy: values[at + 1]!, width: values[at + 2]!, height: values[at + 3]! };
}

/** Four numbers from `at` on, as centre and size in units of the raster. */
export function unitBoxAt(values: Float32Array, at: number, raster: ImageSize): BoxXyxy {
  return scaleXyxy(cxcywhToXyxy(cxcywhAt(values, at)), raster.width, raster.height);
}

/** Four numbers from `at` on, as corners. */
export function xyxyAt(values: ArrayLike<number>, at: number): BoxXyxy {
  return { x1: values[at]!, y1: values[at + 1]!, x2: values[at + 2]!, y2: values[at + 3]! };
}
