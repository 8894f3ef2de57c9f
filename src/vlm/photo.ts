import sharp from 'sharp';
import type { ImageSize } from '../core/box.js';
import { fileExists, writeFileAtomic } from '../core/files.js';
import type { RgbRaster } from '../core/raster.js';
import { type DecodingMemory, openPhoto } from '../photos/decode.js';

export type PictureFormat = 'jpeg' | 'png';

export interface PictureOptions {
  readonly format: PictureFormat;
  /** Most pixels that a file may declare. */
  readonly maxPixels: number;
  readonly memory?: DecodingMemory | undefined;
}

/** Pictures kept at hand: queries of one photo lie near each other. */
const CAPACITY = 32;
/** Artefacts at this quality are of the size of a photo's own; a higher one sends half as many bytes again. */
const JPEG = { quality: 90 } as const;

/**
 * Makes pictures of photos as data URLs. The last 32 are kept, so that a photo is encoded once for its queries; failed ones
 * are not.
 */
export class PictureMaker {
  readonly #options: PictureOptions;
  readonly #urls = new Map<string, Promise<string>>();

  constructor(options: PictureOptions) {
    this.#options = options;
  }

  /**
   * @param picture size of the picture, pixels; the photo is stretched to it
   * @throws VgrError as `openPhoto`
   */
  url(path: string, picture: ImageSize): Promise<string> {
    const key = `${picture.width} ${picture.height} ${path}`;
    const known = this.#urls.get(key);
    if (known) {
      // Moves it to the young end: a Map keeps the order of insertion.
      this.#urls.delete(key);
      this.#urls.set(key, known);
      return known;
    }
    const url = this.#make(path, picture);
    url.catch(() => this.#urls.delete(key));
    this.#urls.set(key, url);
    if (this.#urls.size > CAPACITY) this.#urls.delete(this.#urls.keys().next().value!);
    return url;
  }

  async #make(path: string, picture: ImageSize): Promise<string> {
    const bytes = await pictureOf(path, picture, this.#options);
    return `data:image/${this.#options.format};base64,${bytes.toString('base64')}`;
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
  return encode(raster, format);
}

async function encode({ data, width, height }: RgbRaster, format: PictureFormat): Promise<Buffer> {
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  return (format === 'png' ? image.png() : image.jpeg(JPEG)).toBuffer();
}
