import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { quoted, VgrError } from './error.js';
import { isSafeAddress } from './text.js';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** No other headers are sent but `host`, `connection`, `content-length` and those for a proxy. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: readonly Buffer[];
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** Where the answer came from, and what the answers said that led there; only of {@link httpGet}. */
  readonly address?: URL;
  readonly redirects?: readonly http.IncomingHttpHeaders[];
  readonly headers: http.IncomingHttpHeaders;
  /** As sent: not decompressed. Must be read to its end or destroyed. */
  readonly body: http.IncomingMessage;
}

/**
 * HTTP over connections that stay open. It follows no redirects: the user decides where photos and keys go. A proxy gets plain
 * http itself, and tunnels https.
 *
 * It uses Node's own module: with undici 7 a server that closes a connection while its reply is read slowly ends the process
 * (nodejs/undici#5360), and a cut connection loses the part of a file that came and was not read yet.
 */
export class HttpClient {
  readonly #proxy: URL | undefined;
  readonly #timeoutMs: number;
  readonly #plain = new http.Agent({ keepAlive: true });
  readonly #secure = new https.Agent({ keepAlive: true });
  /** For https: through the proxy if there is one. */
  readonly #tunnels: https.Agent;
  readonly #closing = new AbortController();

  /** @param timeoutMs limit of a time without a byte, and of opening a tunnel */
  constructor(proxy: URL | undefined, timeoutMs: number) {
    this.#proxy = proxy;
    this.#timeoutMs = timeoutMs;
    this.#tunnels = proxy ? tunnelAgent(proxy, timeoutMs, this.#closing.signal) : this.#secure;
  }

  /** @throws AbortError; VgrError DOWNLOAD_FAILED where the proxy refuses; Error of the network, or where no byte comes */
  request(url: URL, { method, headers, body = [], signal }: HttpRequest): Promise<HttpResponse> {
    const through = url.protocol === 'http:' ? this.#proxy : undefined;
    const target = through ?? url;
    const direct = target.protocol === 'https:' ? this.#secure : this.#plain;
    const length = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return new Promise((resolve, reject) => {
      let reply: http.IncomingMessage | undefined;
      const request = requestTo(target, {
        method,
        path: through ? url.href : url.pathname + url.search,
        agent: url.protocol === 'https:' ? this.#tunnels : direct,
        headers: {
          ...headers,
          ...(length > 0 && { 'content-length': length }),
          ...(through && { host: url.host, ...credentialsFor(through) }),
        },
        signal,
      });
      request.setTimeout(this.#timeoutMs, () => {
        // The reader of a body gets the reason only from the body itself.
        (reply ?? request).destroy(new Error(`no data came for ${this.#timeoutMs / 1000} s`));
      });
      request.on('error', reject);
      // While a tunnel opens, the request itself does not notice the signal.
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort);
      request.on('close', () => signal.removeEventListener('abort', onAbort));
      request.on('response', (message) => {
        reply = message;
        resolve({ status: message.statusCode ?? 0, headers: message.headers, body: message });
      });
      for (const piece of body) request.write(piece);
      request.end();
    });
  }

  /** Cuts all connections. */
  close(): void {
    this.#closing.abort();
    for (const agent of [this.#plain, this.#secure, this.#tunnels]) agent.destroy();
  }
}

/** A request that has not started. The certificate must name the target, whatever the header `host` is. */
function requestTo(target: URL, options: http.RequestOptions): http.ClientRequest {
  const isSecure = target.protocol === 'https:';
  const hostname = bare(target.hostname);
  return (isSecure ? https : http).request({
    ...options,
    hostname,
    port: target.port,
    servername: isSecure ? serverName(hostname) : undefined,
  });
}

/** Opens each connection through the proxy. */
function tunnelAgent(proxy: URL, timeoutMs: number, signal: AbortSignal): https.Agent {
  const agent = new https.Agent({ keepAlive: true });
  const createConnection = (
    target: Target,
    done: (error: unknown, socket?: TLSSocket) => void,
  ): void => {
    const opened = openTunnel(proxy, target, timeoutMs, signal);
    opened.then((socket) => done(null, socket), done);
  };
  return Object.assign(agent, { createConnection });
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** A connection to the host through a proxy. Credentials of the proxy go to it alone. */
function openTunnel(
  proxy: URL,
  { host, port }: Target,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const path = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    const silent = new Error('the proxy does not answer');
    const headers = { host: path, ...credentialsFor(proxy) };
    const request = requestTo(proxy, { method: 'CONNECT', path, agent: false, headers, signal });
    request.setTimeout(timeoutMs, () => request.destroy(silent));
    request.on('error', reject);
    request.on('connect', ({ statusCode }, socket) => {
      if (statusCode !== 200) {
        socket.destroy();
        const words = `the proxy ${quoted(proxy.host)} refuses a tunnel to ${quoted(path)} with status ${statusCode}`;
        reject(new VgrError('DOWNLOAD_FAILED', words));
        return;
      }
      socket.setTimeout(timeoutMs, () => secure.destroy(silent));
      const secure = connectTls({ socket, host, servername: serverName(host) });
      secure.once('error', reject);
      secure.once('secureConnect', () => {
        socket.setTimeout(0);
        secure.off('error', reject);
        resolve(secure);
      });
    });
    request.end();
  });
}

