import { z } from 'zod';

/** Everything that decides what a run answers; a rerun with other settings is another run. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null>>;

const settings = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

/**
 * The stages of a run. `main`: the main thread, which reads and parses lines, answers what looks at photos, and serialises.
 * `decode`: photos. `detect` and `refine`: requests to the sessions, whose lanes both share. `write`: the journal.
 */
export const STAGES = ['main', 'decode', 'detect', 'refine', 'write'] as const;

/** How long a stage of a run worked. */
const stageLoadShape = z.object({
  /** Sum over its lanes, seconds. */
  busy_s: z.number(),
  /** What can work side by side: threads of the pool, cores that decode, or 1. */
  lanes: z.number(),
  /** Share of the wall time in which its lanes worked, 0..1. */
  utilisation: z.number(),
});

export type StageLoad = Readonly<z.output<typeof stageLoadShape>>;
export type StageLoads = Readonly<Record<(typeof STAGES)[number], StageLoad>>;

const runSummary = z.object({
  schema: z.literal(1),
  command: z.string(),
  /** When the first run began in this folder, ISO 8601; absent in runs of earlier versions. */
  started: z.string().optional(),
  /** Whether every item has its line in results.jsonl. */
  complete: z.boolean(),
  settings,
  /** sha256 of the settings with sorted keys. */
  settings_hash: z.string(),
  versions: z.record(z.string(), z.string()),
  models: z
    .array(
      z.object({
        name: z.string(),
        sha256: z.string(),
        /** Of the card as it was read, as JSON; absent in runs of earlier versions. */
        card_sha256: z.string().optional(),
      }),
    )
    .readonly(),
  /** The file of `--image-ids`. */
  image_ids: z.string().nullable(),
  /** Of the COCO files. */
  categories: z.array(z.object({ id: z.int(), name: z.string() })).readonly(),
  device: z.string(),
  sessions: z.int(),
  threads: z.int(),
  counts: z.object({
    /** Items of the whole input, those of other shards among them. */
    listed: z.int(),
    /** Lines in results.jsonl. */
    items: z.int(),
    errors: z.int(),
    /** Lines that earlier runs had left there. */
    resumed: z.int(),
    /** Photos that `--image-ids` does not list. */
    images_left_out: z.int(),
  }),
  timings: z.object({
    wall_s: z.number(),
    /** Sum over all items, seconds; stages overlap. */
    decode_s: z.number(),
    detect_s: z.number(),
    refine_s: z.number(),
    /** Share of the time in which the sessions worked, 0..1. */
    session_utilisation: z.number(),
    /** Of the whole process, all threads, seconds. */
    cpu_s: z.number(),
  }),
  stages: z.record(z.enum(STAGES), stageLoadShape),
  peak_memory_bytes: z.number(),
  /** What the refiner has to tell of the run: a server's requests, tokens and warnings. */
  refiner: z.record(z.string(), z.unknown()).optional(),
});

/** `run.json`: how a run went. Written when it starts and when it ends. */
export type RunSummary = Readonly<z.output<typeof runSummary>>;

/** Undefined where the value is no run summary. */
export function parseRunSummary(json: unknown): RunSummary | undefined {
  const parsed = runSummary.safeParse(json);
  return parsed.success ? parsed.data : undefined;
}

/** The settings of an earlier run; undefined where the value is no run summary. */
export function settingsOfRun(json: unknown): RunSettings | undefined {
  const parsed = z.looseObject({ settings }).safeParse(json);
  return parsed.success ? parsed.data.settings : undefined;
}

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
