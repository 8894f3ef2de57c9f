import { quoted, VgrError } from '../formats/fault.js';

/** A lower bound on one metric: `--fail-under accuracy=0.6`. */
export interface Gate {
  readonly metric: string;
  readonly least: number;
}

/** A gate that a run misses. */
export interface MissedGate extends Gate {
  /** Null where the metric is not defined, which misses every gate. */
  readonly got: number | null;
}

/**
 * Reads `accuracy=0.6,ccr=0.3`.
 * @throws VgrError USAGE for anything else
 */
export function parseGates(text: string): Gate[] {
  return text.split(',').map((part) => {
    const match = /^\s*([\w@.]+)\s*=\s*(-?\d+(?:\.\d+)?)\s*$/.exec(part);
    if (match) return { metric: match[1]!, least: Number(match[2]) };
    throw new VgrError('USAGE', `gate: expected METRIC=NUMBER, got ${quoted(part)}`, {
      hint: 'several are given as `--fail-under accuracy=0.6,ccr=0.3`',
    });
  });
}

/**
 * The gates whose metric is below its bound or not defined.
 * @throws VgrError USAGE for a metric that the run does not have
 */
export function missedGates(
  gates: readonly Gate[],
  metrics: Readonly<Record<string, number | null | undefined>>,
): MissedGate[] {
  return gates.flatMap((gate) => {
    const got = Object.hasOwn(metrics, gate.metric) ? metrics[gate.metric] : undefined;
    if (got === undefined) {
      throw new VgrError('USAGE', `gate: there is no metric ${quoted(gate.metric)}`, {
        hint: `metrics of this run: ${Object.keys(metrics).join(', ')}`,
      });
    }
    return got === null || got < gate.least ? [{ ...gate, got }] : [];
  });
}
