import { homedir } from 'node:os';
import { join } from 'node:path';
import { VgrError } from '../core/error.js';
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

/**
 * The address of a model's weights. The environment is read as the Hugging Face hub's own clients do: `HF_ENDPOINT` names a
 * mirror, `HF_TOKEN` a token, which goes to that host alone.
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
  if (/^(?:1|on|yes|true)$/i.test(environment.HF_HUB_OFFLINE ?? '')) {
    throw new VgrError('CONFIG_INVALID', 'HF_HUB_OFFLINE is set, so the hub is not asked');
  }
  const { hub, revision, path } = source;
  // A file that holds it may end with a line break.
  const token = environment.HF_TOKEN?.trim();
  return {
    address: new URL(`${endpoint.replace(/\/+$/, '')}/${hub}/resolve/${revision}/${path}`),
    headers: token ? { authorization: `Bearer ${token}` } : {},
    isHub: true,
  };
}

/** Where a further file of a model comes from: `path` in the hub's repository, else beside the weights. */
export function sourceBeside(
  source: RemoteSource,
  { file, path }: Pick<FurtherFile, 'file' | 'path'>,
): RemoteSource {
  if ('url' in source) return { ...source, url: new URL(path ?? file, source.url).href };
  return { ...source, path: path ?? `${source.path.replace(/[^/]*$/, '')}${file}` };
}

/** Where the hub's own clients keep the same file, if they have downloaded it. */
export function sharedCachePath(
  source: Extract<ModelSource, { hub: string }>,
  environment = process.env,
): string {
  const { HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  const repository = `models--${source.hub.replace('/', '--')}`;
  return join(
    HF_HUB_CACHE || join(home, 'hub'),
    repository,
    'snapshots',
    source.revision,
    source.path,
  );
}

/** Longest time without a byte, milliseconds: `HF_HUB_DOWNLOAD_TIMEOUT`, in seconds, as the hub's clients read it. */
export function stallLimit(environment = process.env): number {
  const seconds = Number(environment.HF_HUB_DOWNLOAD_TIMEOUT);
  return seconds > 0 ? seconds * 1000 : 30_000;
}
