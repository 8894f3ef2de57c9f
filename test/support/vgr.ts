import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';

const BIN = resolve('bin/run.js');

/** What the program would keep in the user's home. */
const OWN_FOLDER = join(tmpdir(), `vgr-test-home-${process.pid}`);

/** What a run of the real program left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Program with its first arguments under which node runs, such as `unshare --fork`. */
  readonly under?: readonly string[];
}

export interface RunOptions extends StartOptions {
  readonly stdin?: string;
  /** Called with the running process, to send it signals. */
  readonly onStart?: (child: ChildProcess) => void;
}

/** A `vgr` at work. */
export interface RunningVgr {
  readonly child: ChildProcessWithoutNullStreams;
  readonly outcome: Promise<Outcome>;
}

/** Runs the built `vgr` without a terminal. Settings of the caller's shell do not reach it. */
export function vgr(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { child, outcome } = startVgr(args, options);
  child.stdin.end(options.stdin ?? '');
  options.onStart?.(child);
  return outcome;
}

/** Starts it and leaves its standard input open. */
export function startVgr(args: readonly string[], options: StartOptions = {}): RunningVgr {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('VGR_') && name !== 'FORCE_COLOR' && name !== 'NODE_OPTIONS',
  );
  const command = [...(options.under ?? []), process.execPath, BIN, ...args];
  const child = spawn(command[0]!, command.slice(1), {
    cwd: options.cwd ?? process.cwd(),
    env: {
      ...Object.fromEntries(inherited),
      // Models and records of whoever runs the tests stay out of it.
      XDG_DATA_HOME: join(OWN_FOLDER, 'data'),
      XDG_STATE_HOME: join(OWN_FOLDER, 'state'),
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => undefined);
  const outcome = new Promise<Outcome>((resolveOutcome, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolveOutcome({ code, signal, stdout, stderr }));
  });
  return { child, outcome };
}

/** A fresh folder. */
export function freshFolder(): string {
  return mkdtempSync(join(tmpdir(), 'vgr-test-'));
}

/** The lines of a JSONL text as values. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Writes a small photo: a dark disc on a light ground, at a place that `seed` decides. */
export async function drawPhoto(path: string, seed = 0): Promise<void> {
  const x = 20 + ((seed * 37) % 60);
  const svg = `<svg width="120" height="80"><rect width="120" height="80" fill="#ddd"/><circle cx="${x}" cy="40" r="18" fill="#433"/></svg>`;
  await sharp(Buffer.from(svg)).jpeg().toFile(path);
}

/** A folder with photos `photo-00.jpg` and on. */
export async function photoFolder(count: number): Promise<string> {
  const folder = freshFolder();
  for (let index = 0; index < count; index++) {
    await drawPhoto(join(folder, `photo-${String(index).padStart(2, '0')}.jpg`), index);
  }
  return folder;
}
