import { z } from 'zod';

/** What the files beside a model of the Hugging Face hub say of its input. */
export interface HubInput {
  readonly width?: number;
  readonly height?: number;
  /** Lengths that the shorter side is brought to and that the longer one keeps below, where the size hangs on the photo. */
  readonly sides?: { readonly shorter: number; readonly longer: number };
  /** As a card's `input` has them. */
  readonly scale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const size = z.int().positive();
const triple = z.tuple([z.number(), z.number(), z.number()]);

const preprocessor = z.object({
  size: z
    .union([
      size,
      z.object({
        width: size.optional(),
        height: size.optional(),
        shortest_edge: size.optional(),
        longest_edge: size.optional(),
      }),
    ])
    .optional(),
  do_rescale: z.boolean().optional(),
  rescale_factor: z.number().positive().optional(),
  do_normalize: z.boolean().optional(),
  image_mean: triple.optional(),
  image_std: triple.optional(),
});

/**
 * Size and normalisation in a `preprocessor_config.json`; undefined where it says nothing that can be read. A model that
 * takes the shorter side to a length is given a square of it.
 */
export function parsePreprocessor(json: unknown): HubInput | undefined {
  const result = preprocessor.safeParse(json);
  if (!result.success) return undefined;
  const { size, do_rescale, rescale_factor, do_normalize, image_mean, image_std } = result.data;
  const edge = typeof size === 'number' ? size : size?.shortest_edge;
  const width = typeof size === 'object' ? (size.width ?? edge) : edge;
  const height = typeof size === 'object' ? (size.height ?? edge) : edge;
  const sides =
    typeof size === 'object' ? sidesOf(size.shortest_edge, size.longest_edge) : undefined;
  const normalised = do_normalize !== false && image_mean !== undefined && image_std !== undefined;
  return {
    ...(width !== undefined && { width }),
    ...(height !== undefined && { height }),
    ...(sides && { sides }),
    scale: do_rescale === false ? 1 : (rescale_factor ?? 1 / 255),
    mean: normalised ? image_mean : [0, 0, 0],
    std: normalised ? image_std : [1, 1, 1],
  };
}

function sidesOf(shorter: number | undefined, longer: number | undefined): HubInput['sides'] {
  return shorter === undefined || longer === undefined ? undefined : { shorter, longer };
}