/** The name that the certificate must have: an IP address is no name. */
function serverName(host: string): string {
  return isIP(host) ? '' : host;
}

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** Limit of a time without a byte, milliseconds. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** As many as browsers follow. */
const MAX_REDIRECTS = 20;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Gets an address over https, or over http from this machine, and follows redirects. `authorization` goes to the first host
 * alone, and no redirect leads from https to http.
 * @throws VgrError DOWNLOAD_FAILED for a redirect that may not be followed, or where the proxy refuses; errors of the network
 */
export async function httpGet(start: URL, options: GetOptions): Promise<HttpResponse> {
  const { stallMs, signal } = options;
  let address = start;
  const redirects: http.IncomingHttpHeaders[] = [];
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const headers: Record<string, string> = {
      ...options.headers,
      'accept-encoding': 'identity',
      'user-agent': 'vgr',
      connection: 'close',
    };
    if (address.host !== start.host) delete headers.authorization;
    const client = new HttpClient(proxyFor(address), stallMs);
    const response = await client
      .request(address, { method: 'GET', headers, signal })
      .catch((thrown) => {
        client.close();
        throw thrown;
      });
    const { location } = response.headers;
    if (!REDIRECTS.has(response.status) || location === undefined) {
      return { ...response, address, redirects };
    }
    redirects.push(response.headers);
    response.body.destroy();
    address = nextAddress(address, location);
  }
  throw new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(start)}: expected a file within ${MAX_REDIRECTS} redirects, got another redirect`,
    {
      hint: 'the server redirects in a loop: try again later, or report it to those who run the server',
    },
  );
}

function nextAddress(address: URL, location: string): URL {
  const next = URL.canParse(location, address.href) ? new URL(location, address) : undefined;
  const downgrade = address.protocol === 'https:' && next?.protocol === 'http:';
  if (next && isSafeAddress(next.href) && !downgrade) return next;
  throw new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(address)}: expected a redirect to an https address, got ${next ? shownAddress(next) : quoted(location)}`,
  );
}

/** The longest wait that a server may ask for, milliseconds. */
const MAX_WAIT = 10 * 60_000;

/** The wait that `retry-after-ms` or `Retry-After` (seconds or a date) asks for, milliseconds. */
export function retryAfterOf(headers: Readonly<http.IncomingHttpHeaders>): number | undefined {
  const exact = Number.parseFloat(String(headers['retry-after-ms']));
  if (exact >= 0) return Math.min(exact, MAX_WAIT);
  const text = headers['retry-after'] ?? '';
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0) return Math.min(seconds * 1000, MAX_WAIT);
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(date - Date.now(), 0), MAX_WAIT);
}

/** The address without its query, which may hold a signature, and without credentials. */
export function shownAddress({ protocol, host, pathname }: URL): string {
  return quoted(`${protocol}//${host}${pathname}`, 300);
}

/** This machine: 127.0.0.0/8, ::1 and its name. */
const LOOPBACK = /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])$/;

/**
 * The proxy that the environment names for an address, as curl and the hub's clients read it: `HTTPS_PROXY` or `HTTP_PROXY` by
 * the address, else `ALL_PROXY`, in lower or upper case, unless `NO_PROXY` lists the host, a domain above it, its network as
 * `10.0.0.0/8`, or `*`. Plain http to this machine uses no proxy.
 * @throws VgrError CONFIG_INVALID
 */
export function proxyFor(
  address: URL,
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): URL | undefined {
  const read = (name: string): string | undefined =>
    environment[name.toLowerCase()] || environment[name] || undefined;
  const isSecure = address.protocol === 'https:';
  if (!isSecure && LOOPBACK.test(address.hostname)) return undefined;
  if (isExempt(address, read('NO_PROXY') ?? '')) return undefined;
  const own = isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const name = read(own) === undefined ? 'ALL_PROXY' : own;
  const text = read(name);
  if (text === undefined) return undefined;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  throw new VgrError(
    'CONFIG_INVALID',
    `${name}: expected an http or https address of a proxy, got another value`,
    { hint: `for example ${name}=http://proxy.example:3128` },
  );
}

function isExempt({ protocol, hostname, port }: URL, list: string): boolean {
  const own = port || (protocol === 'https:' ? '443' : '80');
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      if (entry.includes('/')) return isInNetwork(bare(hostname), entry);
      if (isIP(bare(entry)) === 6) return isInNetwork(bare(hostname), `${bare(entry)}/128`);
      const [host = '', only] = entry
        .toLowerCase()
        .replace(/^\*?\./, '')
        .split(':');
      if (only !== undefined && only !== own) return false;
      return hostname === host || hostname.endsWith(`.${host}`);
    });
}

function isInNetwork(host: string, network: string): boolean {
  const [start = '', bits = ''] = network.split('/');
  const kind = isIP(start);
  const most = kind === 6 ? 128 : 32;
  if (kind === 0 || isIP(host) !== kind) return false;
  if (!/^\d+$/.test(bits) || Number(bits) > most) return false;
  const family = kind === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(start, Number(bits), family);
  return list.check(host, family);
}

/** The header with the user of a proxy; none where its address has no user. */
function credentialsFor({ username, password }: URL): Readonly<Record<string, string>> {
  if (!username) return {};
  const pair = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** Percent-decoded; unchanged where the percent signs encode nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Without the brackets of an IPv6 address. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** Whether the certificate was not trusted; a retry would change nothing. */
export function isDistrust(thrown: unknown): boolean {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  return /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME/.test(code);
}
