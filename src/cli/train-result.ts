import { createHash } from 'node:crypto';
import type { EncoderTrace, RefinerCard, RefinerValidation } from '../formats/refiner-card.js';
import type { LiteSizes } from '../refinement/lite-example.js';
import { FEATURE_VERSION, TOOL_FEATURES } from '../refinement/lite-features.js';
import { QUERY_FEATURES } from '../refinement/lite-query.js';
import { type Vocabulary, WORD_FEATURE_NAMES } from '../refinement/lite-words.js';
import { type Parameter, parameterCount } from '../tensor/expression.js';
import { calibrationOf, chooseMargin, meanReading } from '../training/ensemble-choice.js';
import { writeEnsemble } from '../training/ensemble-graph.js';
import type { TrainingExample } from '../training/example.js';
import type { PolicyReading } from '../training/policy-graphs.js';
import { RIGHT_IOU } from '../training/reward.js';
import type { TrainFolder } from './train-folder.js';
import type { Lessons, Trained } from './train-members.js';
import { memberSettings, type TrainFlags } from './train-settings.js';

export interface RefinerParts {
  readonly lessons: Lessons;
  readonly vocabulary: Vocabulary;
  readonly tools: readonly string[];
  readonly constructs: readonly string[];
  readonly clues: readonly string[];
  /** The encoder that was learned from; undefined for none. */
  readonly encoder: EncoderTrace | undefined;
  readonly sizes: LiteSizes;
  readonly flags: TrainFlags;
  readonly folder: TrainFolder;
  readonly commandLine: string;
  readonly parameters: readonly Parameter[];
}

/** Chooses the margin, calibrates, and writes refiner.onnx and card.json. @throws VgrError OUTPUT_UNWRITABLE, DISK_FULL */
export async function writeRefiner(trained: Trained, parts: RefinerParts): Promise<RefinerCard> {
  const {
    lessons,
    vocabulary,
    tools,
    constructs,
    clues,
    encoder,
    sizes,
    flags,
    folder,
    parameters,
  } = parts;
  const { validation } = lessons;
  const readings = validation.map((_, i) => meanReading(trained.readings.map((own) => own[i]!)));
  const { margin, actions } = chooseMargin(validation, readings);
  const bytes = writeEnsemble({
    settings: lessons.policy,
    members: trained.networks,
    calibration: calibrationOf(validation, readings, actions),
    metadata: { feature_version: String(FEATURE_VERSION) },
  });
  const card: RefinerCard = {
    schema: 1,
    kind: 'refiner',
    name: flags.name,
    title: `Lite refiner, ${networksText(trained)}, tools ${tools.join(', ')}`,
    file: 'refiner.onnx',
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    licence: 'MIT',
    citation: 'after VG-Refiner, arXiv 2512.06373',
    source: { added: 'vgr train-lite' },
    features: {
      version: FEATURE_VERSION,
      candidate: lessons.policy.candidateFeatures,
      tool: TOOL_FEATURES,
      query: QUERY_FEATURES,
      word: WORD_FEATURE_NAMES.length,
    },
    ...(encoder && { encoder }),
    policy: {
      ...sizes,
      members: trained.networks.length,
      parameters: parameterCount(parameters) * trained.networks.length,
    },
    margin,
    vocabulary: [...vocabulary.words],
    tools: [...tools],
    constructs: [...constructs],
    clues: [...clues],
    training: {
      command: parts.commandLine,
      data_sha256: trained.dataKey,
      queries: lessons.queries.length,
      settings: JSON.parse(JSON.stringify(memberSettings(flags, 0))),
    },
    validation: validation.length === 0 ? null : metricsOf(validation, readings, actions),
  };
  await folder.write('refiner.onnx', bytes);
  await folder.write('card.json', `${JSON.stringify(card, null, 2)}\n`);
  return card;
}

function networksText({ networks, members }: Trained): string {
  if (networks.length < members) return `1 network taught by ${members}`;
  return members === 1 ? '1 network' : `${members} networks`;
}

/** Within this, two overlaps are equal. */
const EQUAL = 1e-9;

/** Signed relative IoU of an answer to the tool's, [-1, 1]; see NSRI in docs/evaluation.md. */
export function relativeIou(tool: number, answer: number): number {
  if (Math.abs(answer - tool) <= EQUAL) return 0;
  return answer > tool ? (answer - tool) / (1 - tool) : (answer - tool) / tool;
}

function metricsOf(
  examples: readonly TrainingExample[],
  readings: readonly PolicyReading[],
  actions: Int32Array,
): RefinerValidation {
  const rows = examples.map(({ overlaps }, i) => {
    const { think } = readings[i]!;
    const thought = think.indexOf(Math.max(...think));
    return {
      tool: overlaps.at(-2)!,
      answer: overlaps[actions[i]!]!,
      think: thought === think.length - 1 ? 0 : overlaps[thought]!,
    };
  });
  const right = (overlap: number) => overlap > RIGHT_IOU;
  const toolRight = rows.filter(({ tool }) => right(tool));
  const toolWrong = rows.filter(({ tool }) => !right(tool));
  const rounded = (value: number) => Number(value.toFixed(4));
  const share = <T>(items: readonly T[], holds: (item: T) => boolean) =>
    items.length === 0 ? null : rounded(items.filter(holds).length / items.length);
  const mean = (of: (row: (typeof rows)[number]) => number) =>
    rounded(rows.reduce((sum, row) => sum + of(row), 0) / rows.length);
  return {
    queries: rows.length,
    accuracy: share(rows, ({ answer }) => right(answer))!,
    tool_accuracy: share(rows, ({ tool }) => right(tool))!,
    think_accuracy: share(rows, ({ think }) => right(think))!,
    mean_iou: mean(({ answer }) => answer),
    tool_mean_iou: mean(({ tool }) => tool),
    ccr: share(toolWrong, ({ answer }) => right(answer)),
    nsri: mean(({ tool, answer }) => relativeIou(tool, answer)),
    worsen_rate: share(rows, ({ tool, answer }) => answer < tool - EQUAL)!,
    follow_correct_rate: share(toolRight, ({ tool, answer }) => Math.abs(answer - tool) <= EQUAL),
    lost: share(toolRight, ({ answer }) => !right(answer)),
  };
}
