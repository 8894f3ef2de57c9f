import { z } from 'zod';

/** What cards of more than one kind hold. */

export const text = z.string().min(1);
export const positiveInteger = z.int().positive();
export const fraction = z.number().min(0).max(1);
const triple = z.tuple([z.number(), z.number(), z.number()]);
/** Longest side of a raster: a graph that leaves its size open takes 800 MB for the pixels of such a square. */
const LONGEST_SIDE = 8192;
const side = positiveInteger.max(LONGEST_SIDE);
/** Size of the raster that a graph takes; `any`: the batch dimension is free; 1: one picture a run. */
export const rasterShape = {
  width: side,
  height: side,
  batch: z.union([z.literal('any'), z.literal(1)]),
};
/** How pixels go in: the grey level of borders, the order of the channels, and `(pixel * scale - mean[c]) / std[c]`. */
export const rasterValues = {
  fill: z.int().min(0).max(255),
  channels: z.enum(['rgb', 'bgr']),
  scale: z.number().positive(),
  mean: triple,
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]),
};
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A file in the card's folder. */
export const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** A model's name: a folder's, and what `--detector` takes. */
export const CARD_NAME = /^[a-z0-9][a-z0-9._-]*$/;

/** Hosts of this machine: what goes to them does not cross a network, so it needs no encryption. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether weights may be loaded from there: over https, or from this very machine. */
export function isSafeAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}

const relativePath = z.string().regex(/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/);

/**
 * Where the weights come from: a file of an npm package, from which the build makes them; an address; a file of a repository
 * of the Hugging Face hub at a commit; or a file of the user's own.
 */
export const source = z.union([
  z.strictObject({ package: text, version: text, path: text }),
  z.strictObject({ url: z.string().refine(isSafeAddress, 'an https address'), revision: text }),
  z.strictObject({
    hub: z.string().regex(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/),
    revision: z.string().regex(/^[\w][\w.-]*$/),
    path: relativePath,
  }),
  z.strictObject({ added: text }),
]);

/** Whether the file is to be had from a network. */
export function isRemote(place: z.output<typeof source>): boolean {
  return 'url' in place || 'hub' in place;
}

/** Files beside a graph to which it moved its weights. */
export const external = z.array(z.strictObject({ file: fileName, sha256, bytes: positiveInteger }));

/** A file beside the weights, such as a tokeniser. `sha256` and `bytes` may be absent like those of the weights. */
export const furtherFile = z.strictObject({
  file: fileName,
  sha256: sha256.optional(),
  bytes: positiveInteger.optional(),
  /** Where the source keeps it: in the hub's repository, or relative to the address of the weights; `file` where absent. */
  path: relativePath.optional(),
});

export type FurtherFile = Readonly<z.output<typeof furtherFile>>;
