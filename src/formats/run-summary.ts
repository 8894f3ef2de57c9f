import { z } from 'zod';

/** Everything that decides what a run answers; a rerun with other settings is another run. */
export type RunSettings = Readonly<Record<string, string | number | boolean | null>>;

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
  readonly device: string;
  readonly sessions: number;
  readonly threads: number;
  readonly counts: {
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
  };
  readonly peak_memory_bytes: number;
}

const earlierRun = z.looseObject({
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});

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
