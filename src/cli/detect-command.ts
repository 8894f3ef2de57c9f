import { VgrError } from '../formats/fault.js';
import { listImages } from '../io/image-source.js';
import { OverlayFolder } from '../io/overlay.js';
import { detectPhotos, type PhotoItem } from '../pipeline/detect-run.js';
import { withoutDone } from '../pipeline/journal.js';
import { take, untilAborted } from '../pipeline/ordered-map.js';
import { startedProgress } from '../pipeline/ports.js';
import { inShard, parseShard } from '../pipeline/shard.js';
import { openEngine, photoOpener } from './engine.js';
import { type LineCommand, lineSettings, openSinks, streamOptions } from './line-command.js';
import { runLines } from './run-lines.js';

/** `vgr detect`: photos to detections. @returns the exit code */
export async function detectCommand(command: LineCommand): Promise<number> {
  const { images, flags, printer, interruption } = command;
  const shard = parseShard(flags.shard);
  const engine = await openEngine(flags, printer);
  try {
    const { detector } = engine;
    if (!detector) throw new VgrError('USAGE', '--detector: `detect` needs one, got `none`');
    const settings = {
      ...engine.settings,
      ...lineSettings(flags),
      images: JSON.stringify(images),
    };
    const sinks = await openSinks(command, settings, detector.categories);
    try {
      const progress = startedProgress();
      const overlays = flags.visualize ? new OverlayFolder(flags.visualize) : undefined;
      const wanted = (): AsyncIterable<PhotoItem> => {
        const listed = listImages(images, { allowOutside: flags['allow-outside'] });
        const mine = ofShard(listed, ({ image }) => inShard(image, shard));
        return take(mine, flags.limit ?? Number.POSITIVE_INFINITY);
      };
      const photos = withoutDone(untilAborted(wanted(), interruption.signal), (item) =>
        Boolean(sinks.folder?.done.hasPhoto(item)),
      );
      return await runLines({
        ...sinks,
        command: 'detect',
        settings,
        engine,
        lines: detectPhotos(photos, {
          open: photoOpener(flags),
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
        countItems: () => countOf(wanted()),
        noun: 'photos',
        printer,
        interruption,
      });
    } finally {
      await sinks.folder?.close();
    }
  } finally {
    await engine.close();
  }
}

async function* ofShard(
  photos: AsyncIterable<PhotoItem>,
  isMine: (photo: PhotoItem) => boolean,
): AsyncGenerator<PhotoItem> {
  for await (const photo of photos) if (isMine(photo)) yield photo;
}

async function countOf(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _item of items) count += 1;
  return count;
}
