import { createHash } from 'node:crypto';

/** By which a picture is known again: a photo of the user is never replaced, and no picture is taken for a photo. */
export const PICTURE_MARK = 'vgr overlay';
const OURS = new RegExp(`Exif[^]{0,200}${PICTURE_MARK}`);

/** @param head the first bytes of a file, as Latin-1 */
export function isPicture(head: string): boolean {
  return OURS.test(head);
}

/** Maximum length of the readable part of a name, characters and bytes: file systems take 255 bytes. */
const KEPT_CHARACTERS = 80;
const KEPT_BYTES = 140;
const PLAIN = /^[a-z0-9_][a-z0-9_.-]*$/;
const HASHED = /-[0-9a-f]{16}$/;
/** A number in another form than {@link safeName} writes it. */
const PADDED = /^\d{6,}$|^0\d/;
const NUMBER = /^(?:0|[1-9]\d{0,5})$/;
/** Names that Windows reserves for devices, with any extension. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/;
/** Stands for the `/` of a path whose parts are plain. */
const FOLDER = '__';
const EXTENSION = /\.(?:jpe?g|png|webp|avif|tiff?|gif)$/i;

/**
 * The name of a picture, which sorts by query and tells the photo: `q7+zoo__3.jpg` for query `q7` of `zoo/3.jpg`, `000012+dog.jpg` for
 * the one without id in line 12. What has no id of its own is named by the photo: `zoo__3.jpg`, and `zoo__3+2.jpg` for its second
 * expression. Letters of all scripts stay; two lines of one run never share a name, also on file systems that ignore case.
 */
export function pictureName({ id, image }: { readonly id?: string; readonly image?: string }) {
  if (image === undefined) return `${safeName(id ?? '')}.jpg`;
  const rest = id?.startsWith(image) ? id.slice(image.length) : undefined;
  if (id === undefined || rest === '') return `${photoName(image)}.jpg`;
  const number = /^#([1-9]\d{0,5})$/.exec(rest ?? '')?.[1];
  if (number !== undefined) return `${photoName(image)}+${number}.jpg`;
  // The id alone tells pictures apart.
  return `${safeName(id)}+${readable(image.replace(EXTENSION, ''), 40)}.jpg`;
}

/** A name for a photo that no other photo has. `dog.jpg` is `dog`; `dog.png` stays, for `dog.jpg` may be there too. */
function photoName(image: string): string {
  const stem = image.replace(/\.jpg$/, '');
  const folders = stem.split('/');
  const isPlain = folders.every((part) => isOwnName(part) && !/^_|_$|__/.test(part));
  if (stem !== image && !EXTENSION.test(stem) && isPlain && stem.length <= KEPT_CHARACTERS) {
    return folders.join(FOLDER);
  }
  return hashed(image.replace(EXTENSION, ''), image);
}

/**
 * A file name, without extension, for an id: letters, digits, `_`, `.` and `-`, not beginning with a dot. Two ids never share one:
 * whatever is not plain lower case has a hash of the id. `q7` is `q7`, and numbers have six digits, so that they sort.
 */
export function safeName(id: string): string {
  if (NUMBER.test(id)) return id.padStart(6, '0');
  return isOwnName(id) && !PADDED.test(id) ? id : hashed(id, id);
}

function isOwnName(text: string): boolean {
  const isPlain = text.length <= KEPT_CHARACTERS && PLAIN.test(text);
  return isPlain && !HASHED.test(text) && !DEVICE.test(text);
}

/** @param whole what no other name may have in common with this one */
function hashed(text: string, whole: string): string {
  // UTF-16 code units: all lone surrogates have the same UTF-8.
  const bytes = Buffer.from(whole, 'utf16le');
  return `${readable(text)}-${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
}

/** Letters, digits, `_`, `.` and `-` of a text. */
function readable(text: string, characters = KEPT_CHARACTERS): string {
  const name = text
    .slice(0, characters)
    .replace(/[^\p{L}\p{M}\p{N}_.-]/gu, '_')
    .replace(/^[\p{M}.-]/u, '_');
  const safe = DEVICE.test(name.toLowerCase()) ? `_${name}` : name;
  const cut = Buffer.from(safe).subarray(0, KEPT_BYTES).toString('utf8');
  return cut.replace(/\ufffd+$/, '').normalize('NFC');
}
