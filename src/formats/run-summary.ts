import { z } from 'zod';
import type { Category } from './coco.js';

/** Everything that decides what a run answers; a rerun with other settings is another run. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null>>;

/** How long a stage of a run worked. */
export interface StageLoad {
  /** Sum over its lanes, seconds. */
  readonly busy_s: number;
  /** What can work side by side: threads of the pool, cores that decode, or 1. */
  readonly lanes: number;
  /** Share of the wall time in which its lanes worked, 0..1. */
  readonly utilisation: number;
}

/**
 * The stages of a run. `main`: the main thread, which reads and parses lines, answers what looks at photos, and serialises.
 * `decode`: photos. `detect` and `refine`: requests to the sessions, whose lanes both share. `write`: the journal.
 */
export const STAGES = ['main', 'decode', 'detect', 'refine', 'write'] as const;

export type StageLoads = Readonly<Record<(typeof STAGES)[number], StageLoad>>;

/** @param busyMs sum over the lanes */
export function stageLoad(busyMs: number, lanes: number, wallMs: number): StageLoad {
  const share = wallMs > 0 ? busyMs / (wallMs * lanes) : 0;
  return {
    busy_s: Math.round(busyMs) / 1000,
    lanes,
    utilisation: Number(Math.min(share, 1).toFixed(3)),
  };
}

/** A stage that works this share of the time holds up the others. */
const BOUND = 0.75;

/** What bounds a run, in a few words; undefined where nothing does. */
export function boundBy({ main, decode, detect, refine, write }: StageLoads): string | undefined {
  const sessions = Math.min(detect.utilisation + refine.utilisation, 1);
  const models = detect.utilisation >= refine.utilisation ? 'detecting' : 'refining';
  const shares: readonly (readonly [string, number])[] = [
    [`${models} in the sessions`, sessions],
    ['decoding photos', decode.utilisation],
    ['the main thread', main.utilisation],
    ['writing results', write.utilisation],
  ];
  const [name, share] = shares.reduce((most, next) => (next[1] > most[1] ? next : most));
  return share < BOUND ? undefined : `${name}, busy ${Math.round(share * 100)} % of the time`;
}

/** `run.json`: how a run went. Written when it starts and when it ends. */
export interface RunSummary {
  readonly schema: 1;
  readonly command: string;
  /** Whether every item has its line in results.jsonl. */
  readonly complete: boolean;
  readonly settings: RunSettings;
  /** sha256 of the settings with sorted keys. */
  readonly settings_hash: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly models: readonly { readonly name: string; readonly sha256: string }[];
  /** The file of `--image-ids`. */
  readonly image_ids: string | null;
  /** Of the COCO files. */
  readonly categories: readonly Category[];
  readonly device: string;
  readonly sessions: number;
  readonly threads: number;
  readonly counts: {
    /** Items of the whole input, those of other shards among them. */
    readonly listed: number;
    /** Lines in results.jsonl. */
    readonly items: number;
    readonly errors: number;
    /** Lines that earlier runs had left there. */
    readonly resumed: number;
    /** Photos that `--image-ids` does not list. */
    readonly images_left_out: number;
  };
  readonly timings: {
    readonly wall_s: number;
    /** Sum over all items, seconds; stages overlap. */
    readonly decode_s: number;
    readonly detect_s: number;
    readonly refine_s: number;
    /** Share of the time in which the sessions worked, 0..1. */
    readonly session_utilisation: number;
    /** Of the whole process, all threads, seconds. */
    readonly cpu_s: number;
  };
  readonly stages: StageLoads;
  readonly peak_memory_bytes: number;
  /** What the refiner has to tell of the run: a server's requests, tokens and warnings. */
  readonly refiner?: Readonly<Record<string, unknown>>;
}

const settings = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));
const earlierRun = z.looseObject({ settings });

const shardRun = z.looseObject({
  schema: z.literal(1),
  command: z.string(),
  complete: z.boolean(),
  settings,
  versions: z.record(z.string(), z.string()),
  models: z.array(z.object({ name: z.string(), sha256: z.string() })),
  categories: z.array(z.object({ id: z.int(), name: z.string() })),
  device: z.string(),
  sessions: z.int(),
  threads: z.int(),
  counts: z.object({
    listed: z.int(),
    items: z.int(),
    errors: z.int(),
    resumed: z.int(),
    images_left_out: z.int(),
  }),
  timings: z.object({
    wall_s: z.number(),
    decode_s: z.number(),
    detect_s: z.number(),
    refine_s: z.number(),
    session_utilisation: z.number(),
    cpu_s: z.number(),
  }),
  stages: z.record(
    z.enum(STAGES),
    z.object({ busy_s: z.number(), lanes: z.number(), utilisation: z.number() }),
  ),
  peak_memory_bytes: z.number(),
});

/** What `vgr merge` reads of a shard's run.json. */
export type ShardRun = Readonly<z.output<typeof shardRun>>;

/** Undefined where the value is no run summary. */
export function parseShardRun(json: unknown): ShardRun | undefined {
  const parsed = shardRun.safeParse(json);
  return parsed.success ? parsed.data : undefined;
}

/** The settings of an earlier run; undefined where the value is no run summary. */
export function settingsOfRun(json: unknown): RunSettings | undefined {
  const parsed = earlierRun.safeParse(json);
  return parsed.success ? parsed.data.settings : undefined;
}

/** One clause for each setting that differs: `detector: "centernet", now "yolox_nano"`. */
export function settingsDifference(before: RunSettings, now: RunSettings): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
  return names
    .filter((name) => before[name] !== now[name])
    .map((name) => `${name}: ${text(before[name])}, now ${text(now[name])}`);
}

function text(value: RunSettings[string] | undefined): string {
  return value === undefined ? 'not set' : JSON.stringify(value);
}

/** The settings as one text, the same for the same settings. */
export function canonicalSettings(settings: RunSettings): string {
  return JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)));
}
