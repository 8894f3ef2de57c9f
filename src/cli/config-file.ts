import { delimiter } from 'node:path';
import { parseArgs } from 'node:util';
import type { Interfaces } from '@oclif/core';
import { quoted, VgrError } from '../core/error.js';
import { fromHome, isFile, readTextIfThere } from '../core/files.js';
import { meantName } from '../core/nearest-name.js';

/** In the working folder. It may have come with the photos, so it sets only what does no harm. */
const FOLDER_FILE = 'vgr.config.json';

/**
 * What the working folder's file may set: nothing that names a server, a key, a file or a folder, and nothing that loosens a
 * check. A flag that is not listed here is ignored there.
 */
const HARMLESS = new Set(
  `answers batch-size classes device epochs format gallery group-by group-size input-size iou json kl limit lr max-detections
  min-confidence min-score nms no-progress no-timing per-category prior quiet resamples seed segmentation sessions supervised-weight task threads tool
  unordered val-share`.split(/\s+/),
);

/** Models may be named there, but not by a path, nor a refiner that sends photos to a server. */
const MODEL_FLAGS = new Set(['detector', 'refiner']);
const MODEL_NAME = /^(?!vlm$|cascade$)(?!.*\.onnx$)[a-z0-9][a-z0-9._-]*$/i;

type FlagTable = Interfaces.FlagInput;
type Flag = FlagTable[string];

/** Settings of one file. */
interface ConfigFile {
  readonly path: string;
  readonly values: object;
  /** Names that the file may not set. */
  readonly ignored: readonly string[];
}

export interface ConfigOptions {
  /** Names of the flags of all commands: a file may serve several, and a name that none has is a slip. */
  readonly everyFlag?: ReadonlySet<string>;
  /** The user's own file, which need not be there. */
  readonly ownFile?: string;
}

/**
 * The command line with the flags of the environment and of the configuration files added that it does not set itself. So flags
 * win over environment, over `--config FILE`, over default, and every value goes through the flag's own checks. Without `--config` the
 * working folder's file wins over the user's own, as far as it may set something.
 * @throws VgrError CONFIG_INVALID, INPUT_MISSING
 */
export async function withConfigFile(
  argv: readonly string[],
  flags: FlagTable,
  { everyFlag, ownFile }: ConfigOptions = {},
): Promise<{ readonly argv: readonly string[]; readonly files: readonly ConfigFile[] }> {
  const given = givenFlags(argv, flags);
  const files = await configFiles(given.get('config') ?? process.env.VGR_CONFIG, ownFile);
  const aliases = aliasesOf(flags);
  const added = new Map<string, string[]>();
  for (const { path, values, ignored } of files) {
    for (const [written, value] of Object.entries(values)) {
      const name = aliases.get(written) ?? written;
      if (!Object.hasOwn(flags, name)) {
        if (everyFlag && !everyFlag.has(name)) throw unknownName(name, everyFlag, path);
        continue;
      }
      const flag = flags[name]!;
      const isSet = given.has(name) || (flag.env && process.env[flag.env]);
      if (!isSet && !ignored.includes(written))
        added.set(name, flagTokens(name, value, flag, path));
    }
  }
  const tokens = [...listsOfEnvironment(given, flags), ...[...added.values()].flat(), ...argv];
  return { argv: tokens, files };
}

/** Flags whose values are words, not paths. */
const WORDS = new Set(['query', 'classes', 'vlm-body', 'vlm-model']);

/** Flags with `~/` read from HOME, in whatever way they were set. */
export function withHome(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const read = (value: unknown): unknown => (typeof value === 'string' ? fromHome(value) : value);
  return Object.fromEntries(
    Object.entries(flags).map(([name, value]) => {
      if (WORDS.has(name)) return [name, value];
      return [name, Array.isArray(value) ? value.map(read) : read(value)];
    }),
  );
}

/** Other names of flags, with the flag's own. */
function aliasesOf(flags: FlagTable): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(flags).flatMap(([name, { aliases }]) =>
      (aliases ?? []).map((alias): [string, string] => [alias, name]),
    ),
  );
}

/**
 * The settings of a file with those of its section `vlm` by the names of their flags: `{"vlm": {"url": ...}}` is `vlm-url`, and
 * `no-stream` is `no-vlm-stream`.
 */
