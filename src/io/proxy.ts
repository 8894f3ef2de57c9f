import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { quoted, VgrError } from '../formats/fault.js';

/**
 * The proxy that the environment names for an address, as curl and the hub's clients read it: `HTTPS_PROXY`, else
 * `ALL_PROXY`, in small letters or large, unless `NO_PROXY` lists the host, a domain above it, or `*`.
 * @throws VgrError CONFIG_INVALID
 */
export function proxyFor(
  address: URL,
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): URL | undefined {
  const read = (name: string): string | undefined =>
    environment[name.toLowerCase()] || environment[name] || undefined;
  // Plain http is for this very machine alone.
  if (address.protocol !== 'https:') return undefined;
  if (isExempt(address, read('NO_PROXY') ?? '')) return undefined;
  const text = read('HTTPS_PROXY') ?? read('ALL_PROXY');
  if (text === undefined) return undefined;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  throw new VgrError(
    'CONFIG_INVALID',
    'HTTPS_PROXY: expected an http or https address of a proxy, got another value',
    { hint: 'for example HTTPS_PROXY=http://proxy.example:3128' },
  );
}

function isExempt({ hostname, port }: URL, list: string): boolean {
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [host = '', only] = entry
        .toLowerCase()
        .replace(/^\*?\./, '')
        .split(':');
      if (only !== undefined && only !== (port || '443')) return false;
      return hostname === host || hostname.endsWith(`.${host}`);
    });
}

/** A connection to the host of an https address through a proxy. Credentials of the proxy go to it alone. */
export async function tunnel(
  proxy: URL,
  address: URL,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const host = `${address.hostname}:${address.port || 443}`;
  const { username, password } = proxy;
  const credentials = `${decoded(username)}:${decoded(password)}`;
  const socket = await new Promise<Socket>((resolve, reject) => {
    const ask = proxy.protocol === 'https:' ? secureRequest : request;
    const asked = ask({
      hostname: bare(proxy.hostname),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: host,
      agent: false,
      signal,
      headers: {
        host,
        ...(username && {
          'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}`,
        }),
      },
    });
    asked.setTimeout(timeoutMs, () => asked.destroy(new Error('the proxy does not answer')));
    asked.on('error', reject);
    asked.on('connect', ({ statusCode }, connection) => {
      if (statusCode === 200) {
        resolve(connection);
        return;
      }
      connection.destroy();
      reject(
        new VgrError(
          'DOWNLOAD_FAILED',
          `the proxy ${quoted(proxy.host)} refuses a way to ${quoted(host)} with status ${statusCode}`,
        ),
      );
    });
    asked.end();
  });
  socket.setTimeout(0);
  return new Promise((resolve, reject) => {
    const secure = connectTls({ socket, servername: bare(address.hostname) });
    secure.once('error', reject);
    secure.once('secureConnect', () => {
      secure.off('error', reject);
      resolve(secure);
    });
  });
}

/** Without percent signs for other signs; as it stands where a percent sign means itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Without the brackets of an IPv6 address. */
export function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
