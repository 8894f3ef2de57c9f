import { itemError } from '../core/error.js';
import type { RasterSpec } from '../core/raster.js';
import type { DecodeOptions, DetectedRaster, Detection } from '../detect/family.js';
import type { ScoreCalibration } from '../formats/model-card.js';
import type { Query } from '../formats/query-line.js';
import {
  type DetectionsLine,
  type ErrorLine,
  errorLine,
  lineJson,
  type OutputLine,
  type ResultLine,
} from '../formats/result-line.js';
import type { DecodedPhoto } from '../photos/decode.js';

/** A photo by name: `image` as outputs echo it, `path` of its file. */
export interface PhotoRef {
  readonly image: string;
  readonly path: string;
}

/** The file of a photo as it was read. */
export type PhotoFacts = Pick<DecodedPhoto, 'bytes' | 'sha256'>;

/** Opens photos. @throws VgrError with a code of kind item */
export type OpenPhoto = (ref: PhotoRef, spec: RasterSpec) => Promise<DecodedPhoto>;

/** Opens a photo for several detectors at once; the rasters are parallel to the specs. @throws VgrError with a code of kind item */
export type OpenPhotoFor = (
  ref: PhotoRef,
  specs: readonly RasterSpec[],
) => Promise<readonly DecodedPhoto[]>;

/** What a detector found in a photo. */
export interface Found {
  readonly detections: readonly Detection[];
  /** Whether the detector was asked the expression itself; its first box is its answer then. */
  readonly asked?: boolean;
}

/** A photo with what the detectors found in it. The raster is that of the first one. */
export interface ExaminedPhoto extends Found, DetectedRaster, Omit<DecodedPhoto, 'raster'> {
  readonly decodeMs: number;
  readonly detectMs: number;
  /** Of the other detectors of the run, in their order; absent where there is one. */
  readonly others?: readonly Found[];
}

/** The photo of queries. */
export interface SeenPhoto {
  readonly ref: PhotoRef;
  readonly photo: ExaminedPhoto;
  /** Whether it was looked at for the first of them, whose line alone gets the time that took. */
  readonly fresh: boolean;
}

/** A detector that is loaded in the session pool. */
export interface Detector {
  /** Name of the model: the name of the tool in results. */
  readonly name: string;
  readonly spec: RasterSpec;
  /** What its scores are worth; absent where nothing is known. */
  readonly calibration?: ScoreCalibration;
  /** Label and category id of everything it can find. */
  readonly categories: readonly { readonly id: number; readonly name: string }[];
  /**
   * The raster's buffer is moved away for the time of the call and comes back in the result. `ms`: the model's own time.
   * @throws VgrError WORKER_CRASHED when the thread ends under it; the raster is lost then
   */
  detect(photo: DecodedPhoto): Promise<DetectedRaster & { readonly ms: number }>;
  /** Present on a detector that takes the expressions themselves. Its `detect` is not called then. */
  readonly prompted?: PromptPort;
}

/** A detector as a source of candidates. */
export interface CandidateSource extends Pick<Detector, 'name' | 'calibration'> {
  /** All that it can find; absent where it is alone. */
  readonly labels?: readonly string[];
}

/** The detectors of a run as sources of candidates. */
export function candidateSources(detectors: readonly Detector[]): readonly CandidateSource[] {
  return detectors.map(({ name, calibration, categories }) => ({
    ...{ name, calibration },
    labels: detectors.length > 1 ? categories.map((each) => each.name) : undefined,
  }));
}

/** Every label of a run's detectors; undefined where one of them is asked in words, or there is none. */
export function vocabularyOf(detectors: readonly Detector[]): readonly string[] | undefined {
  if (detectors.length === 0 || detectors.some(({ prompted }) => prompted)) return undefined;
  return [...new Set(detectors.flatMap(({ categories }) => categories.map(({ name }) => name)))];
}

/** A prompted detector looks for `classes` in every photo; without them, for the expressions. */
export interface DetectorOptions extends DecodeOptions {
  /** Photos that one run may take together; a graph with a fixed batch dimension takes one. */
  readonly batchSize: number;
  /** Called with the number of prompts that are longer than the model reads. */
  readonly onCut?: (count: number) => void;
}

/** A detector that finds what words say. */
export interface PromptPort {
  /** Most expressions that one run takes. */
  readonly promptsARun: number;
  /**
   * What each expression finds in the photo, best first. The raster stays where it is. `ms`: the model's own time.
   * @throws VgrError WORKER_CRASHED when the thread ends under it
   */
  ask(
    photo: DecodedPhoto,
    expressions: readonly string[],
  ): Promise<{ readonly answers: readonly (readonly Detection[])[]; readonly ms: number }>;
}

/** What the books of a run need of a line. */
export type LineHead =
  | (Pick<ResultLine, 'type' | 'id' | 'image'> & {
      readonly answer?: Pick<ResultLine['answer'], 'decision' | 'score'> & {
        /** The noun of the query, where no detector of the run has a word for it. */
        readonly unknownNoun?: string;
      };
    })
  | Pick<DetectionsLine, 'type' | 'image'>
  | ErrorLine;

/** A line in writing, made once. */
export interface WrittenLine {
  readonly head: LineHead;
  /** As it goes out, without its line feed. */
  readonly json: string;
}

/** The answers of queries, or their error records, as they go out. */
export interface AnsweredQueries {
  /** Parallel to the queries. */
  readonly lines: readonly WrittenLine[];
  /** Time that they took together, milliseconds. */
  readonly ms: number;
}

/** A line of a run on its way out. */
export interface RunLine extends WrittenLine {
  /** Of its item in the input, counted from 1 over all shards: lines of a queries file, photos of a listing. */
  readonly index: number;
  /** What it answers, and the photo that was looked at, so that a rerun knows what has changed. */
  readonly query?: Query;
  readonly photo?: PhotoRef & PhotoFacts;
}

export function written(line: OutputLine): WrittenLine {
  return { head: headOf(line), json: lineJson(line) };
}

/** The error record of a query. @throws VgrError what ends the run */
export function failedQuery({ id, imagePath, line }: Query, thrown: unknown): ErrorLine {
  return errorLine({ id, line, image: imagePath }, itemError(thrown));
}

function headOf(line: OutputLine): LineHead {
  if (line.type === 'error') return line;
  const { type, image } = line;
  if (type === 'detections') return { type, image };
  const { decision, score } = line.answer;
  return { type, id: line.id, image, answer: { decision, score } };
}

/** Counters of a run at its start. Times are sums over all items, milliseconds; stages overlap. */
export function startedProgress() {
  return {
    /** Items of the whole input that were taken in, those of other shards among them. */
    listed: 0,
    decoded: 0,
    detected: 0,
    refined: 0,
    /** Queries that state another size than their photo has. */
    otherSizes: 0,
    decodeMs: 0,
    detectMs: 0,
    refineMs: 0,
  };
}

/** Counters of a run, read by the progress display and the summary. */
export type RunProgress = ReturnType<typeof startedProgress>;
