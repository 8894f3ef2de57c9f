import type { ScoreCalibration } from '../detection/calibration.js';
import { VgrError } from '../formats/fault.js';
import { extentOf, type Query } from '../formats/query-line.js';
import { type ErrorLine, errorLine, type ResultLine } from '../formats/result-line.js';
import type { ImageSize } from '../geometry/box.js';
import { parseExpression } from '../language/expression.js';
import type { CropMatcher } from '../refinement/crop-match.js';
import type { Candidate, Refinement, RefineRequest, Turn } from '../refinement/refiner.js';
import { firstAnswer, toolAnswer } from '../refinement/tool-answer.js';
import { itemFault } from './item-fault.js';
import { type OrderedMapOptions, orderedMap } from './ordered-map.js';
import type { ExaminedPhoto, PhotoShelf } from './photo-store.js';
import type { Clock, PhotoRef, PlacedLine, RunProgress } from './ports.js';
import type { IntakeItem } from './query-intake.js';
import { type QueryTiming, resultLine } from './result-record.js';
import { Turnstile } from './turnstile.js';

/** Where photos come from; absent when no images are given, and lines answer with their own boxes. */
export interface PhotoSource {
  /** Finds the photo that a line names. @throws VgrError IMAGE_MISSING, IMAGE_OUTSIDE */
  readonly locate: (image: string) => Promise<PhotoRef>;
  readonly photos: PhotoShelf;
  /** Name of the detector, whose boxes are candidates; absent where none looks at the photos. */
  readonly detectorName?: string;
  /** What its scores are worth. */
  readonly calibration?: ScoreCalibration;
  /** Makes a picture of that size as a data URL, for refiners that look at the photo. @throws VgrError of the photo */
  readonly picture?: (ref: PhotoRef, size: ImageSize) => Promise<string>;
  /** What holds crops of a photo against words, for refiners that read it. */
  readonly crops?: (ref: PhotoRef) => CropMatcher;
}

/** How queries are answered. */
export interface AnswerRun {
  readonly source?: PhotoSource;
  /** Answers one request; requests made together may be answered together. */
  readonly refine: (request: RefineRequest) => Promise<Refinement>;
  /** Whose answer counts as the tool's; by default the first tool of the line, else the detector. */
  readonly toolName?: string;
  readonly clock: Clock;
  readonly progress: Pick<RunProgress, 'refined' | 'refineMs'>;
  readonly timing: boolean;
  readonly draw?: (line: ResultLine, ref: PhotoRef) => Promise<void>;
}

export interface RefineRun extends AnswerRun {
  readonly stream: OrderedMapOptions;
}

/** What of a run decides a request. */
export interface RequestSource {
  readonly source?: Pick<PhotoSource, 'detectorName' | 'calibration'> | undefined;
  readonly toolName?: string | undefined;
}

/** Stands for the tool where neither the line nor a detector gives one. */
const NO_TOOL = 'none';

/** One line a query, in the order of the file: look at the photo, think, rethink, answer. */
export function refineQueries(
  items: AsyncIterable<IntakeItem>,
  run: RefineRun,
): AsyncIterable<PlacedLine<ResultLine | ErrorLine>> {
  const turnstile = new Turnstile();
  return orderedMap(
    items,
    async (item) => ({
      place: 'fault' in item ? item.line : item.query.line,
      line: await lineOf(item, run, turnstile.enter()),
    }),
    run.stream,
  );
}

async function lineOf(
  item: IntakeItem,
  run: AnswerRun,
  turn: Turn,
): Promise<ResultLine | ErrorLine> {
  try {
    if ('fault' in item) return errorLine(item, item.fault);
    return await answerOrError(item.query, run, turn);
  } finally {
    turn.take();
  }
}

/**
 * The line of one query.
 * @param turn absent where no decision depends on what came before
 * @throws VgrError what ends the run
 */
export async function answerOrError(
  query: Query,
  run: AnswerRun,
  turn?: Turn,
): Promise<ResultLine | ErrorLine> {
  try {
    return await answerQuery(query, run, turn);
  } catch (thrown) {
    return failedQuery(query, thrown);
  }
}

/** The error record of a query. @throws VgrError what ends the run */
export function failedQuery({ id, image, line }: Query, thrown: unknown): ErrorLine {
  return errorLine({ id, line, ...(image !== undefined && { image }) }, itemFault(thrown));
}

