import type { BoxXyxy } from '../geometry/box.js';
import { iouXyxy } from '../geometry/overlap.js';
import {
  type LiteDraft,
  liteDraft,
  mirroredExample,
  mirroredQuery,
  withCrops,
  withWordRows,
} from '../refinement/lite-example.js';
import type { Vocabulary } from '../refinement/lite-words.js';
import type { RefineRequest } from '../refinement/refiner.js';
import type { TrainingExample, TrainingQuery } from './example.js';
import type { KnownQuery } from './example-file.js';

/** A request with its ground truth as numbers. `tools` by slot. */
export function knownQuery(
  request: RefineRequest,
  truth: BoxXyxy,
  tools: readonly string[],
): KnownQuery {
  return knownDraft(liteDraft(request, tools), request, truth);
}

/** The same with what an image-text encoder says of the crops. @throws VgrError of the photo */
export async function knownQueryWithCrops(
  request: RefineRequest,
  truth: BoxXyxy,
  tools: readonly string[],
): Promise<KnownQuery> {
  return knownDraft(await withCrops(liteDraft(request, tools), request), request, truth);
}

function knownDraft(draft: LiteDraft, request: RefineRequest, truth: BoxXyxy): KnownQuery {
  const overlap = (box: BoxXyxy | undefined) => (box === undefined ? 0 : iouXyxy(box, truth));
  const { text, features } = mirroredQuery(draft);
  return {
    query: request.query,
    example: draft.example,
    overlaps: Float32Array.from([
      ...draft.proposals.map(({ boxXyxy }) => overlap(boxXyxy)),
      overlap(request.tool?.boxXyxy),
      // Some box is right, so that nothing is not.
      0,
    ]),
    mirrored: { text, query: features },
  };
}

/** The query as it is. */
export function plainView(
  { query, example, overlaps }: KnownQuery,
  vocabulary: Vocabulary,
): TrainingExample {
  return { ...withWordRows(example, query, vocabulary), overlaps };
}

/** The query as it is, and mirrored: the photo and the words. */
export function bothViews(known: KnownQuery, vocabulary: Vocabulary): TrainingQuery {
  const { example, overlaps, mirrored } = known;
  const turned = mirroredExample(example, mirrored.query);
  return {
    views: [
      plainView(known, vocabulary),
      { ...withWordRows(turned, mirrored.text, vocabulary), overlaps },
    ],
  };
}
