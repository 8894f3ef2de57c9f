import { BlockList, isIP, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { quoted, VgrError } from './error.js';
import { isSafeAddress } from './text.js';

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** The only headers that are sent, but for `host`, `connection` and those for a proxy. */
  readonly headers: Readonly<Record<string, string>>;
  /** Goes out in these pieces; `content-length` is set from them. */
  readonly body?: readonly Buffer[];
  readonly signal: AbortSignal;
  /** Whether the connection is closed after the response. */
  readonly closes?: boolean;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; of a repeated header the first value. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** As sent: not unpacked. Must be read to its end or destroyed. */
  readonly body: Readable;
}

/**
 * HTTP over connections that stay open. It follows no redirect: where photos and keys go is for the user to decide. Plain http
 * is handed to the proxy itself; https goes through it unread.
 */
export class HttpClient {
  readonly #proxy: URL | undefined;
  /** Connections to servers, or to the proxy. */
  readonly #direct: Agent;
  /** Connections to servers that speak TLS, through the proxy where there is one. */
  readonly #secure: Agent;

  /** @param timeoutMs longest time without a byte, and for each connection that is opened */
  constructor(proxy: URL | undefined, timeoutMs: number) {
    const connect = buildConnector({ timeout: timeoutMs });
    const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
    this.#proxy = proxy;
    this.#direct = new Agent({
      ...timeouts,
      // The name in the certificate is that of the host connected to; a `host` header may name another one behind it.
      connect: (target, done) => connect({ ...target, servername: undefined }, done),
    });
    this.#secure = !proxy
      ? this.#direct
      : new Agent({
          ...timeouts,
          connect: (target, done) => {
            const name = isIP(target.hostname) === 6 ? `[${target.hostname}]` : target.hostname;
            this.#openTunnel(proxy, `${name}:${target.port || 443}`).then(
              (httpSocket) => connect({ ...target, httpSocket }, done),
              (error) => done(error, null),
            );
          },
        });
  }

  /** @throws the signal's reason; VgrError DOWNLOAD_FAILED where the proxy refuses; errors of the network as they are */
  async request(url: URL, request: HttpRequest): Promise<HttpResponse> {
    const { method, headers, body, signal, closes } = request;
    const through = url.protocol === 'http:' ? this.#proxy : undefined;
    const length = body?.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const options: Dispatcher.RequestOptions = {
      origin: (through ?? url).origin,
      path: through ? url.href : url.pathname + url.search,
      method,
      headers: {
        ...headers,
        ...(length !== undefined && { 'content-length': String(length) }),
        ...(through && { host: url.host, ...credentialsFor(through) }),
      },
      body: body && Readable.from(body),
      signal,
      reset: closes,
    };
    const agent = url.protocol === 'http:' ? this.#direct : this.#secure;
    const response = await orAborted(agent.request(options), signal);
    // A body that is destroyed before its end fails; without a listener that would end the process.
    response.body.on('error', () => undefined);
    return {
      status: response.statusCode,
      headers: Object.fromEntries(
        Object.entries(response.headers).map(([name, value]) => [name, [value].flat()[0]]),
      ),
      body: response.body,
    };
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#direct.destroy(), this.#secure.destroy()]);
  }

  /** Credentials of the proxy go to it alone. @param host with its port */
  async #openTunnel(proxy: URL, host: string): Promise<Socket> {
    const { statusCode, socket } = await this.#direct.connect({
      origin: proxy.origin,
      path: host,
      headers: { host, ...credentialsFor(proxy) },
    });
    if (statusCode === 200) return socket as Socket;
    socket.on('error', () => undefined).destroy();
    throw new VgrError(
      'DOWNLOAD_FAILED',
      `the proxy ${quoted(proxy.host)} refuses a way to ${quoted(host)} with status ${statusCode}`,
    );
  }
}

/** Work is left to itself when the signal is aborted: a request that waits for its connection does not heed it. */
function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = () => signal.removeEventListener('abort', onAbort);
    work.finally(settled).then(resolve, reject);
  });
}

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** Longest time without a byte, milliseconds. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** As many as browsers follow. */
const MAX_REDIRECTS = 20;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Asks for an address over https, or over http from this very machine, and follows redirects. `authorization` goes to the
 * first host alone, and no redirect leads from https to http.
 * @throws VgrError DOWNLOAD_FAILED for a redirect that may not be followed, or where the proxy refuses; errors of the network
 */
export async function httpGet(start: URL, options: GetOptions): Promise<HttpResponse> {
  const { stallMs, signal } = options;
  let address = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const headers: Record<string, string> = {
      ...options.headers,
      'accept-encoding': 'identity',
      'user-agent': 'vgr',
    };
    if (address.host !== start.host) delete headers.authorization;
    const client = new HttpClient(proxyFor(address), stallMs);
    const response = await client
      .request(address, { method: 'GET', headers, signal, closes: true })
      .catch((thrown) => Promise.reject(stallError(thrown, stallMs)));
    const { location } = response.headers;
    if (!REDIRECTS.has(response.status) || location === undefined) return response;
    response.body.destroy();
    address = nextAddress(address, location);
  }
  throw new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(start)}: expected a file within ${MAX_REDIRECTS} redirects, got another redirect`,
    { hint: 'the server sends in circles: try again later, or tell its keepers' },
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

/** The address without its query, which may hold a signature, and without credentials. */
export function shownAddress({ protocol, host, pathname }: URL): string {
  return quoted(`${protocol}//${host}${pathname}`, 300);
}

/** The error of a request or body; of a timeout one that says how long nothing came. */
export function stallError(thrown: unknown, stallMs: number): unknown {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  if (!/^UND_ERR_(?:CONNECT|HEADERS|BODY)_TIMEOUT$/.test(code)) return thrown;
  return new Error(`no byte came for ${stallMs / 1000} s`, { cause: thrown });
}

/** This very machine: 127.0.0.0/8, ::1 and its name. */
const LOOPBACK = /^(?:localhost|.*\.localhost|127(?:\.\d+){3}|\[::1\])$/;

/**
 * The proxy that the environment names for an address, as curl and the hub's clients read it: `HTTPS_PROXY` or `HTTP_PROXY` by
 * the address, else `ALL_PROXY`, in small letters or large, unless `NO_PROXY` lists the host, a domain above it, its network as
 * `10.0.0.0/8`, or `*`. Plain http to this very machine goes straight.
 * @throws VgrError CONFIG_INVALID
 */
export function proxyFor(
  address: URL,
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): URL | undefined {
  const read = (name: string): string | undefined =>
    environment[name.toLowerCase()] || environment[name] || undefined;
  const secure = address.protocol === 'https:';
  if (!secure && LOOPBACK.test(address.hostname)) return undefined;
  if (isExempt(address, read('NO_PROXY') ?? '')) return undefined;
  const own = secure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
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
  const [kind, own] = [isIP(start), isIP(host)];
  if (kind === 0 || kind !== own || !/^\d+$/.test(bits) || Number(bits) > (kind === 6 ? 128 : 32)) {
    return false;
  }
  const family = kind === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(start, Number(bits), family);
  return list.check(host, family);
}

/** The header that tells a proxy who asks; nothing where its address has no name. */
function credentialsFor({ username, password }: URL): Readonly<Record<string, string>> {
  if (!username) return {};
  const pair = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
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
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** Whether the server could not show who it is; asking again would change nothing. */
export function isDistrust(thrown: unknown): boolean {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  return /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME/.test(code);
}