async function answerQuery(
  query: Query,
  run: AnswerRun,
  turn: Turn | undefined,
): Promise<ResultLine> {
  const ref = await locatePhoto(query, run);
  const looked = ref && run.source!.photos.get(ref, query.query);
  const photo = await looked?.photo;
  const start = run.clock();
  const request = {
    ...requestOf(query, photo, run),
    ...(turn && { turn }),
    ...(photo && pictureOf(photo.size, ref!, run)),
    ...(ref && run.source?.crops && { crops: run.source.crops(ref) }),
  };
  const refinement = await run.refine(request);
  const refine = run.clock() - start;
  run.progress.refined += 1;
  run.progress.refineMs += refine;
  const timing: QueryTiming = {
    decode: looked?.fresh ? photo!.decodeMs : 0,
    detect: looked?.fresh ? photo!.detectMs : 0,
    refine,
  };
  const line = resultLine(query, request, refinement, run.timing ? timing : undefined);
  if (ref) await run.draw?.(line, ref);
  return line;
}

/** @throws VgrError QUERY_INVALID where a line needs a photo and there is none to be had */
async function locatePhoto(query: Query, run: AnswerRun): Promise<PhotoRef | undefined> {
  if (query.image !== undefined && run.source) return run.source.locate(query.image);
  if (query.tools.length > 0) return undefined;
  throw new VgrError(
    'QUERY_INVALID',
    `line ${query.line}: expected boxes in \`tools\`, since no image folder is given; got none`,
    { hint: 'name the folder: `vgr refine ./images --queries q.jsonl`' },
  );
}

function pictureOf(
  photo: ImageSize,
  ref: PhotoRef,
  { source }: AnswerRun,
): Pick<RefineRequest, 'encodePhoto'> {
  const picture = source?.picture;
  if (!picture) return {};
  return {
    encodePhoto: async (sizeFor) => {
      const size = sizeFor(photo);
      return { url: await picture(ref, size), photo, picture: size };
    },
  };
}

/** A query with all boxes that are there for it. */
export function requestOf(
  query: Query,
  photo: ExaminedPhoto | undefined,
  run: RequestSource,
): RefineRequest {
  const candidates = candidatesOf(query, photo, run.source);
  const toolName = toolNameOf(query, run);
  const image = photo?.size ?? query.size ?? extentOf(candidates.map(({ boxXyxy }) => boxXyxy));
  return {
    query: query.query,
    image,
    candidates,
    toolName,
    tool: answerOf(toolName, query, candidates, photo?.asked ?? false),
    ...(photo && {
      evidence: {
        raster: photo.raster,
        contentXyxy: photo.contentXyxy,
        ...(photo.featureMap && { featureMap: photo.featureMap }),
      },
    }),
  };
}

/**
 * Tools of the line were asked the expression itself, and so was a detector that takes words; the boxes of any other detector
 * are matched with the words.
 */
function answerOf(
  toolName: string,
  query: Query,
  candidates: readonly Candidate[],
  detectorWasAsked: boolean,
): Candidate | null {
  const own = candidates.filter(({ tool }) => tool === toolName);
  const wasAsked = detectorWasAsked || query.tools.some(({ name }) => name === toolName);
  return wasAsked ? firstAnswer(own) : toolAnswer(query.query, own);
}

/** A tool that is asked for by name and has no boxes on the line gave no answer: there is something to correct then. */
function toolNameOf(query: Query, { toolName, source }: RequestSource): string {
  return toolName ?? query.tools[0]?.name ?? source?.detectorName ?? NO_TOOL;
}

/** The label of a box of one that was asked is a piece of the expression, which may have no noun: "left" names no kind. */
function namesKind(label: string, photo: ExaminedPhoto | undefined): boolean {
  return !photo?.asked || parseExpression(label).head !== null;
}

function candidatesOf(
  query: Query,
  photo: ExaminedPhoto | undefined,
  { detectorName = '', calibration }: NonNullable<RequestSource['source']> = {},
): readonly Candidate[] {
  const own = (photo?.detections ?? []).map(
    ({ boxXyxy, score, label }, rank): Candidate => ({
      boxXyxy,
      tool: detectorName,
      rank,
      score,
      ...(namesKind(label, photo) && { label }),
      ...(calibration && { calibration }),
    }),
  );
  const brought = query.tools.flatMap(({ name, boxes }) =>
    boxes.map((box, rank): Candidate => ({ ...box, tool: name, rank })),
  );
  return [...brought, ...own];
}
