import type { ImageSize } from '../core/box.js';
import type { Terminal } from '../core/terminal.js';
import type { Query } from '../formats/query-line.js';
import type { DecodingMemory } from '../photos/decode.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import type { Refiner } from '../refine/refiner.js';
import { Answerer, type Answers, type AskRefiner, singlyOnError } from './answerer.js';
import type { InferenceFlags } from './device.js';
import type { CropMatching } from './encoder.js';
import { type Engine, type LaneMeter, openEngine, PhotoOpener } from './engine.js';
import { decodingMemory } from './memory-limit.js';
import { photoShelf, sharedPhoto } from './photo-store.js';
import { type PhotoRef, startedProgress } from './ports.js';
import { type AnswerSettings, answerQueries, type FurtherSight } from './query-answer.js';
import { type OpenedRefiner, type OpenRefinerFlags, openRefiner } from './refiner.js';
import type { Threads } from './threads.js';

export interface RuntimeFlags extends InferenceFlags, OpenRefinerFlags {
  readonly tool?: string;
  readonly 'max-memory'?: string;
  readonly 'allow-outside': boolean;
  readonly 'no-timing': boolean;
}

export interface RuntimeSettings {
  /** Folders that the photos of the queries are named in; none where the queries bring their own boxes. */
  readonly images: readonly string[];
  readonly flags: RuntimeFlags;
  /** Where the sessions run; whoever started them ends them. */
  readonly threads: Threads;
  /** Where replies of servers are kept between runs. */
  readonly cacheFolder: string;
}

/**
 * Opens the detector, the refiner and the photos of a run. What was opened is closed again where something later fails.
 * @throws VgrError of the flags, the models, the device, the server, or of folders that are not there
 */
export async function openRuntime(
  { images, flags, threads, cacheFolder }: RuntimeSettings,
  { printer, interruption }: Terminal,
): Promise<Runtime> {
  const detector = images.length > 0 ? flags.detector : 'none';
  const engine = await openEngine({ ...flags, detector }, threads, printer);
  let refiner: OpenedRefiner | undefined;
  try {
    const { pool } = threads;
    refiner = await openRefiner(flags, { cacheFolder, signal: interruption.signal, pool });
    return new Runtime(engine, refiner, await openSight(images, flags, engine, refiner), flags);
  } catch (thrown) {
    await close(engine, refiner);
    throw thrown;
  }
}

async function close(engine: Engine, refiner: OpenedRefiner | undefined): Promise<void> {
  engine[Symbol.dispose]();
  await refiner?.large?.close();
}

/** How a run looks at photos. */
interface Sight {
  readonly memory: DecodingMemory;
  readonly opener: PhotoOpener;
  /** Absent where nothing looks at photos, and queries bring their own boxes. */
  readonly roots?: ImageRoots;
  readonly crops?: CropMatching;
  readonly picture?: (photo: PhotoRef, size: ImageSize) => Promise<string>;
}

async function openSight(
  images: readonly string[],
  flags: RuntimeFlags,
  { detector, threads }: Engine,
  { needs, encoder, large }: OpenedRefiner,
): Promise<Sight> {
  const encoding = encoder && images.length > 0 ? await import('./encoder.js') : undefined;
  const memory = await decodingMemory(
    flags['max-memory'],
    threads.sessions,
    detector,
    encoding && ((sessions) => encoding.warmEncoder(encoder!, sessions)),
  );
  const opener = new PhotoOpener(flags, memory);
  // Without a detector photos matter only to a refiner that looks at them itself.
  if (images.length === 0 || (!detector && needs.length === 0)) return { memory, opener };
  const allowOutside = flags['allow-outside'];
  return {
    memory,
    opener,
    roots: await ImageRoots.open(await imageRoots(images), { allowOutside }),
    crops: encoding?.cropMatching(encoder!, flags, memory),
    picture: large?.picture(memory),
  };
}

/** Most queries that go to a thread together: enough to be worth a message, few enough to share among threads. */
const MAX_BLOCK = 128;

/** Queries of one photo lie near each other: this many are in work for each photo that is. */
const QUERIES_PER_PHOTO = 4;

/** The running parts of `refine`. */
export class Runtime implements AsyncDisposable {
  readonly progress = startedProgress();
  readonly memory: DecodingMemory;
  /** Of the cores that decode photos. */
  readonly decoding: LaneMeter;
  /** Whether anything looks at photos. */
  readonly looksAtPhotos: boolean;
  readonly #inThreads: boolean;
  readonly #answerer: Answerer;

  constructor(
    readonly engine: Engine,
    readonly refiner: OpenedRefiner,
    sight: Sight,
    flags: RuntimeFlags,
  ) {
    const { detector, threads } = engine;
    const { roots, crops, opener } = sight;
    this.memory = sight.memory;
    this.decoding = opener.meter;
    this.looksAtPhotos = roots !== undefined;
    const settings: AnswerSettings = {
      detectorName: roots && detector?.name,
      calibration: roots && detector?.calibration,
      toolName: flags.tool,
      timing: !flags['no-timing'],
    };
    // Refiners that ask a server or an encoder, and those of a detector that is asked in words, answer on this thread.
    const spec = crops || detector?.prompted ? undefined : refiner.spec;
    this.#inThreads = spec !== undefined;
    const ask = spec
      ? singlyOnError((queries, seen) =>
          threads.pool.refine({
            refiner: spec,
            queries,
            seen: seen && sharedPhoto(seen),
            settings,
          }),
        )
      : askHere(refiner.refiner, settings, sight);
    const photos = roots && {
      locate: async (image: string) => ({ image, path: await roots.resolve(image) }),
      shelf: photoShelf(
        { open: opener.open, detector, progress: this.progress },
        2 * engine.inFlight,
        refiner.large?.rasterSide,
      ),
    };
    this.#answerer = new Answerer(ask, photos, this.progress);
  }

  /** Most queries that {@link answer} takes together. */
  get blockSize(): number {
    return this.#inThreads ? MAX_BLOCK : 1;
  }

  /** Blocks of queries to keep in work so that nobody waits for them. */
  get concurrency(): number {
    const { inFlight, threads } = this.engine;
    const asked = Math.ceil((this.refiner.large?.inFlight ?? 0) / QUERIES_PER_PHOTO);
    if (!this.#inThreads) return QUERIES_PER_PHOTO * (inFlight + asked);
    // One block more than there are threads lies ready for the first that is free, beside the photos that are looked at.
    return threads.sessions + 1 + (this.looksAtPhotos ? inFlight : 0);
  }

  /**
   * Answers queries of one photo, or queries without one. The order of the calls is the order of the input.
   * @param queries one or more, at most {@link blockSize}
   * @throws VgrError what ends the run
   */
  answer(queries: readonly Query[]): Promise<Answers> {
    return this.#answerer.answer(queries);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.engine, this.refiner);
  }
}

/** Answers on this thread, with what the refiner needs of the photo. */
function askHere(refiner: Refiner, settings: AnswerSettings, sight: Sight): AskRefiner {
  const { crops, picture: draw } = sight;
  return (queries, seen, turn) => {
    const further: FurtherSight = { turn, crops: seen && crops?.of(seen.ref) };
    if (!seen || !draw) return answerQueries({ queries, seen, settings }, refiner, further);
    const photo = seen.photo.size;
    const encodePhoto: FurtherSight['encodePhoto'] = async (sizeFor) => {
      const picture = sizeFor(photo);
      return { url: await draw(seen.ref, picture), photo, picture };
    };
    return answerQueries({ queries, seen, settings }, refiner, { ...further, encodePhoto });
  };
}
