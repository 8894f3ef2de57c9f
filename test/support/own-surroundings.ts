import { mkdtempSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where programs look for the folder of temporary files, by system. */
const TEMPORARY = ['TMPDIR', 'TEMP', 'TMP'] as const;

/** Where programs keep what is the user's, under his home where nothing else is said. */
const HOMES = ['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME'] as const;

/** Settings of the caller's shell, account or scheduler that would change what a test sees. */
const FOREIGN =
  /^(VGR_|HF_|OPENAI_|SLURM_|SBATCH_|AWS_BATCH_|JOB_COMPLETION_INDEX$|((https?|all|no)_proxy)$)/i;

/** What all tests together write at a time, with room to spare. Bytes. */
const ROOM = 1024 ** 3;

/**
 * Gives all tests of a run, and the programs that they start, one temporary folder, which it removes when they are done, and
 * an environment without settings and files of others.
 */
export default function ownSurroundings(): () => void {
  const before = { ...process.env };
  const parent = realpathSync(tmpdir());
  const { bavail, bsize } = statfsSync(parent);
  if (bavail * bsize < ROOM) {
    const free = Math.floor((bavail * bsize) / 1024 ** 2);
    console.warn(
      `the tests may need 1024 MiB in ${parent}, of which ${free} are free; TMPDIR names another folder`,
    );
  }
  const root = mkdtempSync(join(parent, 'vgr-tests-'));
  for (const name of Object.keys(process.env)) if (FOREIGN.test(name)) delete process.env[name];
  for (const name of TEMPORARY) process.env[name] = root;
  for (const name of HOMES) process.env[name] = join(root, 'home', name);
  return () => {
    for (const name of [...TEMPORARY, ...HOMES]) delete process.env[name];
    Object.assign(process.env, before);
    try {
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      // A test that failed in the middle may have left a folder that nobody may write to.
      console.warn(`left behind: ${(error as Error).message}`);
    }
  };
}
