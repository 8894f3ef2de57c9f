import type { ParameterSet } from './adamw.js';

/** Euclidean norm over all values of all parameters, summed in double precision. NaN or infinite where a value is. */
export function globalNorm(gradients: ParameterSet): number {
  let squares = 0;
  for (const values of gradients.values()) {
    for (let i = 0; i < values.length; i++) squares += values[i]! * values[i]!;
  }
  return Math.sqrt(squares);
}

/**
 * The factor that brings a gradient of this norm down to at most `limit`; 1 where it is no longer than that.
 * @see Pascanu, Mikolov, Bengio 2013, arXiv 1211.5063
 */
export function clipScale(norm: number, limit: number): number {
  return norm > limit ? limit / norm : 1;
}
