import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Flags, Parser } from '@oclif/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { VgrCommand } from '../../src/cli/base-command.js';
import { variableNotes, withConfigFile, withHome } from '../../src/cli/config-file.js';
import { modelsFolder } from '../../src/runtime/model-store.js';
import { COMMANDS } from '../support/in-process.js';

type Table = Parameters<typeof withConfigFile>[1];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vgr-test-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** The flags as the command gets them. */
async function parsed(flags: object, file: object, argv: readonly string[] = []) {
  const path = join(folder, 'vgr.config.json');
  writeFileSync(path, JSON.stringify(file));
  vi.stubEnv('VGR_CONFIG', path);
  const configured = await withConfigFile(argv, flags as Table);
  return (await Parser.parse([...configured.argv], { flags: named(flags), strict: true })).flags;
}

/** As oclif's own parser has them: each knows its name. */
function named(flags: object): never {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, { ...(flag as object), name }]),
  ) as never;
}

const FLAGS = {
  stream: Flags.boolean({ allowNo: true, default: true, env: 'VGR_STREAM' }),
  shy: Flags.boolean({ default: false, env: 'VGR_SHY' }),
  file: Flags.string({ multiple: true, multipleNonGreedy: true, env: 'VGR_FILE' }),
};

describe('a flag that `--no-` turns off', () => {
  test.each([
    ['the default', {}, undefined, [], true],
    ['the file', { stream: false }, undefined, [], false],
    ['the file', { stream: true }, undefined, [], true],
    ['the environment, over the file', { stream: true }, 'false', [], false],
    ['the environment, over the file', { stream: false }, 'true', [], true],
    ['the command line, over both', { stream: true }, 'true', ['--no-stream'], false],
    ['the command line, over both', { stream: false }, 'false', ['--stream'], true],
  ])('is set by %s: %j %s %j', async (_, file, env, argv, expected) => {
    if (env !== undefined) vi.stubEnv('VGR_STREAM', env);
    expect(await parsed(FLAGS, file, argv)).toMatchObject({ stream: expected });
  });
});

test('a flag without `--no-` is false where the file says so', async () => {
  expect(await parsed(FLAGS, { shy: false })).toMatchObject({ shy: false });
  expect(await parsed(FLAGS, { shy: true })).toMatchObject({ shy: true });
});

test('a flag of several values takes one or a list, from the file or the environment', async () => {
  expect(await parsed(FLAGS, { file: 'a' })).toMatchObject({ file: ['a'] });
  expect(await parsed(FLAGS, { file: ['a', 2] })).toMatchObject({ file: ['a', '2'] });
  vi.stubEnv('VGR_FILE', ['b', '', 'c d'].join(delimiter));
  expect(await parsed(FLAGS, { file: 'a' })).toMatchObject({ file: ['b', 'c d'] });
  expect(await parsed(FLAGS, {}, ['--file', 'e'])).toMatchObject({ file: ['e'] });
});

test('`~/` is the home of the user in files, variables and flags, and no part of a name', async () => {
  vi.stubEnv('HOME', folder);
  writeFileSync(join(folder, 'own.json'), '\uFEFF{"file": "~/a"}');
  for (const argv of [['--config', '~/own.json'], []]) {
    vi.stubEnv('VGR_CONFIG', argv.length > 0 ? '' : '~/own.json');
    const flags = { ...FLAGS, config: Flags.string({ env: 'VGR_CONFIG' }) };
    const { files } = await withConfigFile(argv, flags as unknown as Table);
    expect(files).toMatchObject([{ path: join(folder, 'own.json'), values: { file: '~/a' } }]);
  }
  expect(
    withHome({ output: '~/a', list: ['~', '~x', 'a~/b', '~/~/c'], query: ['~/a'], count: 3 }),
  ).toEqual({
    output: `${folder}/a`,
    list: [folder, '~x', 'a~/b', `${folder}/~/c`],
    query: ['~/a'],
    count: 3,
  });
  vi.stubEnv('VGR_MODELS_DIR', '~/models');
  expect(modelsFolder()).toBe(join(folder, 'models'));
});

test('names that every object has are no flags', async () => {
  expect(await parsed(FLAGS, { constructor: 1, toString: true })).toMatchObject({ stream: true });
});

test.each([
  [{ stream: 'no' }, /`stream`: expected true or false, got `"no"`/],
  [{ file: [true] }, /`file`: expected a string, a number or a list of them/],
])('refused: %j', async (file, message) => {
  await expect(parsed(FLAGS, file)).rejects.toThrow(message);
});

