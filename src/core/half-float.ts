/** IEEE 754 binary16 numbers, which no typed array of Node.js 20 holds, as the 16 bits of each. */

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The number of each of the 65,536 halves; made when first asked for. */
let numbers: Float32Array | undefined;

/** Bits of the numbers nearest to these, even ones between two; beyond 65504 infinite. */
export function toHalf(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = halfOf(values[i]!);
  return halves;
}

/** The numbers themselves: each half is a float32 too. */
export function fromHalf(halves: Uint16Array): Float32Array {
  numbers ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => numberOf(bits));
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = numbers[halves[i]!]!;
  return values;
}

function halfOf(value: number): number {
  FLOAT[0] = value;
  const bits = BITS[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // From half a step above the largest on.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const odd = (magnitude >>> 13) & 1;
    return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
  }
  // Below 2 ** -14 all steps are 2 ** -24.
  const steps = Math.abs(value) * 2 ** 24;
  const whole = Math.floor(steps);
  const rest = steps - whole;
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 === 1);
  return sign | (whole + (up ? 1 : 0));
}

function numberOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
