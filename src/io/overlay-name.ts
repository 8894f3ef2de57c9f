import { createHash } from 'node:crypto';

/** Longest part of a name that is taken over as it is. */
const KEPT_CHARACTERS = 80;
const PLAIN = /^[a-z0-9_][a-z0-9_.-]*$/;
const HASHED = /-[0-9a-f]{16}$/;
/** Names that Windows keeps for devices, with any extension. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/;

/**
 * A file name, without extension, for a query id or the name of a photo. Holds letters, digits, `_`, `.` and `-` only, is no
 * longer than 97 characters and never begins with a dot. Two ids never share one, on file systems without upper case
 * too: whatever is not plain lower case carries a hash of the id. `q7` is `q7`, `zoo/3.jpg` is `zoo_3.jpg-...`.
 */
export function overlayName(id: string): string {
  if (id.length <= KEPT_CHARACTERS && PLAIN.test(id) && !HASHED.test(id) && !DEVICE.test(id)) {
    return id;
  }
  const readable = id
    .slice(0, KEPT_CHARACTERS)
    .replace(/[^A-Za-z0-9_.-]/g, '_')
    .replace(/^[.-]/, '_');
  // UTF-16 code units, for the UTF-8 of halves of surrogate pairs is the same for all of them.
  const hash = createHash('sha256').update(Buffer.from(id, 'utf16le')).digest('hex').slice(0, 16);
  return (
    `${DEVICE.test(readable.toLowerCase()) ? '_' : ''}${readable}`.slice(0, KEPT_CHARACTERS) +
    `-${hash}`
  );
}
