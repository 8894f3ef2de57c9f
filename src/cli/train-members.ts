import { VgrError } from '../formats/fault.js';
import type { SessionPool } from '../inference/pool.js';
import { contentKey } from '../io/example-cache.js';
import type { PolicySettings } from '../refinement/policy-inputs.js';
import type { ParameterSet } from '../training/adamw.js';
import { wordBucket } from '../training/bucket.js';
import { type CurvePoint, curvePoint } from '../training/curve.js';
import { MOST_LOST, refinerChoice } from '../training/ensemble-choice.js';
import type { TrainingExample, TrainingQuery } from '../training/example.js';
import { DivergenceError } from '../training/learner.js';
import { PolicyGraphs, type PolicyReading } from '../training/policy-graphs.js';
import { startState, type TrainingState, train } from '../training/trainer.js';
import { policyParameters } from '../training/training-graph.js';
import type { Validation } from '../training/validation.js';
import type { Printer } from './printer.js';
import type { TrainFolder } from './train-folder.js';
import { relativeIou } from './train-result.js';
import { pooledRuntime } from './train-runtime.js';
import { memberSettings, type TrainFlags } from './train-settings.js';

/** What is learned from. */
export interface Lessons {
  readonly policy: PolicySettings;
  readonly queries: readonly TrainingQuery[];
  readonly validation: readonly TrainingExample[];
  /** Values of an earlier refiner's members, to continue from. */
  readonly initial?: readonly ParameterSet[];
}

export interface MemberOptions {
  readonly flags: TrainFlags;
  readonly pool: SessionPool;
  readonly folder: TrainFolder;
  readonly printer: Printer;
  readonly signal: AbortSignal;
}

/** What goes into the file: the one network that the members taught, or all of them. */
export interface Trained {
  readonly networks: readonly ParameterSet[];
  /** Members that were trained. */
  readonly members: number;
  /** What each network says of each validation query. */
  readonly readings: readonly (readonly PolicyReading[])[];
  /** sha256 of all numbers that were learned from. */
  readonly dataKey: string;
}

/**
 * Trains the members one after another, then the network that they teach, each with a checkpoint after every epoch. A member
 * alone has nothing to teach that it does not answer itself.
 * @throws VgrError TRAINING_DIVERGED; the last checkpoint stays
 * @returns undefined where the run was told to stop
 */
export async function trainMembers(
  lessons: Lessons,
  options: MemberOptions,
): Promise<Trained | undefined> {
  const dataKey = keyOfLessons(lessons);
  const curve: CurvePoint[] = [];
  const members: ParameterSet[] = [];
  const count = lessons.initial?.length ?? options.flags.members;
  for (let member = 0; member < count; member++) {
    const initial = lessons.initial?.[member];
    const place = { member, dataKey, curve, ...(initial && { initial }) };
    const state = await trainNetwork(lessons, options, place);
    if (state === undefined) return undefined;
    members.push(state.best.values);
  }
  let networks: readonly ParameterSet[] = members;
  if (count > 1 && memberSettings(options.flags, 0).distillation.epochs > 0) {
    const place = { member: count, dataKey, curve, initial: members[0]!, teachers: members };
    const student = await trainNetwork(lessons, options, place);
    if (student === undefined) return undefined;
    networks = [student.best.values];
  }
  const readings = await readAll(lessons, options, networks);
  return { networks, members: count, readings, dataKey };
}

/** Margin while training; the one of the refiner is chosen at the end. */
const MARGIN = 1.05;

/** Accuracy, among equals the mean overlap; what the tool loses beyond what is allowed counts against it. */
function rate({ accuracy, meanOverlap, lost }: Validation): number {
  return accuracy + 1e-3 * meanOverlap - Math.max(0, (lost ?? 0) - MOST_LOST);
}

interface Place {
  readonly member: number;
  readonly dataKey: string;
  /** Grows with each epoch of each network. */
  readonly curve: CurvePoint[];
  /** Values to start from, in place of drawn ones. */
  readonly initial?: ParameterSet;
  /** Networks to learn from, in place of the ground truth. */
  readonly teachers?: readonly ParameterSet[];
}

