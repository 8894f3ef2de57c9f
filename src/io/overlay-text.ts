import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { printable } from '../formats/fault.js';
import type { ImageSize } from '../geometry/box.js';

/** A font of our own, since many servers have none; scripts that it lacks come from the system, where that has them. */
const FONT_FILE = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');
const FONT_CONFIGURATION = fileURLToPath(new URL('../../assets/fonts/fonts.conf', import.meta.url));

export interface TextStyle {
  /** Height of the letters' line, pixels. */
  readonly size: number;
  /** `#rrggbb` */
  readonly colour: string;
  /** Widest line, pixels; longer text goes on in the next line. */
  readonly width?: number;
}

/** Text as transparent pixels. */
export interface TextPicture extends ImageSize {
  readonly png: Buffer;
}

/**
 * Without a configuration of its own, fontconfig complains on standard error; ours knows no folder. It is read once, before
 * the first text, and only where the machine has none.
 */
function provideFontConfiguration(): void {
  const { env } = process;
  if (env.FONTCONFIG_FILE || env.FONTCONFIG_PATH || existsSync('/etc/fonts/fonts.conf')) return;
  if (process.platform === 'linux') env.FONTCONFIG_FILE = FONT_CONFIGURATION;
}

/** Draws foreign text: shown as it is written, never read as markup, cut after `limit` characters. */
export async function drawText(text: string, style: TextStyle, limit = 300): Promise<TextPicture> {
  provideFontConfiguration();
  const shown = printable(text.length > limit ? `${text.slice(0, limit)}...` : text);
  try {
    return await render(shown, style);
  } catch (thrown) {
    // Text without ink, such as spaces or fillers, is refused.
    if (thrown instanceof Error && thrown.message.includes('no text to render')) {
      return render('\u00b7', style);
    }
    throw thrown;
  }
}

async function render(text: string, { size, colour, width }: TextStyle): Promise<TextPicture> {
  const { data, info } = await sharp({
    text: {
      text: `<span foreground="${colour}">${escapeMarkup(text)}</span>`,
      font: `DejaVu Sans ${size}`,
      fontfile: FONT_FILE,
      dpi: 72,
      rgba: true,
      ...(width !== undefined && { width, wrap: 'word-char' as const }),
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
