import { printable, quoted, VgrError } from '../formats/fault.js';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

const HINTS: Readonly<Record<string, string>> = {
  EACCES: 'check who may write there: `ls -ld FOLDER`',
  EPERM: 'check who may write there: `ls -ld FOLDER`',
  ENOENT: 'check that the folder above it is there and can be written to',
  EROFS: 'the file system is read-only: give another `--output`',
  ENOTDIR: 'a part of the path is a file: give another `--output`',
  EEXIST: 'a part of the path is a file: give another `--output`',
  EISDIR: 'there is a folder of that name: give another `--output`',
  ENAMETOOLONG: 'give a shorter `--output`',
};

/** What stands in the way of writing a file, as an error for a person. A VgrError stays as it is. */
export function outputFault(path: string, thrown: unknown): VgrError {
  if (thrown instanceof VgrError) return thrown;
  const cause = thrown as NodeJS.ErrnoException;
  const code = cause.code ?? '';
  if (FULL.has(code)) {
    return new VgrError('DISK_FULL', `no space left to write ${quoted(path)}`, {
      cause,
      hint: 'free some space and run the same command again: it goes on where it stopped',
    });
  }
  const hint = HINTS[code];
  return new VgrError(
    'OUTPUT_UNWRITABLE',
    `cannot write ${quoted(path)}: ${printable(cause.message ?? String(thrown))}`,
    { cause, ...(hint !== undefined && { hint }) },
  );
}
