import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where programs look for the folder of temporary files, by system. */
const VARIABLES = ['TMPDIR', 'TEMP', 'TMP'] as const;

/** Gives all tests of a run, and the programs that they start, one temporary folder, and removes it when they are done. */
export default function temporaryRoot(): () => void {
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  const root = mkdtempSync(join(realpathSync(tmpdir()), 'vgr-tests-'));
  for (const name of VARIABLES) process.env[name] = root;
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    try {
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      // A test that failed in the middle may have left a folder that nobody may write to.
      console.warn(`left behind: ${(error as Error).message}`);
    }
  };
}
