import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { quoted, VgrError } from '../formats/fault.js';
import { isSafeAddress } from '../formats/model-card.js';
import { bare, proxyFor, tunnel } from './proxy.js';

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
