import { quoted, VgrError } from '../formats/fault.js';
import { listImages } from '../io/image-source.js';
import { detectPhotos, intakePhotos, type PhotoItem } from '../pipeline/detect-run.js';
import { withoutDone } from '../pipeline/journal.js';
import { take, untilAborted } from '../pipeline/ordered-map.js';
import { type RunProgress, startedProgress } from '../pipeline/ports.js';
import { openEngine, photoOpener } from './engine.js';
import {
  type LineCommand,
  lineSettings,
  openOverlays,
  openShard,
  openSinks,
  plainPath,
  streamOptions,
} from './line-command.js';
import { decodingMemory } from './memory-limit.js';
import { runLines } from './run-lines.js';

/** `vgr detect`: photos to detections. @returns the exit code */
export async function detectCommand(command: LineCommand): Promise<number> {
  const { images, flags, printer, interruption } = command;
  const shard = openShard(flags, printer);
  const engine = await openEngine(flags, command.pool, printer);
  const { detector } = engine;
  if (!detector) throw new VgrError('USAGE', '--detector: `detect` needs one, got `none`');
  if (detector.prompted) {
    throw new VgrError(
      'USAGE',
      `--classes: ${quoted(detector.name)} finds what it is asked for; expected names, got none`,
      { hint: 'name what to look for: `--classes "cat,remote control"`' },
    );
  }
  const memory = await decodingMemory(flags['max-memory'], engine.sessions, detector);
  const settings = {
    ...engine.settings,
    ...lineSettings(flags, shard),
    images: JSON.stringify(images.map(plainPath)),
  };
  const sinks = await openSinks(command, shard, settings, detector.categories);
  try {
    const progress = startedProgress();
    const overlays = await openOverlays(images, flags.visualize, memory);
    const wanted = (counters: Pick<RunProgress, 'listed'>): AsyncIterable<PhotoItem> => {
      const listed = listImages(images, { allowOutside: flags['allow-outside'] });
      return take(intakePhotos(listed, shard, counters), flags.limit ?? Number.POSITIVE_INFINITY);
    };
    const photos = withoutDone(untilAborted(wanted(progress), interruption.signal), (item) =>
      Boolean(sinks.folder?.done.hasPhoto(item)),
    );
    return await runLines({
      ...sinks,
      command: 'detect',
      settings,
      engine,
      lines: detectPhotos(photos, {
        open: photoOpener(flags, memory, engine.decoding),
        detector,
        clock: () => performance.now(),
        progress,
        stream: streamOptions(flags, engine),
        timing: !flags['no-timing'],
        ...(overlays && { draw: (line, { path }) => overlays.drawDetections(line, path) }),
      }),
      progress,
      stages: [
        { title: 'decode', count: () => progress.decoded },
        { title: 'detect', count: () => progress.detected },
      ],
      countItems: () => countOf(wanted({ listed: 0 })),
      noun: 'photo',
      printer,
      interruption,
    });
  } finally {
    engine.closing();
    await sinks.folder?.close();
  }
}

async function countOf(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _item of items) count += 1;
  return count;
}
