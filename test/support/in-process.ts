import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Config } from '@oclif/core';
import { vi } from 'vitest';
import { VgrCommand } from '../../src/cli/base-command.js';
import type { Outcome } from './vgr.js';

const FOLDER = 'src/commands';

/** The class of each command, by its words: `models list`. */
export const COMMANDS: ReadonlyMap<string, Command.Class> = new Map(
  await Promise.all(
    readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map(async (file): Promise<[string, Command.Class]> => {
        const { default: command } = await import(resolve(FOLDER, file));
        const words = file.replace(/\.ts$/, '').split(/[\\/]/);
        command.id = words.join(':');
        return [words.join(' '), command];
      }),
  ),
);

/**
 * Runs a command in this process, from the sources. For commands that end before they start threads: usage errors, and those
 * that run no model. Neither standard input nor another working folder can be given.
 */
export async function vgrHere(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const [name, command] = commandOf(argv);
  const outcome = { code: 0, signal: null, stdout: '', stderr: '' };
  const listeners = process.stdout.listeners('error') as ((error: Error) => void)[];
  const streams = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      outcome[stream] += String(text);
      return true;
    }),
  );
  for (const [variable, value] of Object.entries(env)) vi.stubEnv(variable, value);
  const before = process.exitCode;
  try {
    await command.run(argv.slice(name.split(' ').length), await ownConfig());
    outcome.code = Number(process.exitCode ?? 0);
  } finally {
    process.exitCode = before;
    process.stdout.removeAllListeners('error');
    for (const listener of listeners) process.stdout.on('error', listener);
    for (const stream of streams) stream.mockRestore();
    vi.unstubAllEnvs();
  }
  return outcome;
}

/** The command that the first words name: `models list` comes before `models`. */
function commandOf(argv: readonly string[]): [string, Command.Class] {
  const name = [argv.slice(0, 2).join(' '), argv[0]!].find((words) => COMMANDS.has(words));
  if (name === undefined) throw new Error(`no command ${argv.join(' ')}`);
  return [name, COMMANDS.get(name)!];
}

/** oclif's configuration with the commands of the sources, whatever was built. */
async function ownConfig(): Promise<Config> {
  const config = new Config({ root: join(import.meta.dirname, '../..') });
  await config.load();
  const commands = [...COMMANDS.values()].map((command) => ({
    id: command.id,
    flags: { ...VgrCommand.baseFlags, ...command.flags },
  }));
  return Object.defineProperty(config, 'commands', { value: commands });
}
