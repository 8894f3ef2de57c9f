import type { Config } from '@oclif/core';
import { printable, quoted, VgrError } from '../core/error.js';
import { meantName } from '../core/nearest-name.js';

/** What is asked of the program here. */
export type CommandTable = Pick<Config, 'bin' | 'commands'>;

/** What to do where a command has no such flag and another one has. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  encoder: 'the card of a refiner names the encoder that it was trained with, and it is used',
};

/** The error of oclif's parser with a hint for what was most likely meant. */
export function usageError(error: Error, table: CommandTable, id: string): VgrError {
  const text = plainText(error.message);
  const flags = (error as { flags?: unknown }).flags;
  const unknown = Array.isArray(flags) ? flags.find((flag) => typeof flag === 'string') : undefined;
  const better = unknown === undefined ? undefined : flagHint(unknown, table, id);
  const help = `\`${typed(table.bin, id)} --help\` lists flags and examples`;
  return new VgrError('USAGE', printable(text), {
    hint: better === undefined ? help : `${better} ${help}`,
    cause: error,
  });
}

/** The parser's words in the form of all other messages. */
function plainText(message: string): string {
  return message
    .replace(/\nSee more help with --help$/, '')
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/\s+/g, ' ')
    .replace(/Missing required flag (\S+)/g, 'expected `--$1`, got nothing')
    .replace(/^Parsing (--\S+) Expected (.*) but received: (.*)$/, '$1: expected $2, got `$3`')
    .replace(/^Expected (--[^=\s]+)=(.*) to be one of: (.*)$/, '$1: expected one of $3, got `$2`')
    .replace(/^Missing \d+ required args?: (\S+) (.*)$/, (_, name: string, what: string) => {
      return `expected ${name.toUpperCase()} (${what}), got nothing`;
    })
    .replace(/^Nonexistent flags?: (.*)$/, 'no such flag: $1');
}

/** The error for a word where a command is expected. */
export function unknownCommand(id: string, table: CommandTable): VgrError {
  const names = table.commands.map((command) => command.id).filter((name) => !isHidden(name));
  const meant = meantName(id, names);
  const hint = `\`${table.bin} --help\` lists the commands`;
  return new VgrError('USAGE', `expected a command, got ${quoted(id.replaceAll(':', ' '))}`, {
    hint: meant === undefined ? hint : `did you mean \`${typed(table.bin, meant)}\`? ${hint}`,
  });
}

/** Commands that shells and oclif ask for. */
const isHidden = (id: string): boolean => /^(?:help|autocomplete)/.test(id);

function flagHint(flag: string, { bin, commands }: CommandTable, id: string): string | undefined {
  const name = flag.replace(/^-+/, '');
  const own = Object.keys(commands.find((command) => command.id === id)?.flags ?? {});
  const others = commands.filter(({ flags }) => Object.hasOwn(flags, name));
  if (others.length > 0) {
    const owners = others.map((command) => `\`${typed(bin, command.id)}\``).join(', ');
    const more = ELSEWHERE[name] === undefined ? '' : `; ${ELSEWHERE[name]}`;
    return `\`--${name}\` belongs to ${owners}${more};`;
  }
  const meant = meantName(name, own);
  return meant === undefined ? undefined : `did you mean \`--${meant}\`?`;
}

function typed(bin: string, id: string): string {
  return `${bin} ${id.replaceAll(':', ' ')}`.trim();
}
