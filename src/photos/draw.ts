import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OverlayOptions } from 'sharp';
import sharp from 'sharp';
import type { ImageSize } from '../core/box.js';
import { printable } from '../core/error.js';
import { refuseForeignFile, writeFileAtomic } from '../core/files.js';
import { counted } from '../core/text.js';
import {
  answerBoxes,
  type Bbox2d,
  DECISION_WORDS,
  type DetectionsLine,
  FAINT_BELOW,
  type ResultLine,
} from '../formats/result-line.js';
import { decoderOf, type OpenPhotoOptions, withPhoto } from './decode.js';
import { isPicture, PICTURE_MARK, pictureName } from './picture-name.js';

/** Long side of the drawn photo, pixels; smaller photos stay as they are. */
const LONG_SIDE = 1280;
/** Minimum width, so that the caption can be read: a narrow photo is at the left of its picture. */
const MIN_WIDTH = 480;
const PADDING = 10;
const CAPTION_BACKGROUND = '#ffffff';
const TOOL_COLOUR = '#1a4fff';
const ANSWER_COLOUR = '#e0002a';
const INK = '#1c1c1c';
/** If there are many boxes, faint ones are thin and without labels, so that the picture can be read. */
const MANY_BOXES = 12;

interface Stroke {
  readonly box: Bbox2d;
  readonly colour: string;
  /** Dashes distinguish the tool from the answer without colours. */
  readonly dashed?: boolean;
  readonly faint?: boolean;
  /** Written at the top left corner of the box. */
  readonly tag?: string;
}

/** A folder of photos with boxes drawn over them: one JPEG per line, named as {@link pictureName} says. */
export class OverlayFolder {
  /** Pictures that were drawn, and the last of them. */
  count = 0;
  last = '';

  constructor(
    readonly folder: string,
    private readonly limits: OpenPhotoOptions = {},
  ) {}

  /**
   * The box of the tool in dashed blue, those of the answer in solid red, expression and decision below.
   * @param photo path of the line's photo
   * @throws VgrError DISK_FULL, OUTPUT_UNWRITABLE, or as {@link withPhoto}
   */
  async drawAnswer(line: ResultLine, photo: string): Promise<void> {
    const { tool, answer } = line;
    const strokes: Stroke[] = [];
    // The box of the tool is on top: where both are the same, that of the answer shows between its dashes.
    for (const { bbox_2d } of answerBoxes(answer).toReversed()) {
      strokes.push({ box: bbox_2d, colour: ANSWER_COLOUR });
    }
    if (tool.bbox_2d) strokes.push({ box: tool.bbox_2d, colour: TOOL_COLOUR, dashed: true });
    await this.#draw(line, { photo, size: line }, strokes, [
      { text: `\u201c${line.query}\u201d`, colour: INK },
      { text: `\u2014\u2014 ${answerCaption(answer)}`, colour: ANSWER_COLOUR },
      { text: `- - ${toolCaption(tool)}`, colour: TOOL_COLOUR },
      { text: answer.text, colour: INK },
    ]);
  }

  /**
   * Every box, with label and score if the score is good or there are few boxes. The best are on top.
   * @throws VgrError as {@link drawAnswer}
   */
  async drawDetections(line: DetectionsLine, photo: string): Promise<void> {
    const many = line.detections.length > MANY_BOXES;
    const isFaint = (score: number): boolean => many && score < FAINT_BELOW;
    const strokes = line.detections
      .toReversed()
      .map(({ label, score, bbox_2d, category_id }) => ({
        box: bbox_2d,
        colour: categoryColour(category_id),
        faint: isFaint(score),
        tag: isFaint(score) ? undefined : `${label} ${score.toFixed(2)}`,
      }))
      .sort((a, b) => Number(b.faint) - Number(a.faint));
    const clear = line.detections.filter(({ score }) => score >= FAINT_BELOW).length;
    const faint = strokes.length - clear;
    const text = `${line.image}: ${counted(clear, 'object')}${faint > 0 ? `; ${faint} weaker than ${FAINT_BELOW}` : ''}`;
    await this.#draw(line, { photo, size: line }, strokes, [{ text, colour: INK }]);
  }

  async #draw(
    line: { readonly id?: string; readonly image?: string },
    { photo, size }: { readonly photo: string; readonly size: ImageSize },
    strokes: readonly Stroke[],
    caption: Parameters<typeof captionLayers>[1],
  ): Promise<void> {
    const base = await openBase(photo, size, this.limits);
    const { layers, height } = await captionLayers(base, caption);
    const jpeg = await sharp(base.png)
      .extend({
        right: pictureWidth(base) - base.width,
        bottom: height,
        background: CAPTION_BACKGROUND,
      })
      .composite([strokeLayer(base, strokes), ...(await tagLayers(base, strokes)), ...layers])
      // Thin coloured lines need the colour of every pixel.
      .jpeg({ quality: 88, chromaSubsampling: '4:4:4' })
      .withExif({ IFD0: { Software: PICTURE_MARK } })
      .toBuffer();
    const file = path.join(this.folder, pictureName(line));
    await refuseForeignFile(file, { isOurs: isPicture });
    await writeFileAtomic(file, jpeg, { durable: false, within: this.folder });
    this.count += 1;
    this.last = file;
  }
}