describe('a file of the working folder', () => {
  /** The names that it may not set. */
  async function ignoredOf(file: object): Promise<readonly string[]> {
    writeFileSync(join(folder, 'vgr.config.json'), JSON.stringify(file));
    const before = process.cwd();
    process.chdir(folder);
    try {
      return (await withConfigFile([], {} as Table)).files.flatMap(({ ignored }) => ignored);
    } finally {
      process.chdir(before);
    }
  }

  test.each([
    ['./centernet'],
    ['/tmp/x.onnx'],
    ['x.onnx'],
    ['..'],
    ['a\\b'],
    ['vlm'],
    ['cascade'],
    [['centernet']],
  ])('names no model by a path, and no server: %j', async (refiner) => {
    expect(await ignoredOf({ refiner })).toEqual(['refiner']);
  });

  test('names several detectors, none of them by a path', async () => {
    expect(await ignoredOf({ detector: ['centernet', 'yolox-nano'] })).toEqual([]);
    expect(await ignoredOf({ detector: ['centernet', './x.onnx'] })).toEqual(['detector']);
  });

  test('may set what does no harm, and no flag of a kind that nobody thought of', async () => {
    const every = [...COMMANDS.values()].flatMap(({ flags }) => Object.keys(flags ?? {}));
    const ignored = await ignoredOf(Object.fromEntries(every.map((name) => [name, 'centernet'])));
    const allowed = every.filter((name) => !ignored.includes(name));
    expect(
      [...new Set(allowed)].filter((name) =>
        /url|path|file|cache|output|^allow|^max-(?!det)/.test(name),
      ),
    ).toEqual([]);
    expect(allowed).toEqual(expect.arrayContaining(['min-score', 'format', 'detector', 'refiner']));
    expect(ignored).toEqual(
      expect.arrayContaining([
        ...['output', 'visualize', 'csv', 'report', 'markdown', 'vlm-url', 'vlm-body', 'vlm-cache'],
        ...['prompt-template', 'queries', 'image-ids', 'allow-outside', 'max-pixels', 'max-memory'],
        ...['vlm-plain-http', 'force', 'fail-under', 'encoder', 'init', 'cascade-small', 'cache'],
      ]),
    );
  });
});

interface FlagFacts {
  readonly type: 'boolean' | 'option';
  readonly env?: string;
  readonly multiple?: boolean;
  readonly options?: readonly string[];
  readonly allowNo?: boolean;
  readonly default?: unknown;
}

describe.each([...COMMANDS])('%s', (_, command) => {
  const flags = { ...VgrCommand.baseFlags, ...command.flags };
  const facts = Object.entries(flags) as [string, FlagFacts][];

  test('has an environment variable of its own for each flag', () => {
    const variables = facts.map(([, { env }]) => env);
    for (const [index, variable] of variables.entries()) {
      expect(variable, facts[index]![0]).toMatch(/^VGR_[A-Z_]+$/);
    }
    expect(new Set(variables).size).toBe(variables.length);
  });

  test.each(facts.filter(([name]) => name !== 'config'))(
    'takes --%s from file and environment',
    async (name, flag) => {
      // Flags that are asked for, or that go together, are another matter.
      const alone = { [name]: { ...flag, required: false, dependsOn: [], exclusive: [] } };
      const value = sampleOf(flag, await acceptedNumber(alone, name));
      const inFile = (await parsed(alone, { [name]: value }))[name];
      vi.stubEnv(flag.env!, String(value));
      const inEnvironment = (await parsed(alone, {}))[name];
      expect(inEnvironment).toEqual(inFile);
      expect(inFile).toEqual(flag.multiple ? [value] : value);
    },
  );
});

/** A value that is not the default. */
function sampleOf(
  { type, options, default: usual }: FlagFacts,
  number: number | undefined,
): unknown {
  if (type === 'boolean') return usual !== true;
  return options?.find((each) => each !== usual) ?? number ?? 'a/b.c';
}

/** A number, where the flag turns it into one. */
async function acceptedNumber(flags: object, name: string): Promise<number | undefined> {
  for (const number of [0.25, 3, 32]) {
    const got = await parsed(flags, { [name]: number }).catch(() => ({}) as never);
    if (got[name] === number) return number;
  }
  return undefined;
}

const SERVER = {
  'vlm-url': Flags.string({ env: 'VGR_VLM_URL' }),
  'no-vlm-stream': Flags.boolean({ env: 'VGR_NO_VLM_STREAM' }),
  protocol: Flags.string({ aliases: ['vlm-protocol'], env: 'VGR_PROTOCOL' }),
};

test('the section of the large refiner names its flags, and new names of old flags count', async () => {
  const vlm = { url: 'http://x', 'no-stream': true, protocol: 'piter' };
  expect(await parsed(SERVER, { vlm })).toMatchObject({
    'vlm-url': 'http://x',
    'no-vlm-stream': true,
    protocol: 'piter',
  });
  const given = await parsed(SERVER, { vlm }, ['--vlm-protocol', 'think-rethink']);
  expect(given.protocol).toBe('think-rethink');
});

test('variables that set nothing are named, with what was meant', () => {
  const flags = [{ env: 'VGR_MIN_SCORE' }, {}];
  const environment = { VGR_MIN_SCOR: '1', VGR_MIN_SCORE: '1', VGR_DEBUG: '1', HOME: '/' };
  expect(variableNotes(environment, flags)).toEqual([
    'warning: the variable `VGR_MIN_SCOR` sets nothing; did you mean `VGR_MIN_SCORE`?',
  ]);
});
