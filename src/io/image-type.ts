/** Kinds of file that are told apart by their first bytes. */
export interface ImageType {
  /** With its article, for messages: `a PDF document`. */
  readonly name: string;
  /** True where the decoder takes it. */
  readonly readable: boolean;
}

/** Bytes from the start of a file that {@link imageTypeOf} looks at. */
const MAGIC_BYTES = 512;

interface Magic extends ImageType {
  readonly offset?: number;
  /** Latin-1. */
  readonly bytes: string;
}

/** @see the formats' own specifications; ISO/IEC 14496-12 for the brands after `ftyp` */
const MAGICS: readonly Magic[] = [
  { bytes: '\xff\xd8\xff', name: 'a JPEG image', readable: true },
  { bytes: '\x89PNG\r\n\x1a\n', name: 'a PNG image', readable: true },
  { bytes: 'GIF87a', name: 'a GIF image', readable: true },
  { bytes: 'GIF89a', name: 'a GIF image', readable: true },
  { bytes: 'WEBP', offset: 8, name: 'a WebP image', readable: true },
  { bytes: 'II*\0\x10\0\0\0CR', name: 'a Canon raw photo', readable: false },
  { bytes: 'II*\0', name: 'a TIFF image', readable: true },
  { bytes: 'MM\0*', name: 'a TIFF image', readable: true },
  { bytes: 'II+\0', name: 'a TIFF image', readable: true },
  { bytes: 'MM\0+', name: 'a TIFF image', readable: true },
  { bytes: 'ftypavif', offset: 4, name: 'an AVIF image', readable: true },
  { bytes: 'ftypavis', offset: 4, name: 'an AVIF image', readable: true },
  { bytes: 'ftypmif1', offset: 4, name: 'a HEIF image', readable: true },
  { bytes: 'ftyphei', offset: 4, name: 'a HEIC photo', readable: false },
  { bytes: 'ftyphev', offset: 4, name: 'a HEIC photo', readable: false },
  { bytes: 'ftypcrx', offset: 4, name: 'a Canon raw photo', readable: false },
  { bytes: 'ftyp', offset: 4, name: 'an MP4 or QuickTime film', readable: false },
  { bytes: 'BM', name: 'a BMP image', readable: false },
  { bytes: '\0\0\0\x0cjP', name: 'a JPEG 2000 image', readable: false },
  { bytes: '\0\0\0\x0cJXL', name: 'a JPEG XL image', readable: false },
  { bytes: '\xff\x0a', name: 'a JPEG XL image', readable: false },
  { bytes: '8BPS', name: 'a Photoshop document', readable: false },
  { bytes: '\0\0\x01\0', name: 'a Windows icon', readable: false },
  { bytes: '%PDF-', name: 'a PDF document', readable: false },
  { bytes: 'PK\x03\x04', name: 'a ZIP archive', readable: false },
  { bytes: '\x1f\x8b', name: 'a gzip file', readable: false },
  { bytes: '\x1aE\xdf\xa3', name: 'a Matroska or WebM film', readable: false },
  { bytes: 'RIFF', name: 'a RIFF film or sound', readable: false },
  { bytes: '\x7fELF', name: 'a program', readable: false },
  { bytes: 'version https://git-lfs', name: 'a Git LFS pointer', readable: false },
];

/** Says what a file is by its first {@link MAGIC_BYTES} bytes, never by its name. */
export function imageTypeOf(start: Uint8Array): ImageType {
  if (start.length === 0) return { name: 'an empty file', readable: false };
  const head = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, MAGIC_BYTES));
  const text = head.toString('latin1');
  const magic = MAGICS.find(({ bytes, offset = 0 }) => text.startsWith(bytes, offset));
  if (magic) return { name: magic.name, readable: magic.readable };
  return { name: markupOf(text) ?? plainOf(head), readable: false };
}

function markupOf(text: string): string | undefined {
  const start = text
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  if (start.startsWith('<!doctype html') || start.startsWith('<html')) return 'an HTML page';
  if (/^(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg[\s>]/s.test(start)) {
    return 'an SVG drawing';
  }
  if (start.startsWith('<?xml') || start.startsWith('<')) return 'an XML document';
  return undefined;
}

function plainOf(head: Buffer): string {
  const allZero = head.every((byte) => byte === 0);
  if (allZero) return 'a file of zero bytes';
  const control = head.some((byte) => byte < 9 || (byte > 13 && byte < 32));
  return control ? 'a file of unknown type' : 'a text file';
}