function answerCaption({ decision, score, label, boxes }: ResultLine['answer']): string {
  const count = boxes && boxes.length > 1 ? `, ${boxes.length} boxes` : '';
  return `answer: ${DECISION_WORDS[decision]}${label === undefined ? '' : `, ${label}`}${count} ${score.toFixed(2)}`;
}

function toolCaption({ name, bbox_2d, score, label }: ResultLine['tool']): string {
  if (!bbox_2d) return `${name}: nothing`;
  const words = [label, score?.toFixed(2)].filter((word) => word !== undefined);
  return words.length > 0 ? `${name}: ${words.join(' ')}` : name;
}

/** Dark enough for white letters; hues of successive ids are a golden angle apart. */
function categoryColour(id: number): string {
  const hue = (id * 137.508) % 360;
  const channel = (shift: number): string => {
    const k = (shift + hue / 30) % 12;
    const value = 0.36 - 0.32 * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** The photo at the size of its picture, lossless. */
interface Base extends ImageSize {
  readonly png: Buffer;
  /** Its pixels per pixel of the photo. */
  readonly scale: number;
}

/** @param size of the upright photo, which the boxes count in */
async function openBase(photo: string, size: ImageSize, limits: OpenPhotoOptions): Promise<Base> {
  const { data, info } = await withPhoto(photo, limits, (file) =>
    decoderOf(file)
      .autoOrient()
      .resize(LONG_SIDE, LONG_SIDE, { fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .png({ compressionLevel: 0 })
      .toBuffer({ resolveWithObject: true }),
  );
  return { png: data, width: info.width, height: info.height, scale: info.width / size.width };
}

function pictureWidth({ width }: Base): number {
  return Math.max(MIN_WIDTH, width);
}

function strokeLayer({ width, height, scale }: Base, strokes: readonly Stroke[]): OverlayOptions {
  const line = Math.max(2, Math.round(Math.max(width, height) / 320));
  const rects = strokes.map(({ box, colour, dashed, faint }) => {
    const [x1, y1, x2, y2] = box.map((value) => value * scale) as [number, number, number, number];
    // Half a line inside the border, so that boxes along it are visible.
    const left = Math.min(Math.max(x1, line / 2), width - line);
    const top = Math.min(Math.max(y1, line / 2), height - line);
    const w = Math.max(1, Math.min(x2, width - line / 2) - left);
    const h = Math.max(1, Math.min(y2, height - line / 2) - top);
    const at = `x="${left.toFixed(1)}" y="${top.toFixed(1)}" width="${w.toFixed(1)}" height="${h.toFixed(1)}"`;
    if (faint) return `<rect ${at} stroke="${colour}" stroke-width="1" stroke-opacity="0.6"/>`;
    const rect = `<rect ${at} stroke="${colour}" stroke-width="${line}"`;
    // The other box must show between the dashes, so only solid lines get a halo.
    if (dashed) return `${rect} stroke-dasharray="${line * 4} ${line * 3}"/>`;
    return `<rect ${at} stroke="#ffffff" stroke-opacity="0.7" stroke-width="${line + 2}"/>${rect}/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><g fill="none">${rects.join('')}</g></svg>`;
  return { input: Buffer.from(svg), left: 0, top: 0 };
}

/** Tags at the top left corners of boxes, inside the picture; those that are larger than the picture are left out. */
async function tagLayers(
  { width, height, scale }: Base,
  strokes: readonly Stroke[],
): Promise<OverlayOptions[]> {
  const size = Math.max(11, Math.round(Math.max(width, height) / 75));
  const layers: OverlayOptions[] = [];
  for (const { tag, box, colour } of strokes) {
    if (tag === undefined) continue;
    const text = await drawText(tag, { size, colour: '#ffffff' }, 40);
    const area = { width: text.width + 6, height: Math.max(size, text.height) + 4 };
    if (area.width > width || area.height > height) continue;
    const left = clamp(Math.round(box[0] * scale), width - area.width);
    const top = clamp(Math.round(box[1] * scale) - area.height, height - area.height);
    layers.push(
      { input: { create: { ...area, channels: 3, background: colour } }, left, top },
      { input: text.png, left: left + 3, top: top + area.height - 2 - text.height },
    );
  }
  return layers;
}

/** The lines below the photo, and their height. */
async function captionLayers(
  base: Base,
  lines: readonly { readonly text: string; readonly colour: string }[],
): Promise<{ readonly layers: OverlayOptions[]; readonly height: number }> {
  const size = Math.max(14, Math.round(pictureWidth(base) / 56));
  const gap = Math.round(size / 2);
  const layers: OverlayOptions[] = [];
  let top = base.height + PADDING;
  for (const { text, colour } of lines) {
    if (text === '') continue;
    const width = pictureWidth(base) - 2 * PADDING;
    const picture = await drawText(text, { size, colour, width });
    layers.push({ input: picture.png, left: PADDING, top });
    // Lines without descenders are lower, but keep their distance.
    top += Math.max(picture.height, size) + gap;
  }
  return { layers, height: top + PADDING - gap - base.height };
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}

/** Many servers have no fonts. Scripts that this one lacks are taken from the system. */
const FONT_FILE = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');
const FONT_CONFIGURATION = fileURLToPath(new URL('../../assets/fonts/fonts.conf', import.meta.url));

interface TextStyle {
  /** Height of the letters' line, pixels. */
  readonly size: number;
  /** `#rrggbb` */
  readonly colour: string;
  /** Widest line, pixels; longer text goes on in the next line. */
  readonly width?: number;
}

/** Without a configuration fontconfig complains on stderr. This one, without folders, is for machines that have none. */
function provideFontConfiguration(): void {
  const { env } = process;
  if (env.FONTCONFIG_FILE || env.FONTCONFIG_PATH || existsSync('/etc/fonts/fonts.conf')) return;
  if (process.platform === 'linux') env.FONTCONFIG_FILE = FONT_CONFIGURATION;
}

/** Draws text of the user: as it is written, never as markup, cut after `limit` characters. */
export async function drawText(text: string, style: TextStyle, limit = 300) {
  provideFontConfiguration();
  const shown = printable(text.length > limit ? `${text.slice(0, limit)}...` : text);
  return render(shown, style).catch((thrown: Error) => {
    // Text without ink, such as spaces or fillers, is refused.
    if (thrown.message.includes('no text to render')) return render('\u00b7', style);
    throw thrown;
  });
}

/** Text as transparent pixels. */
async function render(text: string, { size, colour, width }: TextStyle) {
  const { data, info } = await sharp({
    text: {
      text: `<span foreground="${colour}">${escapeMarkup(text)}</span>`,
      font: `DejaVu Sans ${size}`,
      fontfile: FONT_FILE,
      dpi: 72,
      rgba: true,
      width,
      wrap: 'word-char',
    },
  })
    .png({ compressionLevel: 1 })
    .toBuffer({ resolveWithObject: true });
  return { png: data, width: info.width, height: info.height };
}

/** Pango's markup is XML. */
function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)!};`);
}
