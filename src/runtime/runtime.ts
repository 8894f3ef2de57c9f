import type { ImageSize } from '../core/box.js';
import { quoted, VgrError } from '../core/error.js';
import type { Terminal } from '../core/terminal.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import type { Refiner } from '../refine/refiner.js';
import { type AskRefiner, answering, type PhotoSource, singlyOnError } from './answerer.js';
import type { InferenceFlags } from './device.js';
import type { CropMatching } from './encoder.js';
import { decodingMemory, type Engine, openEngine, photoOpener } from './engine.js';
import type { OpenedGrounding } from './grounding.js';
import { photoShelf, sharedPhoto } from './photo-store.js';
import {
  candidateSources,
  type OpenPhotoFor,
  type PhotoRef,
  startedProgress,
  vocabularyOf,
} from './ports.js';
import type { AnswerSettings, FurtherSight } from './query-answer.js';
import { type OpenedRefiner, type OpenRefinerFlags, openRefiner, unfittedNote } from './refiner.js';
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
  /** The path of a photo, where queries were made for photos that were found already. */
  readonly locate?: (image: string) => Promise<string>;
  readonly flags: RuntimeFlags;
  /** Where the sessions run; whoever started them ends them. */
  readonly threads: Threads;
  /** Where replies of servers are kept between runs. */
  readonly cacheFolder: string;
}

/** The running parts of `refine`. Whoever opened them closes them. */
export type Runtime = Awaited<ReturnType<typeof openRuntime>>;

/**
 * Opens the detector, the refiner and the photos of a run. What was opened is closed again where something later fails.
 * @throws VgrError of the flags, the models, the device, the server, or of folders that are not there
 */
