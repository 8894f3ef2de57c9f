import type { NamedTensors } from '../detection/tensor.js';
import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import { constructsOf } from '../language/construct.js';
import { parseExpression } from '../language/expression.js';
import { boxesOfRows, chooseAction, toolPlace } from './lite-decision.js';
import { type LiteDraft, liteDraft, withCrops, withWordRows } from './lite-example.js';
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
import { describeChoice } from './rationale.js';
import type { Answer, Decision, Refinement, RefineRequest, Refiner, Thought } from './refiner.js';
import { createScorerRefiner } from './scorer-refiner.js';
import type { Scores } from './transparent-scorer.js';

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
/** Answers that overlap the tool's more than this are its box; less than the other, another object. */
const SAME_BOX_IOU = 0.999;
const SAME_OBJECT_IOU = 0.5;

interface Waiting {
  readonly prepared: Prepared;
  readonly resolve: (refinement: Refinement) => void;
  readonly reject: (error: unknown) => void;
}

interface Prepared {
  readonly request: RefineRequest;
  readonly draft: LiteDraft;
  readonly example: PolicyExample;
}

/** What the policy says of one query. */
interface Reply {
  /** [n + 1] */
  readonly think: Float32Array;
  /** [n + 2] */
  readonly rethink: Float32Array;
  /** [n + 2]: chance that each action's box is right. */
  readonly score: Float32Array;
}

/**
 * The learned refiner. A request without a box of any tool that it was trained with goes to the transparent scorer: what was
 * learned of other tools says nothing there. One whose words hold a construct that training never showed goes there too.
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
  const scorer = createScorerRefiner();
  const known = new Set(knowledge.tools);
  const taught = new Set(knowledge.constructs);
  const isNew = ({ query, candidates }: RefineRequest): boolean =>
    !candidates.some(({ tool }) => known.has(tool)) ||
    constructsOf(parseExpression(query)).some((construct) => !taught.has(construct));
  const ask = async (request: RefineRequest): Promise<Refinement> => {
    if (isNew(request)) {
      return (await scorer.refine([request]))[0]!;
    }
    const prepared = await prepare(request, knowledge);
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

function refinementOf(prepared: Prepared, reply: Reply, margin: number): Refinement {
  return { think: thoughtOf(prepared, reply), answer: answerOf(prepared, reply, margin) };
}

/** The likeliest object among the boxes that think may see. */
function thoughtOf({ draft, example }: Prepared, { think }: Reply): Thought {
  const n = candidateCount(example);
  const action = chooseAction({
    boxes: boxesOfRows(example.boxes),
    probabilities: [...think.subarray(0, n), 0, think[n]!],
    toolAt: -1,
    margin: 1,
  });
  const proposal = draft.proposals[action];
  if (proposal === undefined || example.thinkMask[action] === 0) {
    return { boxXyxy: null, score: think[n]!, text: nothingText(draft) };
  }
  return {
    boxXyxy: proposal.boxXyxy,
    score: think[action]!,
    text: reasonOf(draft, draft.scene.blind, action),
  };
}

function answerOf({ request, draft, example }: Prepared, reply: Reply, margin: number): Answer {
  const n = candidateCount(example);
  const { tool } = request;
  const toolAt = toolPlace(example.tool, n);
  const action = chooseAction({
    boxes: boxesOfRows(example.boxes),
    probabilities: reply.rethink,
    toolAt,
    margin,
  });
  const score = reply.score[action]!;
  if (action === n + 1) {
    return {
      boxXyxy: null,
      score: reply.rethink[action]!,
      decision: 'none',
      text: nothingText(draft),
    };
  }
  const boxXyxy = action === n ? tool!.boxXyxy : draft.proposals[action]!.boxXyxy;
  const decision = decisionOf(boxXyxy, tool?.boxXyxy);
  const reason = reasonOf(draft, draft.scene.heard, action === n ? toolAt : action);
  return {
    boxXyxy: decision === 'confirm' ? tool!.boxXyxy : boxXyxy,
    score,
    decision,
    text: `${OPENING[decision]}: ${reason}`,
  };
}

const OPENING: Readonly<Record<Decision, string>> = {
  confirm: "the tool's box stands",
  correct: "another object than the tool's",
  adjust: 'same object, a box that fits it better',
  fallback: "the tool's box stands",
  none: 'nothing fits',
};

function decisionOf(answer: BoxXyxy, tool: BoxXyxy | undefined): Decision {
  const overlap = tool === undefined ? 0 : iouXyxy(answer, tool);
  if (overlap > SAME_BOX_IOU) return 'confirm';
  return overlap > SAME_OBJECT_IOU ? 'adjust' : 'correct';
}

function reasonOf({ scene, proposals }: LiteDraft, scores: Scores, at: number): string {
  const thing = scene.thingOf(proposals[at]!.source, scores);
  if (thing !== undefined) return describeChoice(scene.expression, scores, thing);
  const { label } = scene.candidates[proposals[at]!.source]!;
  return `a box of another kind${label === undefined ? '' : `, ${label}`}, that fits the words best`;
}

function nothingText({ scene, proposals }: LiteDraft): string {
  const named = scene.expression.head?.lemma ?? 'thing';
  return proposals.length === 0
    ? `no box was proposed, so no ${named} can be pointed at`
    : `none of the boxes is likely to be the ${named} that is meant`;
}
