import type { DetectorCard } from '../formats/model-card.js';
import type { FeatureMap } from './detection.js';
import type { NamedTensors } from './tensor.js';

/** A float32 output of a graph, over all photos of the batch. */
export interface Head {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** Names of the outputs with this role. @throws {RangeError} when the card names none */
export function outputsFor(card: DetectorCard, role: string): readonly string[] {
  const names = card.outputs[role];
  if (names === undefined) {
    throw new RangeError(
      `${card.name}: expected outputs of the role ${role}, got ${Object.keys(card.outputs).join(', ')}`,
    );
  }
  return names;
}

/**
 * The outputs with this role, in the card's order.
 * @param dims expected dimensions after the batch, null where any size will do
 * @throws {RangeError} when one is missing, no float32 tensor or of another shape
 */
export function headsFor(
  outputs: NamedTensors,
  card: DetectorCard,
  role: string,
  batch: number,
  dims: readonly (number | null)[],
): Head[] {
  return outputsFor(card, role).map((name) => {
    const tensor = outputs[name];
    const expected = [batch, ...dims];
    const fits =
      tensor?.data instanceof Float32Array &&
      tensor.dims.length === expected.length &&
      expected.every((size, axis) => size === null || size === tensor.dims[axis]);
    if (!fits) {
      const got = tensor ? `${tensor.type} [${tensor.dims}]` : 'nothing';
      throw new RangeError(
        `${card.name}, output ${name}: expected float32 [${expected.map((size) => size ?? 'any')}], got ${got}`,
      );
    }
    return { data: tensor.data as Float32Array, dims: tensor.dims };
  });
}

/** The part of a head that belongs to one photo of the batch, as a view. */
export function headOfPhoto({ data, dims }: Head, index: number): Float32Array {
  const each = data.length / dims[0]!;
  return data.subarray(index * each, (index + 1) * each);
}

/** The feature map of each photo, where the feature output was fetched. Each has a buffer of its own. */
export function featureMaps(
  outputs: NamedTensors,
  card: DetectorCard,
  batch: number,
): readonly (FeatureMap | undefined)[] {
  const name = card.outputs.features?.[0];
  if (name === undefined || outputs[name] === undefined) return new Array(batch).fill(undefined);
  const [head] = headsFor(outputs, card, 'features', batch, [null, null, null]);
  const [, channels, height, width] = head!.dims as [number, number, number, number];
  return Array.from({ length: batch }, (_, index) => ({
    data: headOfPhoto(head!, index).slice(),
    channels,
    height,
    width,
  }));
}
