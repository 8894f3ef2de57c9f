import type { ImageSize } from '../geometry/box.js';

/** The cells of one head: `rows x columns` of `stride` input pixels each, row by row. */
export interface GridLevel {
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
  /** Number of cells in the levels before this one. */
  readonly start: number;
}

/** The levels over an input of this size; sides that a stride does not divide are rounded up. */
export function gridLevels({ width, height }: ImageSize, strides: readonly number[]): GridLevel[] {
  let start = 0;
  return strides.map((stride) => {
    const rows = Math.ceil(height / stride);
    const columns = Math.ceil(width / stride);
    const level = { stride, rows, columns, start };
    start += rows * columns;
    return level;
  });
}

/** Cells of all levels together. */
export function cellCount(levels: readonly GridLevel[]): number {
  return levels.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}
