/** Keys as `vgr eval --json` writes them; fractions in [0, 1] but for the four in [-1, 1]. A rate over nothing is null. */
export interface RefinementMetrics {
  readonly total: number;
  /** Share with a final IoU above 0.5. */
  readonly accuracy: number | null;
  readonly tool_accuracy: number | null;
  readonly mean_iou: number | null;
  readonly tool_mean_iou: number | null;
  /** Critical correction rate: of those the tool got wrong, the share that is finally right. */
  readonly ccr: number | null;
  /** Of those the tool got right, the share with a better box. */
  readonly refinement_rate: number | null;
  /** Of those the tool got right, the share with an equal box. */
  readonly follow_correct_rate: number | null;
  /** Share of all with a worse box. */
  readonly worsen_rate: number | null;
  /** Of the finally wrong, the share where the tool was wrong and its IoU stayed. */
  readonly inherited_error_rate: number | null;
  /** [-1, 1] */
  readonly mean_iou_delta: number | null;
  /** Mean signed relative IoU, [-1, 1]. */
  readonly nsri: number | null;
  /** [-1, 1] */
  readonly nsri_tool_correct: number | null;
  /** [-1, 1] */
  readonly nsri_tool_wrong: number | null;
  readonly nsri_scaled: number | null;
  /** Accuracy at other IoU thresholds. */
  readonly [accuracyAt: `accuracy@${string}`]: number | null;
  readonly [toolAccuracyAt: `tool_accuracy@${string}`]: number | null;
}

export type MetricKey = keyof RefinementMetrics;

/** Sums over a group of queries from which its metrics follow. Counts may be weighted. */
export interface RefinementTally {
  count: number;
  toolRight: number;
  finalRight: number;
  /** Tool wrong, answer right. */
  corrected: number;
  /** Tool right, answer better. */
  refined: number;
  /** Tool right, answer equal. */
  followed: number;
  /** Answer worse. */
  worsened: number;
  /** Tool wrong, answer equal and wrong. */
  inherited: number;
  toolIou: number;
  finalIou: number;
  relativeToolRight: number;
  relativeToolWrong: number;
  /** Of each extra threshold, how many are above it. */
  readonly toolAbove: Float64Array;
  readonly finalAbove: Float64Array;
}

export function emptyTally(extraThresholds: number): RefinementTally {
  return {
    count: 0,
    toolRight: 0,
    finalRight: 0,
    corrected: 0,
    refined: 0,
    followed: 0,
    worsened: 0,
    inherited: 0,
    toolIou: 0,
    finalIou: 0,
    relativeToolRight: 0,
    relativeToolWrong: 0,
    toolAbove: new Float64Array(extraThresholds),
    finalAbove: new Float64Array(extraThresholds),
  };
}

/** The metrics of a group of queries. */
export function metricsOfTally(
  tally: RefinementTally,
  extraThresholds: readonly number[],
): RefinementMetrics {
  const { count, toolRight, finalRight } = tally;
  const nsri = share(tally.relativeToolRight + tally.relativeToolWrong, count);
  const atThresholds: Record<`${'accuracy' | 'tool_accuracy'}@${string}`, number | null> = {};
  extraThresholds.forEach((threshold, index) => {
    atThresholds[`accuracy@${threshold}`] = share(tally.finalAbove[index]!, count);
    atThresholds[`tool_accuracy@${threshold}`] = share(tally.toolAbove[index]!, count);
  });
  return {
    total: count,
    accuracy: share(finalRight, count),
    tool_accuracy: share(toolRight, count),
    mean_iou: share(tally.finalIou, count),
    tool_mean_iou: share(tally.toolIou, count),
    ccr: share(tally.corrected, count - toolRight),
    refinement_rate: share(tally.refined, toolRight),
    follow_correct_rate: share(tally.followed, toolRight),
    worsen_rate: share(tally.worsened, count),
    inherited_error_rate: share(tally.inherited, count - finalRight),
    mean_iou_delta: share(tally.finalIou - tally.toolIou, count),
    nsri,
    nsri_tool_correct: share(tally.relativeToolRight, toolRight),
    nsri_tool_wrong: share(tally.relativeToolWrong, count - toolRight),
    nsri_scaled: nsri === null ? null : (nsri + 1) / 2,
    ...atThresholds,
  };
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
