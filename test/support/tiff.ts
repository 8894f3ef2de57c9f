/** A picture for {@link tiffFile}. */
export interface TiffPicture {
  readonly width: number;
  readonly height: number;
  /** Bands. */
  readonly samples: number;
  /** Of each sample; 8 where absent. */
  readonly bits?: number;
  readonly sampleFormat?: number;
  /** 2, RGB, where absent. */
  readonly photometric?: number;
  /** 1, none, where absent; the pixels are written as they are. */
  readonly compression?: number;
  readonly extraSamples?: readonly number[];
  readonly isBigEndian?: boolean;
  /** Further tags, each of one SHORT. */
  readonly tags?: Readonly<Record<number, number>>;
  /** All samples, pixel by pixel. */
  readonly pixels: Uint8Array;
}

/** Writes a TIFF file of one strip with any tags. @see TIFF 6.0, section 2 */
export function tiffFile(picture: TiffPicture): Buffer {
  const { width, height, samples, bits = 8, sampleFormat = 1, pixels, isBigEndian } = picture;
  const [SHORT, LONG] = [3, 4];
  const start = 8;
  const perBand = (value: number) => new Array<number>(samples).fill(value);
  const entries: (readonly [tag: number, type: number, values: readonly number[]])[] = [
    [256, SHORT, [width]],
    [257, SHORT, [height]],
    [258, SHORT, perBand(bits)],
    [259, SHORT, [picture.compression ?? 1]],
    [262, SHORT, [picture.photometric ?? 2]],
    [273, LONG, [start]],
    [277, SHORT, [samples]],
    [278, SHORT, [height]],
    [279, LONG, [pixels.length]],
    [339, SHORT, perBand(sampleFormat)],
  ];
  if (picture.extraSamples) entries.push([338, SHORT, picture.extraSamples]);
  for (const [tag, value] of Object.entries(picture.tags ?? {})) {
    entries.push([Number(tag), SHORT, [value]]);
  }
  entries.sort(([a], [b]) => a - b);
  const directory = start + pixels.length + (pixels.length % 2);
  let free = directory + 2 + 12 * entries.length + 4;
  const file = Buffer.alloc(free + 1024);
  const word = (value: number, at: number, type: number): number => {
    if (type === SHORT) {
      return isBigEndian ? file.writeUInt16BE(value, at) : file.writeUInt16LE(value, at);
    }
    return isBigEndian ? file.writeUInt32BE(value, at) : file.writeUInt32LE(value, at);
  };
  file.write(isBigEndian ? 'MM' : 'II', 'latin1');
  word(42, 2, SHORT);
  word(directory, 4, LONG);
  file.set(pixels, start);
  word(entries.length, directory, SHORT);
  for (const [index, [tag, type, values]] of entries.entries()) {
    const entry = directory + 2 + 12 * index;
    const bytes = values.length * (type === SHORT ? 2 : 4);
    word(tag, entry, SHORT);
    word(type, entry + 2, SHORT);
    word(values.length, entry + 4, LONG);
    let at = entry + 8;
    if (bytes > 4) {
      word(free, at, LONG);
      at = free;
      free += bytes;
    }
    for (const value of values) at = word(value, at, type);
  }
  return file.subarray(0, free);
}
