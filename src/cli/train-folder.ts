import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted, VgrError } from '../formats/fault.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { lockOutput, type OutputLock } from '../io/output-lock.js';
import type { Parameter } from '../tensor/expression.js';
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from '../training/checkpoint.js';
import { type CurvePoint, curveSvg } from '../training/curve.js';

/** The folder of `train-lite --output`: a checkpoint a member, the curve, and in the end the refiner with its card. */
export class TrainFolder {
  readonly path: string;
  readonly #lock: OutputLock;
  readonly #anew: boolean;

  private constructor(path: string, lock: OutputLock, anew: boolean) {
    this.path = path;
    this.#lock = lock;
    this.#anew = anew;
  }

  /** @throws VgrError OUTPUT_BUSY, OUTPUT_UNWRITABLE, DISK_FULL */
  static async open(path: string, options: { readonly anew: boolean }): Promise<TrainFolder> {
    return new TrainFolder(path, await lockOutput(path), options.anew);
  }

  close(): Promise<void> {
    return this.#lock.release();
  }

  /**
   * Where an earlier run left a member; undefined where there is nothing.
   * @throws VgrError OUTPUT_MISMATCH where the run had other settings or data, INPUT_INVALID where the file is damaged
   */
  async checkpoint(
    member: number,
    key: string,
    parameters: readonly Parameter[],
  ): Promise<Checkpoint | undefined> {
    const path = this.#checkpointPath(member);
    if (!existsSync(path)) return undefined;
    if (this.#anew) {
      await rm(path);
      return undefined;
    }
    const found = readCheckpoint(await readFile(path), path, parameters);
    if (found?.key === key) return found;
    throw new VgrError(
      'OUTPUT_MISMATCH',
      `${quoted(path)}: expected a training with the same settings and queries, got another one's`,
      { hint: 'name another folder, or start anew in this one with `--no-resume`' },
    );
  }

  /** @throws VgrError OUTPUT_UNWRITABLE, DISK_FULL */
  async save(member: number, checkpoint: Checkpoint): Promise<void> {
    await this.write(`checkpoint-${member}.bin`, encodeCheckpoint(checkpoint));
  }

  /** @throws VgrError OUTPUT_UNWRITABLE, DISK_FULL */
  async writeCurve(points: readonly CurvePoint[]): Promise<void> {
    const lines = points.map((point) => `${JSON.stringify(point)}\n`).join('');
    await this.write('curve.jsonl', lines);
    await this.write('curve.svg', curveSvg(points));
  }

  /** @throws VgrError OUTPUT_UNWRITABLE, DISK_FULL */
  write(name: string, content: string | Uint8Array): Promise<void> {
    return writeFileAtomic(join(this.path, name), [content]);
  }

  #checkpointPath(member: number): string {
    return join(this.path, `checkpoint-${member}.bin`);
  }
}

/** Undefined where the sizes of the network are others. */
function readCheckpoint(
  bytes: Uint8Array,
  path: string,
  parameters: readonly Parameter[],
): Checkpoint | undefined {
  try {
    return decodeCheckpoint(bytes, parameters);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    if (text.includes('other sizes')) return undefined;
    throw new VgrError('INPUT_INVALID', `${quoted(path)}: ${text}`, {
      hint: 'start anew with `--no-resume`',
      cause,
    });
  }
}
