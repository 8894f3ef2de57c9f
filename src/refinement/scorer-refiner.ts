import { iouXyxy } from '../geometry/overlap.js';
import type { Expression } from '../language/expression.js';
import { fusedBox } from './box-fusion.js';
import { boxPlausibility } from './box-plausibility.js';
import type { Scene } from './clue.js';
import { describeChoice } from './rationale.js';
import type { Answer, Candidate, Refinement, RefineRequest, Refiner, Thought } from './refiner.js';
import { type ScoredScene, scoredScene } from './scored-scene.js';
import type { ScoredThing, Scores } from './transparent-scorer.js';

/** The tool's box and a thing overlap this much (IoU) where they are the same object. */
const SAME_OBJECT_IOU = 0.5;
/** The tool keeps its answer unless another thing is this many times likelier: switching must pay. */
const SWITCH_RATIO = 1.05;
/** The same for a tool that has read the expression itself: one clue that fits better is not enough. */
const GROUNDED_RATIO = 3;
/** A better box of the same object is given where it differs from the tool's at all visibly (IoU below this). */
const ADJUST_IOU = 0.75;

function nothingFound(expression: Expression): Refinement {
  const named = expression.head === null ? 'thing' : expression.head.lemma;
  const text = `no box was proposed, so no ${named} can be pointed at`;
  return {
    think: { boxXyxy: null, score: 0, text },
    answer: { boxXyxy: null, score: 0, decision: 'none', text },
  };
}

/** The thing that the tool's box shows: the one that holds the candidate, else the one it overlaps most. */
function thingOf(tool: Candidate, scores: Scores, scene: Scene): ScoredThing | null {
  const at = scene.candidates.indexOf(tool);
  const holder = scores.things.find(({ clue }) => clue.thing.members.includes(at));
  if (holder !== undefined) return holder;
  let best: { thing: ScoredThing; iou: number } | null = null;
  for (const thing of scores.things) {
    const iou = iouXyxy(thing.clue.thing.boxXyxy, tool.boxXyxy);
    if (iou >= SAME_OBJECT_IOU && iou > (best?.iou ?? 0)) best = { thing, iou };
  }
  return best?.thing ?? null;
}

function thought(expression: Expression, scores: Scores, best: ScoredThing): Thought {
  return {
    boxXyxy: best.clue.thing.boxXyxy,
    score: best.share,
    text: describeChoice(expression, scores, best),
  };
}

/** The tool's box stands, or a better box of the same object where other tools agree on one. */
function keep(tool: Candidate, own: ScoredThing, reason: string, scene: Scene): Answer {
  const fused = fusedBox(tool.boxXyxy, scene.candidates);
  if (fused !== null && iouXyxy(fused, tool.boxXyxy) < ADJUST_IOU) {
    const text = `same object, box drawn where the tools agree: ${reason}`;
    return { boxXyxy: fused, score: own.share, decision: 'adjust', text };
  }
  return {
    boxXyxy: tool.boxXyxy,
    score: own.share,
    decision: 'confirm',
    text: `the tool's box stands: ${reason}`,
  };
}

/** Another object; its box is drawn where tools agree, if several show it. */
function correct(best: ScoredThing, text: string, scene: Scene): Answer {
  const { boxXyxy } = best.clue.thing;
  const box = fusedBox(boxXyxy, scene.candidates) ?? boxXyxy;
  return { boxXyxy: box, score: best.share, decision: 'correct', text };
}

/** Sees the tool's answer, compares it with the best thing, and decides. */
function rethink(
  request: RefineRequest,
  expression: Expression,
  scores: Scores,
  scene: Scene,
): Answer {
  const best = scores.things[0] as ScoredThing;
  const reason = describeChoice(expression, scores, best);
  const { tool } = request;
  if (tool === null) return correct(best, `the tool found nothing: ${reason}`, scene);
  const own = thingOf(tool, scores, scene);
  if (own === best) return keep(tool, best, reason, scene);
  if (own === null) return correct(best, `the tool's box is none of the kind: ${reason}`, scene);
  const ratio = best.share / Math.max(own.share, 1e-9);
  const needed = scene.grounders.has(request.toolName) ? GROUNDED_RATIO : SWITCH_RATIO;
  const compared = `${best.share.toFixed(2)} against ${own.share.toFixed(2)}`;
  if (ratio < needed) {
    const doubt = `another box fits about as well, ${compared}, too little to switch`;
    return keep(tool, own, `${describeChoice(expression, scores, own)}; ${doubt}`, scene);
  }
  return correct(best, `another object than the tool's, ${compared}: ${reason}`, scene);
}

/** The answer of the refiner that needs no training, for a request that is scored. */
export function refineScored(request: RefineRequest, scene: ScoredScene): Refinement {
  const { expression, image, blind, heard } = scene;
  const best = blind.things[0];
  if (best === undefined) return nothingFound(expression);
  const answer = rethink(request, expression, heard, scene);
  const { boxXyxy } = answer;
  return {
    think: thought(expression, blind, best),
    answer: boxXyxy
      ? { ...answer, plausibility: boxPlausibility(boxXyxy, expression, image) }
      : answer,
  };
}

/**
 * The refiner that needs no training: reads the expression, judges each object by clues a person can check, and keeps the
 * tool's answer unless another object is clearly likelier. Milliseconds a query. A request whose signal is aborted throws
 * the signal's reason.
 */
export function createScorerRefiner(): Refiner {
  return {
    name: 'v0',
    async refine(requests, signal) {
      return requests.map((request) => {
        signal?.throwIfAborted();
        return refineScored(request, scoredScene(request));
      });
    },
  };
}
