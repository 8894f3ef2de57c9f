import { asVgrError } from '../core/error.js';
import { writeFileAtomic } from '../core/files.js';
import { photoThumbnail } from '../photos/crop.js';
import { imageRoots } from '../photos/find-photos.js';
import { ImageRoots } from '../photos/image-path.js';
import { plotCharts } from './charts.js';
import type { Evaluation } from './evaluation-run.js';
import type { GalleryEntry, ReportPhoto } from './gallery.js';
import type { RefinementReport } from './refinement-report.js';
import { renderReport } from './report.js';
import { reportData } from './report-data.js';
import type { EvalCommand, EvalSubject } from './settings.js';

/** Long side of a photo in the gallery, pixels: sharp on a phone, and forty of them stay under 2 MB. */
const THUMBNAIL_SIDE = 480;

/** Writes the HTML report. */
export async function writeReport(
  command: EvalCommand,
  path: string,
  subject: EvalSubject,
  scored: { readonly evaluation: Evaluation; readonly report: RefinementReport },
): Promise<void> {
  const data = reportData(scored.evaluation, scored.report, {
    title: 'Refinement report',
    subject: subjectRows(command, subject),
  });
  const photos = await galleryPhotos(command, data.gallery);
  await writeFileAtomic(path, [await renderReport(data, plotCharts, photos)]);
}

function subjectRows({ flags }: EvalCommand, subject: EvalSubject): [string, string][] {
  const queries = flags.queries ?? flags.refs;
  const rows: [string, string][] = queries === undefined ? [] : [['queries', queries]];
  if (subject.kind === 'results') rows.push(['results', subject.results]);
  if (subject.kind === 'dump') rows.push(['dump', subject.dump]);
  if (subject.kind === 'tools') rows.push(['tool', subject.names[0]], ['answer', subject.names[1]]);
  return rows;
}

async function galleryPhotos(
  { images, printer }: EvalCommand,
  gallery: readonly GalleryEntry[],
): Promise<ReadonlyMap<number, ReportPhoto>> {
  const photos = new Map<number, ReportPhoto>();
  if (images.length === 0) {
    if (gallery.length > 0)
      printer.note('note: no photos in the report: name their folder, `vgr eval ./images ...`');
    return photos;
  }
  const roots = await ImageRoots.open(await imageRoots(images));
  let missing = 0;
  for (const { row, image } of gallery) {
    if (image === undefined) continue;
    try {
      photos.set(row, await photoThumbnail(await roots.resolve(image), THUMBNAIL_SIDE));
    } catch (thrown) {
      if (asVgrError(thrown).exit !== 1) throw thrown;
      missing += 1;
    }
  }
  if (missing > 0) printer.note(`note: ${missing} photos of the gallery cannot be read`);
  return photos;
}