function withoutSections(values: object): object {
  const { vlm, ...rest } = values as { readonly vlm?: unknown };
  if (typeof vlm !== 'object' || vlm === null || Array.isArray(vlm)) return values;
  const flat = Object.entries(vlm).map(([name, value]) => {
    return [name.startsWith('no-') ? `no-vlm-${name.slice(3)}` : `vlm-${name}`, value];
  });
  return { ...rest, ...Object.fromEntries(flat) };
}

/** What the user is told of the files that were read. */
export function configNotes(files: readonly ConfigFile[]) {
  const paths = files.map(({ path }) => quoted(path)).join(' and ');
  const ignored = files.flatMap((file) => file.ignored);
  const names = ignored.map((name) => quoted(name)).join(', ');
  return {
    read: files.length === 0 ? undefined : `settings of ${paths}`,
    ignored:
      ignored.length === 0
        ? undefined
        : `warning: ${quoted(FOLDER_FILE)}: ${names} ignored, because a file of the working folder may not set ${ignored.length === 1 ? 'it' : 'them'}. Use flags, or \`--config ${FOLDER_FILE}\` if you trust the file`,
  };
}

/** Variables that no flag has: those of other parts of the program, and of oclif. */
const OTHER_VARIABLES =
  /^VGR_(?:DEBUG|MODELS_DIR|VLM_API_KEY|SHARD_COUNT|AC_.*|SKIP_.*|(?:CACHE|CONFIG|DATA)_DIR|NAME|.*_(?:ANALYTICS|UPDATE).*)$/;

/** Says which variables named as ours set nothing, with the name that was most likely meant. */
export function variableNotes(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Iterable<{ readonly env?: string }>,
): string[] {
  const known = new Set([...flags].flatMap(({ env }) => env ?? []));
  return Object.keys(environment).flatMap((name) => {
    if (!name.startsWith('VGR_') || known.has(name) || OTHER_VARIABLES.test(name)) return [];
    const meant = meantName(name, known);
    const hint = meant === undefined ? '' : `; did you mean ${quoted(meant)}?`;
    return [`warning: the variable ${quoted(name)} sets nothing${hint}`];
  });
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
  const aliases = aliasesOf(flags);
  const options = [...Object.keys(flags), ...aliases.keys()].map((name) => {
    const { type, char } = flags[name] ?? flags[aliases.get(name)!]!;
    const short = Object.hasOwn(flags, name) && char ? { short: char } : {};
    return [name, { type: type === 'boolean' ? type : 'string', ...short }];
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
      const name = aliases.get(token.name) ?? token.name;
      const isOwn = Object.hasOwn(flags, name);
      return [[isOwn ? name : name.replace(/^no-/, ''), token.value ?? '']];
    }),
  );
}

/** @param named the file that is asked for, which then stands alone; `none` reads no file */
async function configFiles(named: string | undefined, ownFile?: string): Promise<ConfigFile[]> {
  if (named === 'none') return [];
  if (named !== undefined) {
    const file = await readConfig(fromHome(named));
    if (file) return [file];
    throw new VgrError('INPUT_MISSING', `--config: no file ${quoted(named)}`);
  }
  const own = ownFile === undefined ? undefined : await readConfig(ownFile);
  // Whatever else lies there under this name, such as a pipe, is not waited for.
  const found = isFile(FOLDER_FILE) ? await readConfig(FOLDER_FILE) : undefined;
  const ofFolder = found && { ...found, ignored: Object.entries(found.values).flatMap(harmful) };
  return [own, ofFolder].filter((file) => file !== undefined);
}

function harmful([name, value]: [string, unknown]): string[] {
  const isName = (each: unknown) => typeof each === 'string' && MODEL_NAME.test(each);
  // A run has one refiner, and one detector or several.
  const isModel =
    MODEL_FLAGS.has(name) && (name === 'detector' ? [value].flat().every(isName) : isName(value));
  return isModel || HARMLESS.has(name) ? [] : [name];
}

async function readConfig(path: string): Promise<ConfigFile | undefined> {
  const text = await readTextIfThere(path);
  if (text === undefined) return undefined;
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    throw new VgrError('CONFIG_INVALID', `${quoted(path)}: expected JSON: ${message}`, { cause });
  }
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
    return { path, values: withoutSections(values), ignored: [] };
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
