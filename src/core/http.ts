import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { quoted, VgrError } from './error.js';
import { isSafeAddress } from './text.js';

/** What a server answered after all redirects. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Must be read to its end or destroyed. */
  readonly body: IncomingMessage;
}

export interface HttpQuestion {
  readonly headers: Readonly<Record<string, string>>;
  /** Longest time without a byte, milliseconds. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** As many as browsers follow. */
const REDIRECT_LIMIT = 20;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Asks for an address over https, or over http from this very machine, and follows redirects. `authorization` goes to the
 * first host alone, and no redirect leads from https to http.
 * @throws VgrError DOWNLOAD_FAILED for a redirect that may not be followed; errors of the network as they are
 */
export async function httpGet(start: URL, question: HttpQuestion): Promise<HttpAnswer> {
  let address = start;
  for (let hop = 0; hop <= REDIRECT_LIMIT; hop++) {
    const headers = { ...question.headers };
    if (address.host !== start.host) delete headers.authorization;
    const answer = await askOnce(address, { ...question, headers });
    const { location } = answer.headers;
    if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
    answer.body.destroy();
    address = nextAddress(address, location);
  }
  throw new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(start)}: expected a file within ${REDIRECT_LIMIT} redirects, got another redirect`,
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

async function askOnce(
  address: URL,
  { headers, stallMs, signal }: HttpQuestion,
): Promise<HttpAnswer> {
  const proxy = proxyFor(address);
  const connection = proxy && (await tunnel(proxy, address, stallMs, signal));
  const options: RequestOptions = {
    hostname: bare(address.hostname),
    port: address.port,
    path: address.pathname + address.search,
    headers: {
      ...headers,
      'accept-encoding': 'identity',
      'user-agent': 'vgr',
      connection: 'close',
    },
    signal,
    agent: false,
    ...(connection && { createConnection: () => connection }),
  };
  const ask = address.protocol === 'https:' ? secureRequest : request;
  return new Promise<HttpAnswer>((resolve, reject) => {
    let body: IncomingMessage | undefined;
    const asked = ask(options, (answer) => {
      body = answer;
      // A way through a proxy is for one answer; open, it would keep the process from ending.
      answer.once('close', () => connection?.destroy());
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer });
    });
    asked.setTimeout(stallMs, () => {
      // Who reads the body gets the reason only from the body itself.
      (body ?? asked).destroy(new Error(`no byte came for ${stallMs / 1000} s`));
    });
    asked.on('error', reject);
    asked.end();
  });
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

/** The header that shows a proxy who asks; nothing where its address has no name. */
export function credentialsFor({ username, password }: URL): Readonly<Record<string, string>> {
  if (!username) return {};
  const pair = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** A connection to the host of an https address through a proxy. Credentials of the proxy go to it alone. */
export async function tunnel(
  proxy: URL,
  address: URL,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<TLSSocket> {
  const host = `${address.hostname}:${address.port || 443}`;
  const socket = await new Promise<Socket>((resolve, reject) => {
    const ask = proxy.protocol === 'https:' ? secureRequest : request;
    const asked = ask({
      hostname: bare(proxy.hostname),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: host,
      agent: false,
      ...(signal && { signal }),
      headers: { host, ...credentialsFor(proxy) },
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
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** Whether the server could not show who it is; asking again would change nothing. */
export function isDistrust(thrown: unknown): boolean {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  return /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME/.test(code);
}
