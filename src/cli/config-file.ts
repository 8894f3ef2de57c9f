import { delimiter } from 'node:path';
import { parseArgs } from 'node:util';
import type { Interfaces } from '@oclif/core';
import { quoted, VgrError } from '../core/error.js';
import { readTextIfThere } from '../core/files.js';
import { meantName } from '../core/nearest-name.js';

const DEFAULT_FILE = 'vgr.config.json';

type FlagTable = Interfaces.FlagInput;
type Flag = FlagTable[string];

/**
 * The command line, preceded by flags of the environment and of the configuration file that it does not set. So the order is
 * command line, environment, file, default, and every value is checked as on the command line.
 * @param everyFlag names of the flags of all commands: a file may serve several, but other names are errors
 * @throws VgrError CONFIG_INVALID, INPUT_MISSING
 */
export async function withConfigFile(
  argv: readonly string[],
  flags: FlagTable,
  everyFlag?: ReadonlySet<string>,
): Promise<string[]> {
  const given = givenFlags(argv, flags);
  const ofFile = await valuesOfFile(given.get('config') ?? process.env.VGR_CONFIG);
  const added = Object.entries(ofFile.values).flatMap(([name, value]) => {
    if (!Object.hasOwn(flags, name)) {
      if (everyFlag && !everyFlag.has(name)) throw unknownName(name, everyFlag, ofFile.path);
      return [];
    }
    const flag = flags[name]!;
    const isSet = given.has(name) || (flag.env && process.env[flag.env]);
    return isSet ? [] : flagTokens(name, value, flag, ofFile.path);
  });
  return [...listsOfEnvironment(given, flags), ...added, ...argv];
}

/**
 * The variable of a flag that may be given several times is a list, as PATH is; oclif would take it for one value. Other variables
 * are left to oclif.
 */
function listsOfEnvironment(given: ReadonlyMap<string, string>, flags: FlagTable): string[] {
  return Object.entries(flags).flatMap(([name, flag]) => {
    if (flag.type !== 'option' || !flag.multiple || given.has(name)) return [];
    const values = ((flag.env && process.env[flag.env]) || '').split(delimiter);
    return values.flatMap((each) => (each === '' ? [] : [`--${name}=${each}`]));
  });
}

/** Flags on the command line, by name, with the last value of each. Nothing is checked yet. */
function givenFlags(argv: readonly string[], flags: FlagTable): ReadonlyMap<string, string> {
  const options = Object.entries(flags).map(([name, { type, char }]) => {
    return [name, { type: type === 'boolean' ? type : 'string', ...(char && { short: char }) }];
  });
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(options),
    strict: false,
    tokens: true,
  });
  return new Map(
    tokens.flatMap((token) => {
      if (token.kind !== 'option') return [];
      const isOwn = Object.hasOwn(flags, token.name);
      return [[isOwn ? token.name : token.name.replace(/^no-/, ''), token.value ?? '']];
    }),
  );
}

/** @param named the given file; without it the default one, which may be missing */
async function valuesOfFile(
  named: string | undefined,
): Promise<{ readonly path: string; readonly values: object }> {
  const path = named ?? DEFAULT_FILE;
  const text = await readTextIfThere(path);
  if (text === undefined && named !== undefined) {
    throw new VgrError('INPUT_MISSING', `--config: no file ${quoted(path)}`);
  }
  let values: unknown;
  try {
    values = JSON.parse(text ?? '{}');
  } catch (cause) {
    const { message } = cause as Error;
    throw new VgrError('CONFIG_INVALID', `${quoted(path)}: expected JSON: ${message}`, { cause });
  }
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
    return { path, values };
  }
  throw new VgrError('CONFIG_INVALID', `${quoted(path)}: expected an object of flags by name`, {
    hint: 'for example {"device": "cpu", "sessions": 2}',
  });
}

function unknownName(name: string, known: ReadonlySet<string>, file: string): VgrError {
  const meant = meantName(name, known);
  return new VgrError(
    'CONFIG_INVALID',
    `${quoted(file)}: expected the name of a flag, got ${quoted(name)}`,
    {
      hint:
        meant === undefined
          ? 'names are those of the flags without dashes in front, such as "min-score"'
          : `did you mean ${quoted(meant)}?`,
    },
  );
}

function flagTokens(name: string, value: unknown, flag: Flag, file: string): string[] {
  const refused = (expected: string): VgrError =>
    new VgrError(
      'CONFIG_INVALID',
      `${quoted(file)}: \`${name}\`: expected ${expected}, got ${quoted(JSON.stringify(value))}`,
    );
  if (flag.type === 'boolean') {
    if (typeof value !== 'boolean') throw refused('true or false');
    if (value) return [`--${name}`];
    // A flag without `--no-` is false if it is left out.
    return flag.allowNo ? [`--no-${name}`] : [];
  }
  if (isWord(value)) return [`--${name}=${value}`];
  if (!flag.multiple) throw refused('a string or a number');
  if (Array.isArray(value) && value.every(isWord)) return value.map((each) => `--${name}=${each}`);
  throw refused('a string, a number or a list of them');
}

function isWord(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}
