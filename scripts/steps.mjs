import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs one program of the project's own to its end and stops with its exit code where it fails. */
export function step(program, ...args) {
  const { status, error } = spawnSync(process.execPath, [program, ...args], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs programs beside each other, each with its arguments, and stops with the first exit code that is not 0 once all are done. */
export async function together(...programs) {
  const codes = await Promise.all(
    programs.map(
      (command) =>
        new Promise((resolve, reject) => {
          const child = spawn(process.execPath, command, { cwd: ROOT, stdio: 'inherit' });
          child.on('error', reject);
          child.on('exit', (code) => resolve(code ?? 1));
        }),
    ),
  );
  const failed = codes.find((code) => code !== 0);
  if (failed !== undefined) process.exit(failed);
}

export const TSX = 'node_modules/tsx/dist/cli.mjs';
export const TSC = 'node_modules/typescript/bin/tsc';
export const BIOME = 'node_modules/@biomejs/biome/bin/biome';
export const KNIP = 'node_modules/knip/bin/knip.js';
export const VITEST = 'node_modules/vitest/vitest.mjs';
