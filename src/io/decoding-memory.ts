import { stat } from 'node:fs/promises';
import type { Metadata } from 'sharp';
import { quoted, VgrError } from '../formats/fault.js';
import { ByteBudget } from '../pipeline/byte-budget.js';

/** What photos that are being decoded may hold together. */
export interface DecodingMemory {
  readonly budget: ByteBudget;
  /** Refuse a photo that needs more than the whole budget; it is decoded alone otherwise. */
  readonly strict: boolean;
}

/** Of a file that is decoded row by row: lines of the decoder and of the shrinking behind it, per pixel of width. */
const ROW_BYTES = 8192;
/** Above this a file is not read before it is its turn. */
const LARGE_FILE_BYTES = 16 * 1024 * 1024;

/** The parts of the header that tell what decoding costs. */
export type DecodingHeader = Pick<Metadata, 'format' | 'width' | 'height' | 'isProgressive'>;

/**
 * Bytes that decoding takes at its peak, file included; that twice, since the one before it may wait for its garbage collection. A
 * JPEG and a PNG are read row by row unless they are progressive; the
 * other kinds are decoded whole, AVIF through several copies. Measured with libvips 8.18 on images of 12 to 80 megapixels and
 * rounded up; a JPEG with full colour planes is taken for granted.
 */
export function decodingBytes(header: DecodingHeader, fileBytes: number): number {
  const { format, width, height, isProgressive } = header;
  const perPixel = isProgressive ? 6 : PIXEL_BYTES[format ?? ''];
  const pixels = perPixel === undefined ? width * ROW_BYTES : width * height * perPixel;
  return 2 * fileBytes + pixels;
}

const PIXEL_BYTES: Readonly<Record<string, number>> = { gif: 8, webp: 4, heif: 20 };

/** A photo as far as its memory goes. */
interface WeighedPhoto {
  readonly path: string;
  readonly header: DecodingHeader;
  readonly fileBytes: number;
  /** Of pixels that stay until `work` is over. */
  readonly keptBytes?: number;
}

/**
 * Runs `work`, which decodes one photo, when there is room for it.
 * @throws VgrError IMAGE_TOO_LARGE where the photo alone needs more than may be held
 */
export function decodeWithin<Result>(
  memory: DecodingMemory | undefined,
  { path, header, fileBytes, keptBytes = 0 }: WeighedPhoto,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!memory) return work();
  const bytes = decodingBytes(header, fileBytes) + keptBytes;
  if (memory.strict && bytes > memory.budget.total) {
    throw tooLarge(path, `${mib(bytes)} to decode it`, memory);
  }
  return memory.budget.hold(bytes, work);
}

/**
 * Runs `work`, which reads a file and decodes it. A large file waits until nothing else is being decoded: its bytes are in memory
 * before its header is known.
 */
export async function readWithin<Result>(
  memory: DecodingMemory | undefined,
  path: string,
  work: (memory: DecodingMemory | undefined) => Promise<Result>,
): Promise<Result> {
  if (!memory || !(await isLarge(path))) return work(memory);
  const { budget, strict } = memory;
  // Inside the hold the whole budget is free again.
  const alone = { budget: new ByteBudget(budget.total), strict };
  return budget.hold(budget.total, () => work(alone));
}

/** A file that cannot be looked at is none: who opens it says why. */
async function isLarge(path: string): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  return there !== undefined && there.size > LARGE_FILE_BYTES;
}

function tooLarge(path: string, needs: string, { budget }: DecodingMemory): VgrError {
  return new VgrError(
    'IMAGE_TOO_LARGE',
    `${quoted(path)}: expected at most ${mib(budget.total)} for decoding, which \`--max-memory\` leaves; got ${needs}`,
    { hint: 'raise `--max-memory`, or leave it out, and run again with `--retry-failed`' },
  );
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