async function trainNetwork(
  lessons: Lessons,
  { flags, pool, folder, printer, signal }: MemberOptions,
  { member, dataKey, curve, initial, teachers }: Place,
): Promise<TrainingState | undefined> {
  const { policy, queries, validation } = lessons;
  const settings = memberSettings(flags, member);
  const parameters = policyParameters(policy);
  const { distillation, ...learning } = settings;
  // Members are the same whatever they teach.
  const lesson = teachers ? { distillation, teachers: teachers.length } : {};
  const key = contentKey({
    ...{ learning, lesson, policy, dataKey },
    continued: initial !== undefined,
  });
  const earlier = await folder.checkpoint(member, key, parameters);
  const own: CurvePoint[] = [...(earlier?.curve ?? [])];
  const showAll = (): Promise<void> => folder.writeCurve([...curve, ...own]);
  let state =
    earlier?.state ??
    startState(parameters, settings.seed, initial, teachers ? 'distillation' : 'warm-start');
  if (!earlier?.done) {
    const runtime = pooledRuntime(pool, `member-${member}`);
    const choose = refinerChoice(MARGIN);
    try {
      for await (const report of train(
        {
          policy,
          settings,
          queries,
          validation,
          runtime,
          choose,
          rate,
          ...(teachers && { teachers }),
        },
        state,
      )) {
        state = report.state;
        own.push(curvePoint(member + 1, report, nsriOf(report.validation?.actions, validation)));
        await folder.save(member, { key, done: false, curve: own, state });
        await showAll();
        printer.note(epochText(own.at(-1)!));
        if (signal.aborted) return undefined;
      }
    } catch (thrown) {
      throw thrown instanceof DivergenceError ? diverged(thrown, state, folder) : thrown;
    }
    await folder.save(member, { key, done: true, curve: own, state });
  }
  await showAll();
  curve.push(...own);
  return state;
}

function diverged(
  thrown: DivergenceError,
  { phase }: TrainingState,
  folder: TrainFolder,
): VgrError {
  return new VgrError(
    'TRAINING_DIVERGED',
    `training, ${phase}: ${thrown.message}; the checkpoint of the last good epoch stays in ${folder.path}`,
    {
      hint: 'take a lower `--lr`, and look for boxes of absurd size in the queries',
      cause: thrown,
    },
  );
}

function nsriOf(
  actions: Int32Array | undefined,
  validation: readonly TrainingExample[],
): number | undefined {
  if (actions === undefined) return undefined;
  const sum = validation.reduce(
    (total, { overlaps }, i) => total + relativeIou(overlaps.at(-2)!, overlaps[actions[i]!]!),
    0,
  );
  return sum / Math.max(1, validation.length);
}

function epochText(point: CurvePoint): string {
  const percent = (value: number | null | undefined) =>
    value === undefined || value === null ? '-' : (100 * value).toFixed(1);
  const sampling =
    point.reward === undefined
      ? ''
      : `  reward ${point.reward.toFixed(3)}  kl ${point.loss.kl?.toFixed(4)}  corrections ${percent(point.corrections)} %  confirmations ${percent(point.confirmations)} %`;
  const validation =
    point.accuracy === undefined
      ? ''
      : `  accuracy ${percent(point.accuracy)} % (tool ${percent(point.tool_accuracy)} %)  CCR ${percent(point.ccr)} %  lost ${percent(point.lost)} %  NSRI ${point.nsri?.toFixed(3)}`;
  const network = point.phase === 'distillation' ? 'student' : `member ${point.member}`;
  return `${network}  ${point.phase} ${point.epoch}${sampling}${validation}${point.improved ? '  *' : ''}`;
}

async function readAll(
  { policy, validation }: Lessons,
  { flags, pool }: MemberOptions,
  networks: readonly ParameterSet[],
): Promise<readonly (readonly PolicyReading[])[]> {
  const settings = memberSettings(flags, 0);
  const graphs = new PolicyGraphs(pooledRuntime(pool, 'reading'), {
    settings: policy,
    parameters: policyParameters(policy),
    clipRange: settings.clipRange,
    microBatch: settings.microBatch,
    words: wordBucket(validation),
  });
  return Promise.all(networks.map((values) => graphs.read(values, validation)));
}

/** Of every number that training sees. */
function keyOfLessons({ queries, validation }: Lessons): string {
  const views = [...queries.flatMap(({ views: all }) => all), ...validation];
  return contentKey(
    views.map(({ candidates, tool, query, words, overlaps }) =>
      contentKey(
        [candidates, tool, query, words, overlaps].map((array) =>
          Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('latin1'),
        ),
      ),
    ),
  );
}
