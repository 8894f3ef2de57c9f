const END_OF_IMAGE = Buffer.from([0xff, 0xd9]);
const START_OF_SCAN = 0xda;

/** Bits that mean something else than the zeros that a decoder reads behind the end. */
const OTHER_BITS = [0xfe, 0x6d].map((byte) => Buffer.alloc(16, byte));

/** A JPEG whose end mark was missing. */
export interface EndedJpeg {
  readonly ended: Buffer;
  /** The same with other bits between the file and the mark. */
  readonly followed: readonly Buffer[];
}

/**
 * A JPEG that breaks off before its end mark, with the mark: cameras, recorders and optimisers leave it out, write half of it, or
 * fill the file with zeros. The first copy is without such a rest, the second with it, since a last byte of the pixels may be
 * zero too. Empty where the file ends with its mark, or lacks a scan of one of its colours.
 */
export function endedJpegs(bytes: Buffer): EndedJpeg[] {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8 || !hasAllScans(bytes)) return [];
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0 || bytes[end - 1] === 0xff)) end -= 1;
  if (bytes[end - 2] === 0xff && bytes[end - 1] === END_OF_IMAGE[1]) return [];
  return [...new Set([end, bytes.length])].map((length) => {
    const start = bytes.subarray(0, length);
    return {
      ended: Buffer.concat([start, END_OF_IMAGE]),
      followed: OTHER_BITS.map((bits) => Buffer.concat([start, bits, END_OF_IMAGE])),
    };
  });
}

/** Number of scans of a JPEG, with those of previews in its metadata: compressed data never holds the marker. */
export function scansOf(bytes: Buffer): number {
  const marker = Buffer.from([0xff, START_OF_SCAN]);
  let count = 0;
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 2)) count += 1;
  return count;
}

/** A segment of a JPEG that has a length, with what follows it. */
interface Segment {
  readonly mark: number;
  readonly content: Buffer;
}

/** The segments of a JPEG; entropy-coded data between them is passed over. */
function* segmentsOf(bytes: Buffer): Generator<Segment> {
  for (let at = 2; at >= 0 && at + 4 <= bytes.length; ) {
    const mark = bytes[at + 1]!;
    const isAlone = mark < 0xc0 || mark === 0xff || (mark >= 0xd0 && mark <= 0xd9);
    if (bytes[at] !== 0xff || isAlone) {
      at = bytes.indexOf(0xff, at + 1);
    } else {
      const end = at + 2 + bytes.readUInt16BE(at + 2);
      yield { mark, content: bytes.subarray(at + 4, end) };
      at = end;
    }
  }
}

/** Marks C0 to CF begin a frame, but for those of tables and of an extension. */
const NO_FRAMES: ReadonlySet<number> = new Set([0xc4, 0xc8, 0xcc]);

/**
 * Whether every coefficient of every colour stands in a scan to its last bit: a file may break off between two scans, and the
 * decoder does not warn then.
 * @see ITU-T T.81, B.2.2 and B.2.3 for the headers of frames and scans, G.1 for progressive coding
 */
function hasAllScans(bytes: Buffer): boolean {
  /** By component, whether each of the 64 coefficients is there in full. */
  const whole = new Map<number, boolean[]>();
  let isProgressive = false;
  for (const { mark, content } of segmentsOf(bytes)) {
    if (mark <= 0xcf && !NO_FRAMES.has(mark)) {
      isProgressive = (mark & 3) === 2;
      for (let at = 6; at < content.length; at += 3) {
        whole.set(content[at]!, new Array<boolean>(64).fill(false));
      }
    } else if (mark === START_OF_SCAN) {
      const count = content[0] ?? 0;
      // Cameras write other numbers than 0, 63 and 0 into the one scan of a sequential file.
      const numbers = isProgressive ? content.subarray(1 + 2 * count) : [];
      const [first = 0, last = 63, bits = 0] = numbers;
      if ((bits & 0x0f) > 0) continue;
      for (let at = 1; at < 1 + 2 * count; at += 2)
        whole.get(content[at]!)?.fill(true, first, last + 1);
    }
  }
  return whole.size > 0 && [...whole.values()].every((coefficients) => coefficients.every(Boolean));
}
