/**
 * A black JPEG of almost no bytes that is decoded in very many scans: each coefficient of each component comes bit by bit, as
 * the standard allows. It has 2^14 blocks or more. @see ITU-T T.81, annexes B and G
 */
export function slowJpeg(width: number, height: number, scans: number): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const components = [1, 2, 3];
  const segment = (marker: number, ...content: readonly number[]): number[] => [
    ...[0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255],
    ...content,
  ];
  const both = (value: number): number[] => [value >> 8, value & 255];
  const codes = (kind: number, symbol: number): number[] => [kind, 1, ...Array(15).fill(0), symbol];
  const head = [
    ...[0xff, 0xd8],
    ...segment(0xdb, 0, ...Array(64).fill(1)),
    ...segment(
      0xc2,
      8,
      ...both(height),
      ...both(width),
      3,
      ...components.flatMap((id) => [id, 0x11, 0]),
    ),
    ...segment(0xc4, ...codes(0x00, 0)),
    // Runs of 2^14 and more blocks without a coefficient.
    ...segment(0xc4, ...codes(0x10, 0xe0)),
    ...segment(0xda, 3, ...components.flatMap((id) => [id, 0x00]), 0, 0, 0),
  ];
  const parts = [Buffer.from(head), Buffer.alloc(Math.ceil((3 * blocks) / 8))];
  let left = scans - 1;
  for (const id of components) {
    for (let coefficient = 1; coefficient < 64; coefficient++) {
      for (let bit = 13; bit >= 0; bit--) {
        if (left-- <= 0) continue;
        const approximation = ((bit === 13 ? 0 : bit + 1) << 4) | bit;
        const start = segment(0xda, 1, id, 0x00, coefficient, coefficient, approximation);
        parts.push(Buffer.from([...start, ...emptyScan(blocks)]));
      }
    }
  }
  return Buffer.concat([...parts, Buffer.from([0xff, 0xd9])]);
}

/** Runs of empty blocks: a code of one bit, then the length of the run beyond 2^14 in 14 bits. */
function emptyScan(blocks: number): number[] {
  const runs = Math.ceil(blocks / (2 ** 15 - 1));
  let bits = '';
  for (let run = 0; run < runs; run++) {
    const length = Math.floor((blocks * (run + 1)) / runs) - Math.floor((blocks * run) / runs);
    bits += `0${(length - 2 ** 14).toString(2).padStart(14, '0')}`;
  }
  const bytes = bits.match(/.{1,8}/g)!.map((each) => Number.parseInt(each.padEnd(8, '1'), 2));
  return bytes.flatMap((byte) => (byte === 0xff ? [byte, 0] : [byte]));
}
