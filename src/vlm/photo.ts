import { lstatSync } from 'node:fs';
import sharp from 'sharp';
import type { ImageSize } from '../core/box.js';
import { type WriteOptions, writeFileAtomic } from '../core/files.js';
import { PromiseCache } from '../core/lru.js';
import { type OpenPhotoOptions, openPhoto } from '../photos/decode.js';

export type PictureFormat = 'jpeg' | 'png';

export interface PictureOptions extends OpenPhotoOptions {
  readonly format: PictureFormat;
}

/** Queries of one photo are near each other. */
const CAPACITY = 32;
/** Artefacts at this quality are as small as a photo's own; a higher quality sends half as many bytes again. */
const JPEG = { quality: 90 } as const;

/** Makes a photo a picture of that size, pixels, as a data URL. @throws VgrError as `openPhoto` */
export type PictureMaker = (photo: { readonly path: string }, size: ImageSize) => Promise<string>;

/** The last 32 pictures are kept, so that a photo is encoded once for its queries. */
export function pictureMaker(options: PictureOptions): PictureMaker {
  const urls = new PromiseCache<string>(CAPACITY);
  return ({ path }, { width, height }) =>
    urls.getOrMake(`${width} ${height} ${path}`, async () => {
      const bytes = await pictureOf(path, { width, height }, options);
      return `data:image/${options.format};base64,${bytes.toString('base64')}`;
    });
}

/**
 * Writes a photo as a picture of that size, unless the file is there.
 * @throws VgrError as `openPhoto`; DISK_FULL, OUTPUT_UNWRITABLE
 */
export async function savePicture(
  path: string,
  picture: ImageSize,
  target: string,
  { within, ...options }: PictureOptions & Pick<WriteOptions, 'within'>,
): Promise<void> {
  if (lstatSync(target, { throwIfNoEntry: false })?.isFile()) return;
  const bytes = await pictureOf(path, picture, options);
  await writeFileAtomic(target, [bytes], { within });
}

async function pictureOf(
  path: string,
  { width, height }: ImageSize,
  { format, ...limits }: PictureOptions,
): Promise<Buffer> {
  const spec = { width, height, fit: 'stretch', fill: 0 } as const;
  const { raster } = await openPhoto(path, spec, limits);
  const raw = { width: raster.width, height: raster.height, channels: 3 } as const;
  const image = sharp(raster.data, { raw });
  return (format === 'png' ? image.png() : image.jpeg(JPEG)).toBuffer();
}
