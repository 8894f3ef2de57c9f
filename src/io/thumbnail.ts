import sharp from 'sharp';
import type { ImageSize } from '../geometry/box.js';
import { DEFAULT_MAX_PIXELS, readPhotoFile } from './photo-decoder.js';

/** A small upright copy of a photo as a JPEG data URL, and the size of the whole photo. */
export interface Thumbnail {
  readonly dataUrl: string;
  readonly size: ImageSize;
}

/**
 * @param longSide of the copy, pixels; a smaller photo keeps its size
 * @throws VgrError IMAGE_MISSING, IMAGE_UNSUPPORTED, IMAGE_UNREADABLE
 */
export async function photoThumbnail(path: string, longSide: number): Promise<Thumbnail> {
  const photo = sharp(await readPhotoFile(path), { limitInputPixels: DEFAULT_MAX_PIXELS });
  const { autoOrient } = await photo.metadata();
  const jpeg = await photo
    .autoOrient()
    .resize(longSide, longSide, { fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#fff' })
    .jpeg({ quality: 72, mozjpeg: true })
    .toBuffer();
  return {
    dataUrl: `data:image/jpeg;base64,${jpeg.toString('base64')}`,
    size: { width: autoOrient.width, height: autoOrient.height },
  };
}