export async function openRuntime(
  { images, locate, flags, threads, cacheFolder }: RuntimeSettings,
  { printer, interruption }: Terminal,
) {
  const hasPhotos = images.length > 0 || locate !== undefined;
  const detector = hasPhotos ? flags.detector : ['none'];
  const engine = await openEngine({ ...flags, detector }, threads, printer);
  let refiner: OpenedRefiner | undefined;
  const close = async (): Promise<void> => {
    engine[Symbol.dispose]();
    await refiner?.large?.close();
  };
  try {
    const { signal } = interruption;
    const notice = (text: string): void => printer.note(text);
    refiner = await openRefiner(flags, { cacheFolder, signal, notice, threads });
    const names = engine.detectors.map(({ name }) => name);
    const { grounding } = refiner;
    if (grounding && names.includes(grounding.detector.name)) {
      throw new VgrError(
        'USAGE',
        `--cascade-large: expected another model than those of --detector, got ${quoted(grounding.detector.name)}`,
        { hint: 'with it as a detector, every expression is asked already: leave the cascade out' },
      );
    }
    const unfitted = names.length > 0 ? unfittedNote(refiner, names) : undefined;
    if (unfitted !== undefined) printer.note(unfitted);
    const running = await assemble({ images, locate, hasPhotos }, flags, engine, refiner);
    const models = grounding ? [...engine.models, grounding.model] : engine.models;
    return {
      engine: { ...engine, models },
      refiner,
      ...running,
      [Symbol.asyncDispose]: close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** Most queries that go to a thread together: enough to be worth a message, few enough to share among threads. */
const MAX_BLOCK = 128;

/** Queries of one photo lie near each other: this many are in work for each photo that is. */
const QUERIES_PER_PHOTO = 4;

async function assemble(
  {
    images,
    locate,
    hasPhotos,
  }: Pick<RuntimeSettings, 'images' | 'locate'> & { readonly hasPhotos: boolean },
  flags: RuntimeFlags,
  engine: Engine,
  refiner: OpenedRefiner,
) {
  const { detectors, threads, inFlight } = engine;
  const { encoder, large, grounding } = refiner;
  const progress = startedProgress();
  const encoding = encoder && hasPhotos ? await import('./encoder.js') : undefined;
  const memory = await decodingMemory(
    flags['max-memory'],
    threads.sessions,
    grounding ? [...detectors, grounding.detector] : detectors,
    encoding && ((sessions) => encoding.warmEncoder(encoder!, sessions)),
  );
  const { openFor: open, meter: decoding } = photoOpener(flags, memory);
  // Without a detector photos matter only to a refiner that looks at them itself.
  const looksAtPhotos = hasPhotos && (detectors.length > 0 || (encoder || large) !== undefined);
  let photos: PhotoSource | undefined;
  if (looksAtPhotos) {
    const pathOf = locate ?? (await namedIn(images, flags['allow-outside']));
    photos = {
      locate: async (image) => ({ image, path: await pathOf(image) }),
      shelf: photoShelf({ open, detectors, progress }, 2 * inFlight, large?.rasterSide),
    };
  }
  const settings: AnswerSettings = {
    detectors: candidateSources(detectors),
    toolName: flags.tool,
    timing: !flags['no-timing'],
    vocabulary: vocabularyOf(detectors),
  };
  // Refiners that ask a server or an encoder, and those of a detector that takes prompts, answer on this thread.
  const isPrompted = detectors.some(({ prompted }) => prompted);
  const spec = encoding || isPrompted ? undefined : refiner.spec;
  const ask = spec
    ? singlyOnError((queries, seen) =>
        threads.pool.refine({ refiner: spec, queries, seen: seen && sharedPhoto(seen), settings }),
      )
    : await askHere(
        await refiner.make(),
        settings,
        encoding?.photoMatching(encoder!, flags, memory),
        large?.picture?.(memory),
        grounding && (await groundingIn(grounding, open, inFlight)),
      );
  const asked = Math.ceil((large?.inFlight ?? 0) / QUERIES_PER_PHOTO);
  return {
    progress,
    memory,
    /** Of the cores that decode photos. */
    decoding,
    /** Whether anything looks at photos. */
    looksAtPhotos,
    /** Most queries that `answer` takes together. */
    blockSize: spec ? MAX_BLOCK : 1,
    /**
     * Blocks of queries to keep in work so that nobody waits for them. In threads one block more than there are waits for the first
     * that is free, beside the photos that are looked at.
     */
    concurrency: spec
      ? threads.sessions + 1 + (looksAtPhotos ? inFlight : 0)
      : QUERIES_PER_PHOTO * (inFlight + asked),
    answer: answering(ask, photos, progress),
    /** The path of a photo. @throws VgrError IMAGE_MISSING where nothing looks at photos; and as {@link PhotoSource} */
    locate: async (image: string): Promise<string> => {
      if (!photos) throw new VgrError('IMAGE_MISSING', `no folder of photos for ${quoted(image)}`);
      return (await photos.locate(image)).path;
    },
  };
}

/** The photos that a model is asked about are few: it decodes them for itself. */
async function groundingIn({ detector }: OpenedGrounding, open: OpenPhotoFor, inFlight: number) {
  const { groundingOf } = await import('./grounding.js');
  const parts = { open, detectors: [detector], progress: startedProgress() };
  return groundingOf(detector, photoShelf(parts, inFlight));
}

/** Finds photos by what lines call them. */
async function namedIn(images: readonly string[], allowOutside: boolean) {
  const roots = await ImageRoots.open(await imageRoots(images), { allowOutside });
  return (image: string) => roots.resolve(image);
}

/** Answers on this thread, with what the refiner needs of the photo. The modules that this takes are loaded only here. */
async function askHere(
  refiner: Refiner,
  settings: AnswerSettings,
  crops: CropMatching | undefined,
  draw: ((photo: PhotoRef, size: ImageSize) => Promise<string>) | undefined,
  groundingOf: ((ref: PhotoRef) => FurtherSight['ground']) | undefined,
): Promise<AskRefiner> {
  const { answerQueries } = await import('./query-answer.js');
  return (queries, seen, turn) => {
    if (!seen) return answerQueries({ queries, settings }, refiner, { turn });
    const photo = seen.photo.size;
    const encodePhoto: FurtherSight['encodePhoto'] =
      draw &&
      (async (sizeFor) => {
        const picture = sizeFor(photo);
        return { url: await draw(seen.ref, picture), photo, picture };
      });
    const ground = groundingOf?.(seen.ref);
    const further = { turn, crops: crops?.(seen.ref), encodePhoto, ground };
    return answerQueries({ queries, seen, settings }, refiner, further);
  };
}
