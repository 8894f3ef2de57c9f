import { delimiter } from 'node:path';
import { type Interfaces, Parser } from '@oclif/core';
import { quoted, VgrError } from '../core/error.js';
import { readTextIfThere } from '../core/files.js';
import { meantName } from '../core/nearest-name.js';

const DEFAULT_FILE = 'vgr.config.json';

/** What is asked of a flag here. */
interface FlagFacts {
  readonly multiple?: boolean;
  readonly multipleNonGreedy?: boolean;
  readonly type: 'boolean' | 'option';
  /** Whether `--no-NAME` says false. */
  readonly allowNo?: boolean;
  readonly char?: string | undefined;
  readonly env?: string | undefined;
}

type FlagTable = Readonly<Record<string, FlagFacts>>;

/**
 * The command line with the flags of the environment and of the configuration file added that it does not set itself. So flags
 * win over environment, over file, over default, and every value goes through the flag's own checks.
 * @param everyFlag names of the flags of all commands: a file may serve several, and a name that none has is a slip
 * @throws VgrError CONFIG_INVALID, INPUT_MISSING
 */
export async function withConfigFile(
  argv: readonly string[],
  flags: FlagTable,
  everyFlag?: ReadonlySet<string>,
): Promise<string[]> {
  const given = await givenFlags(argv, flags);
  const ofFile = await flagsOfFile(given, flags, everyFlag);
  return [...listsOfEnvironment(given, flags), ...ofFile, ...argv];
}

/**
 * oclif takes the variable of a flag that may be given several times for one value. Here it is a list, as PATH is one. Other
 * variables are left to oclif.
 */
function listsOfEnvironment(given: ReadonlyMap<string, string>, flags: FlagTable): string[] {
  return Object.entries(flags).flatMap(([name, { multiple, env }]) => {
    const value = (env !== undefined && process.env[env]) || '';
    if (!multiple || given.has(name)) return [];
    return value.split(delimiter).flatMap((each) => (each === '' ? [] : [`--${name}=${each}`]));
  });
}

async function flagsOfFile(
  given: ReadonlyMap<string, string>,
  flags: FlagTable,
  everyFlag: ReadonlySet<string> | undefined,
): Promise<string[]> {
  const named = given.get('config') ?? process.env.VGR_CONFIG;
  const file = named ?? DEFAULT_FILE;
  const text = await readTextIfThere(file);
  if (text === undefined) {
    if (named === undefined) return [];
    throw new VgrError('INPUT_MISSING', `--config: no file ${quoted(file)}`);
  }
  const added: string[] = [];
  for (const [name, value] of Object.entries(parseConfig(text, file))) {
    if (!Object.hasOwn(flags, name)) {
      if (everyFlag && !everyFlag.has(name)) throw unknownName(name, everyFlag, file);
      continue;
    }
    const flag = flags[name]!;
    const fromEnvironment = flag.env !== undefined && process.env[flag.env];
    if (given.has(name) || fromEnvironment) continue;
    added.push(...flagTokens(name, value, flag, file));
  }
  return added;
}

function unknownName(name: string, everyFlag: ReadonlySet<string>, file: string): VgrError {
  const meant = meantName(name, everyFlag);
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

/** Flags on the command line, by name, with the last value of each. */
async function givenFlags(
  argv: readonly string[],
  flags: FlagTable,
): Promise<ReadonlyMap<string, string>> {
  const { raw } = await Parser.parse([...argv], {
    flags: bare(flags),
    strict: false,
  });
  return new Map(
    raw.flatMap((token) => (token.type === 'flag' ? [[token.flag, token.input]] : [])),
  );
}

/** The same flags without checks: this first look only asks which are there. */
function bare(flags: FlagTable): Interfaces.FlagInput {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => {
      const { char, type, allowNo, multiple, multipleNonGreedy } = flag;
      const several = multiple && { multiple, multipleNonGreedy };
      const parse = async (value: unknown) => value;
      return [
        name,
        { name, type, ...(char && { char }), ...(allowNo && { allowNo }), ...several, parse },
      ];
    }),
  ) as never;
}

function parseConfig(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new VgrError(
      'CONFIG_INVALID',
      `${quoted(file)}: expected JSON: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new VgrError('CONFIG_INVALID', `${quoted(file)}: expected an object of flags by name`, {
    hint: 'for example {"device": "cpu", "sessions": 2}',
  });
}

function flagTokens(name: string, value: unknown, flag: FlagFacts, file: string): string[] {
  if (flag.type === 'boolean') {
    if (typeof value === 'boolean') return value ? [`--${name}`] : falseTokens(name, flag);
    throw wrongValue(name, 'true or false', value, file);
  }
  if (isWord(value)) return [`--${name}=${value}`];
  if (!flag.multiple) throw wrongValue(name, 'a string or a number', value, file);
  if (Array.isArray(value) && value.every(isWord)) return value.map((each) => `--${name}=${each}`);
  throw wrongValue(name, 'a string, a number or a list of them', value, file);
}

function isWord(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

/** Without `allowNo` a flag is false by being left out. */
function falseTokens(name: string, { allowNo }: FlagFacts): string[] {
  return allowNo ? [`--no-${name}`] : [];
}

function wrongValue(name: string, expected: string, value: unknown, file: string): VgrError {
  return new VgrError(
    'CONFIG_INVALID',
    `${quoted(file)}: \`${name}\`: expected ${expected}, got ${quoted(JSON.stringify(value))}`,
  );
}
