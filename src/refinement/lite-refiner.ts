import type { NamedTensors } from '../detection/tensor.js';
import { constructsOf } from '../language/construct.js';
import { parseExpression } from '../language/expression.js';
import { judgedClues } from './judged-clues.js';
import { type Prepared, type Reply, refinementOf } from './lite-answer.js';
import { liteDraft, withCrops, withWordRows } from './lite-example.js';
import type { Vocabulary } from './lite-words.js';
import {
  candidateBucket,
  candidateCount,
  type PaddedSizes,
  type PolicyExample,
  packPolicyBatch,
  unpackActions,
} from './policy-batch.js';
import type { PolicySettings } from './policy-inputs.js';
import type { Refinement, RefineRequest, Refiner } from './refiner.js';
import { scoredScene } from './scored-scene.js';
import { refineScored } from './scorer-refiner.js';

/** What a trained refiner knows beside its weights. */
export interface LiteKnowledge {
  readonly policy: PolicySettings;
  readonly vocabulary: Vocabulary;
  /** Tools by slot. */
  readonly tools: readonly string[];
  /** See `Choice.margin`. */
  readonly margin: number;
  /** Of {@link constructsOf}, those that it was taught. */
  readonly constructs: readonly string[];
  /** Of {@link judgedClues}, the sorts by which training showed one thing told from others. */
  readonly clues: readonly string[];
  /** Whether it was trained with what an image-text encoder says of the crops. */
  readonly crops?: boolean;
}

/** Runs the policy's graph. */
export type RunPolicy = (feeds: NamedTensors) => Promise<NamedTensors>;

/** More would cost a single query more than they save many; where candidates are few, starting a run is half of its cost. */
const QUERIES_A_RUN = 8;
const FEW_CANDIDATES = 8;
/** Words are padded to a multiple of this. */
const WORD_STEP = 16;

interface Waiting {
  readonly prepared: Prepared;
  readonly resolve: (refinement: Refinement) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The learned refiner. A request without a box of any tool that it was trained with goes to the transparent scorer: what was
 * learned of other tools says nothing there. One whose words hold a construct that training never showed goes there too.
 * Where such a sort of clue makes the transparent scorer hold another object than a detector's, its answer stands: all that was
 * learned of the clue is to trust the detector.
 * Requests that come while the policy works are answered together in its next run. A request whose signal is aborted rejects
 * with the signal's reason.
 */
export function createLiteRefiner(
  name: string,
  knowledge: LiteKnowledge,
  runPolicy: RunPolicy,
): Refiner {
  const waiting: Waiting[] = [];
  let working = false;
  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    while (waiting.length > 0) await answerTogether(waiting.splice(0), knowledge, runPolicy);
    working = false;
  };
  const known = new Set(knowledge.tools);
  const taught = new Set(knowledge.constructs);
  const clues = new Set(knowledge.clues);
  const isNew = ({ query, candidates }: RefineRequest): boolean =>
    !candidates.some(({ tool }) => known.has(tool)) ||
    constructsOf(parseExpression(query)).some((construct) => !taught.has(construct));
  const ask = async (request: RefineRequest): Promise<Refinement> => {
    if (isNew(request)) return refineScored(request, scoredScene(request));
    const prepared = await prepare(request, knowledge);
    if (holdsUntold(prepared, clues)) {
      const plain = refineScored(request, prepared.draft.scene);
      if (plain.answer.decision === 'correct') return plain;
    }
    return new Promise((resolve, reject) => {
      waiting.push({ prepared, resolve, reject });
      // A microtask later all requests of one call are there.
      queueMicrotask(() => void work());
    });
  };
  return {
    name,
    async refine(requests, signal) {
      signal?.throwIfAborted();
      return Promise.all(requests.map(ask));
    },
  };
}

/** A tool that was asked the expression has read the clue itself; its answer is worth what its answers are worth. */
function holdsUntold({ request, draft, example }: Prepared, clues: ReadonlySet<string>): boolean {
  const { expression, grounders } = draft.scene;
  if (grounders.has(request.toolName)) return false;
  return judgedClues(expression, example).some((sort) => !clues.has(sort));
}

async function answerTogether(
  waiting: readonly Waiting[],
  knowledge: LiteKnowledge,
  runPolicy: RunPolicy,
): Promise<void> {
  const bySize = new Map<string, { readonly sizes: PaddedSizes; readonly all: Waiting[] }>();
  for (const item of waiting) {
    const sizes = sizesFor(item.prepared.example);
    const key = `${sizes.candidates} ${sizes.words}`;
    const known = bySize.get(key);
    if (known) known.all.push(item);
    else bySize.set(key, { sizes, all: [item] });
  }
  const runs = [...bySize.values()].flatMap(({ sizes, all }) =>
    batches(all, sizes.batch).map(async (batch) => {
      try {
        const replies = await read(
          batch.map(({ prepared }) => prepared.example),
          sizes,
          knowledge.policy,
          runPolicy,
        );
        for (const [row, { prepared, resolve }] of batch.entries()) {
          resolve(refinementOf(prepared, replies[row]!, knowledge.margin));
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }),
  );
  await Promise.all(runs);
}

/**
 * Sizes of the run that answers an example. They follow from the example alone, and a run has all its rows, filled or not: a
 * query's numbers must not depend on its company.
 */
function sizesFor(example: PolicyExample): PaddedSizes {
  const candidates = candidateBucket(candidateCount(example));
  return {
    batch: candidates <= FEW_CANDIDATES ? 2 * QUERIES_A_RUN : QUERIES_A_RUN,
    candidates,
    words: Math.max(Math.ceil(example.words.length / WORD_STEP) * WORD_STEP, WORD_STEP),
  };
}

function batches<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}

async function prepare(
  request: RefineRequest,
  { tools, vocabulary, crops }: LiteKnowledge,
): Promise<Prepared> {
  const plain = liteDraft(request, tools);
  const draft = crops ? await withCrops(plain, request) : plain;
  return { request, draft, example: withWordRows(draft.example, request.query, vocabulary) };
}

async function read(
  examples: readonly PolicyExample[],
  sizes: PaddedSizes,
  policy: PolicySettings,
  runPolicy: RunPolicy,
): Promise<readonly Reply[]> {
  const outputs = await runPolicy(packPolicyBatch(policy, examples, sizes));
  return examples.map((example, row) => {
    const n = candidateCount(example);
    return {
      think: unpackActions(outputs.think!, row, n, 1),
      rethink: unpackActions(outputs.rethink!, row, n),
      score: unpackActions(outputs.score!, row, n),
    };
  });
}
