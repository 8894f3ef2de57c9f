import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reaction } from './chat-server.js';
import { freshFolder, jsonLines, type Outcome, vgr } from './vgr.js';

/** What the tests look at in a line of results. */
export interface Line {
  readonly id: string;
  readonly type: string;
  readonly code?: string;
  readonly answer: {
    readonly bbox_2d: number[] | null;
    readonly decision: string;
    readonly format?: number;
    readonly text: string;
    readonly cascade?: { readonly confidence: number; readonly asked: boolean };
  };
  readonly think: { readonly text: string };
}

/** A queries file of these lines. */
export function queriesFile(lines: readonly object[]): string {
  const file = join(freshFolder(), 'q.jsonl');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

export interface RefineOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly refiner?: string;
}

/** Runs `vgr refine` against a server, with a cache of its own. */
export function refineWith(
  images: string,
  server: { readonly url: string },
  queries: string,
  options: RefineOptions = {},
): Promise<Outcome> {
  const { flags = [], env = {}, refiner = 'vlm' } = options;
  return vgr(
    [
      ...['refine', images, '--queries', queries, '--detector', 'none', '--refiner', refiner],
      ...['--vlm-model', 'test-model', '--format', 'jsonl', '--no-timing', ...flags],
      ...(flags.includes('--vlm-url') ? [] : ['--vlm-url', server.url]),
    ],
    { env: { XDG_CACHE_HOME: freshFolder(), ...env } },
  );
}

/** The first stage of a reply. */
export const THINK: Reaction = {
  kind: 'text',
  text: '<think>hm</think>\n<function>get_extra_ref_result()</function>',
};

/** The second stage of a reply, with this box. */
export function answered(box: readonly number[]): Reaction {
  return {
    kind: 'text',
    text: `<rethink>so</rethink>\n<answer>{"bbox_2d": [${box.join(', ')}]}</answer>`,
  };
}

export const lines = (outcome: Outcome): Line[] => jsonLines(outcome.stdout) as unknown as Line[];
export const summary = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'));
