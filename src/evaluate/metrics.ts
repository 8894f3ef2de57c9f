import { areaXyxy, type BoxXyxy, isCorrect } from '../core/box.js';
import { type Calibration, CalibrationTally } from './calibration.js';
import { DoubleColumn } from './column.js';

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

/** What `vgr eval --json` tells of the answers beside the refinement metrics; shares in [0, 1], null over nothing. */
export interface AnswerMetrics {
  /** Share with a final IoU above 0.5. */
  readonly accuracy_50: number | null;
  readonly accuracy_75: number | null;
  readonly accuracy_90: number | null;
  /** Mean of the accuracies at IoU 0.5, 0.55, ..., 0.95. */
  readonly mean_accuracy: number | null;
  /** Accuracy by the size of the object, of the queries that mean one. */
  readonly by_size: Readonly<Record<ObjectSize, number | null>>;
  /** Of the queries that nothing fits, the share answered `none`. */
  readonly n_acc: number | null;
  /** Of the other queries, the share not answered `none`. */
  readonly t_acc: number | null;
  /** Share whose boxes match the ground truth one to one. */
  readonly set_precision: number | null;
  /** Area under the ROC curve of the score, right answers against wrong ones; ties count half. */
  readonly score_auc: number | null;
  /** Expected calibration error of the score, over ten bins. */
  readonly score_ece: number | null;
}

/** All metrics of one group of queries. */
export type RunMetrics = RefinementMetrics & AnswerMetrics;

/** One answer, as far as its metrics need it beside its IoU. */
export interface JudgedAnswer {
  /** The answer's score, 0..1; null or absent where it gives none. */
  readonly confidence?: number | null;
  /** How many boxes are meant; absent where that is not known. */
  readonly truths?: number;
  /** Of the object, where one is meant. */
  readonly objectSize?: ObjectSize | undefined;
  /** Whether the answer is that nothing fits. */
  readonly isNone?: boolean;
  /** Whether its boxes match those that are meant one to one. */
  readonly isExact?: boolean;
}

/** 0.5, 0.55, ..., 0.95. */
const THRESHOLDS = Array.from({ length: 10 }, (_, index) => (50 + 5 * index) / 100);

/** Right ones of all. */
class Share {
  #right = 0;
  #all = 0;

  add(isRight: boolean): void {
    this.#all += 1;
    if (isRight) this.#right += 1;
  }

  get value(): number | null {
    return this.#all === 0 ? null : this.#right / this.#all;
  }
}

/** Takes the answers of one group. */
class AnswerTally {
  readonly #above = THRESHOLDS.map(() => new Share());
  readonly #bySize = { small: new Share(), medium: new Share(), large: new Share() };
  readonly #absent = new Share();
  readonly #present = new Share();
  readonly #exact = new Share();
  readonly #rightScores = new DoubleColumn();
  readonly #wrongScores = new DoubleColumn();
  readonly #calibration = new CalibrationTally();

  /** @param iou 0..1 */
  add(iou: number, answer: JudgedAnswer): void {
    const { confidence = null, truths, objectSize, isNone = false, isExact = false } = answer;
    THRESHOLDS.forEach((threshold, index) => {
      this.#above[index]!.add(iou > threshold);
    });
    if (objectSize) this.#bySize[objectSize].add(isCorrect(iou));
    if (truths !== undefined) {
      this.#exact.add(isExact);
      if (truths === 0) this.#absent.add(isNone);
      else this.#present.add(!isNone);
    }
    if (confidence === null) return;
    (isCorrect(iou) ? this.#rightScores : this.#wrongScores).push(confidence);
    this.#calibration.add(confidence, isCorrect(iou));
  }

  calibration(): Calibration {
    return this.#calibration.calibration();
  }

  metrics(): AnswerMetrics {
    const at = this.#above.map(({ value }) => value);
    const { small, medium, large } = this.#bySize;
    return {
      accuracy_50: at[0]!,
      accuracy_75: at[5]!,
      accuracy_90: at[8]!,
      mean_accuracy:
        at[0] === null ? null : at.reduce<number>((sum, share) => sum + share!, 0) / 10,
      by_size: { small: small.value, medium: medium.value, large: large.value },
      n_acc: this.#absent.value,
      t_acc: this.#present.value,
      set_precision: this.#exact.value,
      score_auc: areaUnderRoc(this.#rightScores.view(), this.#wrongScores.view()),
      score_ece: this.calibration().ece,
    };
  }
}

/** The chance that a right answer scores higher than a wrong one, where a tie counts half; null where one kind is missing. */
export function areaUnderRoc(right: Float64Array, wrong: Float64Array): number | null {
  if (right.length === 0 || wrong.length === 0) return null;
  const losers = wrong.slice().sort();
  let [below, notAbove, won] = [0, 0, 0];
  for (const score of right.slice().sort()) {
    while (below < losers.length && losers[below]! < score) below++;
    while (notAbove < losers.length && losers[notAbove]! <= score) notAbove++;
    won += (below + notAbove) / 2;
  }
  return won / (right.length * wrong.length);
}

/** Takes the answers of a run and holds their metrics, overall and by group. */
export class AnswerScores {
  readonly #whole = new AnswerTally();
  readonly #groups = new Map<string, AnswerTally>();
  #absent = 0;
  #sets = 0;

  /** @param iou 0..1 */
  add(iou: number, answer: JudgedAnswer, group: string | undefined): void {
    this.#whole.add(iou, answer);
    if (answer.truths === 0) this.#absent += 1;
    if ((answer.truths ?? 0) > 1) this.#sets += 1;
    if (group === undefined) return;
    const tally = this.#groups.get(group) ?? new AnswerTally();
    this.#groups.set(group, tally);
    tally.add(iou, answer);
  }

  /** Queries that nothing fits. */
  get absent(): number {
    return this.#absent;
  }

  /** Queries that mean several objects. */
  get sets(): number {
    return this.#sets;
  }

  metrics(): AnswerMetrics {
    return this.#whole.metrics();
  }

  /** By group. */
  groupMetrics(): ReadonlyMap<string, AnswerMetrics> {
    return new Map([...this.#groups].map(([group, tally]) => [group, tally.metrics()]));
  }

  calibration(): Calibration {
    return this.#whole.calibration();
  }
}

/** The metrics as numbers alone: those of `by_size` are called `by_size.small` and so on. */
export function flatMetrics({ by_size, ...metrics }: RunMetrics): Record<string, number | null> {
  const sizes = Object.entries(by_size).map(([size, value]) => [`by_size.${size}`, value]);
  return { ...metrics, ...Object.fromEntries(sizes) };
}

/** Sizes of COCO's area ranges, by the area of the ground-truth box: below 32 x 32, below 96 x 96, and the rest. */
export type ObjectSize = 'small' | 'medium' | 'large';

/** The size of the one object that is meant; undefined where several are, or none. */
export function objectSizeOf(truthsXyxy: readonly BoxXyxy[]): ObjectSize | undefined {
  const [truth, ...others] = truthsXyxy;
  if (!truth || others.length > 0) return undefined;
  const area = areaXyxy(truth);
  if (area < 32 ** 2) return 'small';
  return area < 96 ** 2 ? 'medium' : 'large';
}
