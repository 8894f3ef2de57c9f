import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { quoted, VgrError } from '../core/error.js';
import { isSafeAddress } from '../core/text.js';
import type { FurtherFile, ModelSource } from '../formats/card-parts.js';

/** Where a file is on the network, and the headers of requests for it. */
export interface RemoteFile {
  readonly address: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether it is asked of the Hugging Face hub or a mirror of it. */
  readonly isHub: boolean;
}

/** Where a network has the files of a model. */
export type RemoteSource = Extract<ModelSource, { url: string } | { hub: string }>;

const isTrue = (value = ''): boolean => /^(?:1|on|yes|true)$/i.test(value);

/**
 * The address of a model's weights. The environment is read as the Hugging Face hub's own clients do: `HF_ENDPOINT` names a
 * mirror; a token goes to that host alone.
 * @throws VgrError CONFIG_INVALID
 */
export function remoteFile(source: RemoteSource, environment = process.env): RemoteFile {
  if ('url' in source) return { address: new URL(source.url), headers: {}, isHub: false };
  const endpoint = environment.HF_ENDPOINT || 'https://huggingface.co';
  if (!isSafeAddress(endpoint)) {
    throw new VgrError('CONFIG_INVALID', 'HF_ENDPOINT: expected an https address', {
      hint: 'plain http is allowed for this machine only',
    });
  }
  const offline = ['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'].find((name) =>
    isTrue(environment[name]),
  );
  if (offline !== undefined) {
    throw new VgrError('CONFIG_INVALID', `${offline} is set, so the hub is not asked`, {
      hint: `the file is not in the hub's cache, ${quoted(hubCache(environment))}; unset ${offline} to download it`,
    });
  }
  const { hub, revision, path } = source;
  const token = hubToken(environment);
  return {
    address: new URL(`${endpoint.replace(/\/+$/, '')}/${hub}/resolve/${revision}/${path}`),
    headers: token ? { authorization: `Bearer ${token}` } : {},
    isHub: true,
  };
}

/**
 * The token as the hub's own clients find it: `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, or the file that a login has written.
 * @throws VgrError CONFIG_INVALID where no header can hold it; the message does not repeat it
 */
function hubToken(environment: NodeJS.ProcessEnv): string | undefined {
  const names = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN'];
  const named = names.find((name) => environment[name]?.trim());
  const file = environment.HF_TOKEN_PATH || join(hubHome(environment), 'token');
  // A file that holds it may end with a line break.
  const token = (named === undefined ? textIn(file) : environment[named]!).trim();
  if (/^[!-~]*$/.test(token)) return token || undefined;
  throw new VgrError(
    'CONFIG_INVALID',
    `${named ?? quoted(file)}: expected a token in visible ASCII characters, got another value`,
    { hint: 'copy the bare token, which begins with `hf_`' },
  );
}

function textIn(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function hubHome({ HF_HOME, XDG_CACHE_HOME }: NodeJS.ProcessEnv): string {
  return HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
}

/** The folder in which the hub's own clients keep what they have downloaded. */
function hubCache(environment: NodeJS.ProcessEnv): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = environment;
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(hubHome(environment), 'hub');
}

/** Where a further file of a model comes from: `path` in the hub's repository, else beside the weights. */
export function sourceBeside(
  source: RemoteSource,
  { file, path }: Pick<FurtherFile, 'file' | 'path'>,
): RemoteSource {
  if ('url' in source) return { ...source, url: new URL(path ?? file, source.url).href };
  return { ...source, path: path ?? `${source.path.replace(/[^/]*$/, '')}${file}` };
}

/**
 * Where the hub's own clients keep the same file, if they have downloaded it: under its hash, and in the snapshot of its revision,
 * which may be a branch that points to one.
 */
export function sharedCachePaths(
  source: Extract<ModelSource, { hub: string }>,
  sha256: string | undefined,
  environment = process.env,
): readonly string[] {
  const repository = join(hubCache(environment), `models--${source.hub.replaceAll('/', '--')}`);
  const commit = textIn(join(repository, 'refs', source.revision)).trim();
  const revisions = [source.revision, ...(/^[0-9a-f]{40}$/.test(commit) ? [commit] : [])];
  return [
    ...(sha256 === undefined ? [] : [join(repository, 'blobs', sha256)]),
    ...revisions.map((revision) => join(repository, 'snapshots', revision, source.path)),
  ];
}

/**
 * Longest time without a byte, milliseconds: `HF_HUB_DOWNLOAD_TIMEOUT`, in seconds, as the hub's clients read it.
 * @throws VgrError CONFIG_INVALID
 */
export function stallLimit(environment = process.env): number {
  const text = environment.HF_HUB_DOWNLOAD_TIMEOUT?.trim() ?? '';
  const seconds = Number(text);
  if (text === '') return 30_000;
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new VgrError(
    'CONFIG_INVALID',
    `HF_HUB_DOWNLOAD_TIMEOUT: expected seconds above 0, at most 86400, got ${quoted(text)}`,
  );
}
