import sharp from 'sharp';
import type { ImageSize } from '../core/box.js';
import { fileExists, writeFileAtomic } from '../core/files.js';
import { PromiseCache } from '../core/lru.js';
import { type DecodingMemory, openPhoto } from '../photos/decode.js';

export type PictureFormat = 'jpeg' | 'png';

export interface PictureOptions {
  readonly format: PictureFormat;
  /** Most pixels that a file may declare. */
  readonly maxPixels: number;
  readonly memory?: DecodingMemory;
}

/** Pictures that are kept: queries of one photo lie near each other. */
const CAPACITY = 32;
/** Artefacts at this quality are of the size of a photo's own; a higher one sends half as many bytes again. */
const JPEG = { quality: 90 } as const;

/** Makes pictures of photos as data URLs. The last 32 are kept, so that a photo is encoded once for its queries. */
export class PictureMaker {
  readonly #options: PictureOptions;
  readonly #urls = new PromiseCache<string>(CAPACITY);

  constructor(options: PictureOptions) {
    this.#options = options;
  }

  /**
   * @param picture size of the picture, pixels; the photo is stretched to it
   * @throws VgrError as `openPhoto`
   */
  url(path: string, picture: ImageSize): Promise<string> {
    const key = `${picture.width} ${picture.height} ${path}`;
    return this.#urls.getOrMake(key, async () => {
      const bytes = await pictureOf(path, picture, this.#options);
      return `data:image/${this.#options.format};base64,${bytes.toString('base64')}`;
    });
  }
}

/**
 * Writes a photo as a picture of that size, unless the file is there.
 * @throws VgrError as `openPhoto`; DISK_FULL, OUTPUT_UNWRITABLE
 */
export async function savePicture(
  path: string,
  picture: ImageSize,
  target: string,
  options: PictureOptions,
): Promise<void> {
  if (fileExists(target)) return;
  const bytes = await pictureOf(path, picture, options);
  await writeFileAtomic(target, [bytes]);
}

async function pictureOf(
  path: string,
  { width, height }: ImageSize,
  { format, maxPixels, memory }: PictureOptions,
): Promise<Buffer> {
  const spec = { width, height, fit: 'stretch', fill: 0 } as const;
  const { raster } = await openPhoto(path, spec, { maxPixels, memory });
  const raw = { width: raster.width, height: raster.height, channels: 3 } as const;
  const image = sharp(raster.data, { raw });
  return (format === 'png' ? image.png() : image.jpeg(JPEG)).toBuffer();
}
