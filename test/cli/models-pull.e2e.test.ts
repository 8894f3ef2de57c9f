import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { detectorGraph } from '../support/detector-graph.js';
import { encoderCardOf, writeEncoder } from '../support/encoder-graph.js';
import {
  type Answer,
  cut,
  FileServer,
  fromTheStart,
  stall,
  status,
  whole,
} from '../support/file-server.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { hasOpenssl, localCertificate, startProxy } from '../support/tls.js';
import { freshFolder, photoFolder, type RunOptions, vgr } from '../support/vgr.js';

/** A detector of 400 KB: one box at 0.75. */
const FILE = detectorGraph({
  ...TINY_PLAN,
  metadata: { padding: 'x'.repeat(400_000) },
});
const SHA256 = createHash('sha256').update(FILE).digest('hex');

const CARD = { ...TINY_CARD, sha256: SHA256, bytes: FILE.length, source: {} };

const servers: FileServer[] = [];

async function serve(answers: Readonly<Record<string, readonly Answer[]>>): Promise<FileServer> {
  const server = await FileServer.open(answers);
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A folder of models whose one card leads to the server. */
function shelf(source: object, changes: object = {}, models = freshFolder()): string {
  mkdirSync(join(models, 'tiny'), { recursive: true });
  writeFileSync(join(models, 'tiny', 'card.json'), JSON.stringify({ ...CARD, source, ...changes }));
  return models;
}

const from = (server: FileServer, path = '/tiny.onnx'): object => ({
  url: `${server.origin}${path}`,
  revision: 'v1',
});

function pull(models: string, options: RunOptions = {}) {
  return vgr(['models', 'pull', 'tiny'], {
    ...options,
    env: { VGR_MODELS_DIR: models, HF_HUB_CACHE: join(models, 'no-cache'), ...options.env },
  });
}

/** What lies in the model's folder. */
const files = (models: string): string[] => readdirSync(join(models, 'tiny')).sort();

const weights = (models: string): Uint8Array => readFileSync(join(models, 'tiny', 'tiny.onnx'));

const errorOf = (stderr: string): string => /^error: (.*)$/m.exec(stderr)?.[1] ?? '';

describe('vgr models pull', () => {
  it('brings a file that is then used, and does nothing when it is here', async () => {
    const server = await serve({ '/tiny.onnx': [whole(FILE)] });
    const models = shelf(from(server));
    const photos = await photoFolder(1);
    const detect = ['detect', photos, '--detector', 'tiny', '--device', 'cpu', '--no-timing'];
    const before = await vgr(detect, { env: { VGR_MODELS_DIR: models } });
    expect(before.code).toBe(3);
    expect(before.stderr).toContain('hint: `vgr models pull tiny` downloads it');
    expect(server.asked).toEqual([]);

    const run = await pull(models);
    expect(run).toEqual({
      code: 0,
      signal: null,
      stdout: `${join(models, 'tiny', 'tiny.onnx')}\n`,
      stderr: '',
    });
    expect(files(models)).toEqual(['card.json', 'tiny.onnx']);
    const after = await vgr(detect, { env: { VGR_MODELS_DIR: models } });
    expect(after.code).toBe(0);

    const again = await pull(models);
    expect(again).toMatchObject({ code: 0, stderr: 'tiny is here already\n' });
    expect(server.asked).toHaveLength(1);
  });

  it('goes on where a connection was cut', async () => {
    const server = await serve({
      '/tiny.onnx': [cut(FILE, 100_000), status(503), cut(FILE, 100_000), whole(FILE)],
    });
    const models = shelf(from(server));
    expect(await pull(models)).toMatchObject({ code: 0, stderr: '' });
    expect(weights(models)).toEqual(Buffer.from(FILE));
    const [first, second, third, fourth] = server.ranges;
    expect(first).toBe('-');
    expect(third).toBe(second);
    const places = [second, fourth].map((range) => Number(/\d+/.exec(range!)?.[0]));
    expect(places[0]).toBeGreaterThan(0);
    expect(places[1]).toBeGreaterThan(places[0]!);
  });

  it('goes on in the next run, and never uses a part', async () => {
    const server = await serve({ '/tiny.onnx': [cut(FILE, 250_000), status(503)] });
    const models = shelf(from(server));
    const failed = await pull(models);
    expect(failed.code).toBe(3);
    expect(errorOf(failed.stderr)).toMatch(
      /`http:\/\/127\.0\.0\.1:\d+\/tiny\.onnx`: the server answers with status 503; \d+ bytes are kept, and the same command resumes after them/,
    );
    expect(files(models)).toEqual(['card.json', 'tiny.onnx.partial']);
    const used = await vgr(['models', 'verify', 'tiny'], { env: { VGR_MODELS_DIR: models } });
    expect(used.code).toBe(3);

    const healthy = await serve({ '/tiny.onnx': [whole(FILE)] });
    expect(await pull(shelf(from(healthy), {}, models))).toMatchObject({ code: 0 });
    expect(healthy.ranges[0]).toMatch(/^bytes=\d{5,}-$/);
    expect(weights(models)).toEqual(Buffer.from(FILE));
    expect(files(models)).toEqual(['card.json', 'tiny.onnx']);
  });

  it('waits for no server that falls silent', async () => {
    const server = await serve({ '/tiny.onnx': [stall(FILE, 200_000), whole(FILE)] });
    const models = shelf(from(server));
    expect(await pull(models, { env: { HF_HUB_DOWNLOAD_TIMEOUT: '1' } })).toMatchObject({
      code: 0,
    });
    // A machine that is busy for a second asks once more.
    expect(server.asked.length).toBeGreaterThanOrEqual(2);
    expect(weights(models)).toEqual(Buffer.from(FILE));

    const silent = await serve({ '/tiny.onnx': [stall(FILE, 0)] });
    const run = await pull(shelf(from(silent)), { env: { HF_HUB_DOWNLOAD_TIMEOUT: '0.2' } });
    expect(run.code).toBe(3);
    expect(errorOf(run.stderr)).toContain('no data came for 0.2 s');
  });

  it('throws away a file that is not the pinned one', async () => {
    const other = Uint8Array.from(FILE, (byte, place) => (place === 99 ? byte ^ 1 : byte));
    const server = await serve({ '/tiny.onnx': [whole(other)] });
    const models = shelf(from(server));
    const run = await pull(models);
    expect(run.code).toBe(3);
    expect(errorOf(run.stderr)).toMatch(
      new RegExp(
        `expected sha256 ${SHA256}, got [0-9a-f]{64} of ${FILE.length} bytes; the file was deleted`,
      ),
    );
    expect(files(models)).toEqual(['card.json']);
  });

  it('takes no file of another size to begin with', async () => {
    const longer = await serve({ '/tiny.onnx': [whole(Buffer.concat([FILE, FILE]))] });
    const run = await pull(shelf(from(longer)));
    expect(run.code).toBe(3);
    expect(errorOf(run.stderr)).toContain(
      `expected ${FILE.length} bytes, the server has ${2 * FILE.length}`,
    );

    // A server that tells no length and does not stop.
    const endless: Answer = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(FILE));
      };
      response.writeHead(200).on('drain', more);
      more();
    };
    const models = shelf(from(await serve({ '/tiny.onnx': [endless] })));
    const stopped = await pull(models);
    expect(stopped.code).toBe(3);
    expect(errorOf(stopped.stderr)).toContain(
      `the server sends more than the ${FILE.length} bytes that it should`,
    );
    expect(files(models)).toEqual(['card.json']);
  });

  it('starts anew where the server cannot go on', async () => {
    const ignoring = await serve({ '/tiny.onnx': [cut(FILE, 100_000), fromTheStart(FILE)] });
    const models = shelf(from(ignoring));
    expect(await pull(models)).toMatchObject({ code: 0 });
    expect(weights(models)).toEqual(Buffer.from(FILE));

    const elsewhere: Answer = (_, response) => {
      response.writeHead(206, { 'content-range': `bytes 7-${FILE.length - 1}/${FILE.length}` });
      response.end(FILE.subarray(7));
    };
    const refusing = await serve({
      '/tiny.onnx': [cut(FILE, 100_000), elsewhere, cut(FILE, 100_000), status(416), whole(FILE)],
    });
    const others = shelf(from(refusing));
    expect(await pull(others)).toMatchObject({ code: 0 });
    expect(weights(others)).toEqual(Buffer.from(FILE));
  });

  it('follows redirects, but not in circles and not off this machine without encryption', async () => {
    const server = await serve({
      '/a': [status(302, { location: '/b?signature=secret' })],
      '/b': [whole(FILE)],
      '/round': [status(307, { location: '/round' })],
      '/out': [status(302, { location: 'http://example.org/tiny.onnx?signature=secret' })],
      '/file': [status(301, { location: 'file:///etc/passwd' })],
    });
    expect(await pull(shelf(from(server, '/a')))).toMatchObject({ code: 0 });
    const round = await pull(shelf(from(server, '/round')));
    expect(round.code).toBe(3);
    expect(errorOf(round.stderr)).toMatch(
      /\/round`: expected a file within 20 redirects, got another redirect/,
    );
    const out = await pull(shelf(from(server, '/out')));
    expect(out.code).toBe(3);
    expect(errorOf(out.stderr)).toContain(
      'expected a redirect to an https address, got `http://example.org/tiny.onnx`',
    );
    expect(out.stderr).not.toContain('secret');
    const local = await pull(shelf(from(server, '/file')));
    expect(local.code).toBe(3);
    expect(errorOf(local.stderr)).toContain('expected a redirect to an https address');
  });

  it('says what a server refuses, at once', async () => {
    const server = await serve({ '/gated': [status(401)] });
    const missing = await pull(shelf(from(server, '/nowhere')));
    expect(missing.code).toBe(3);
    expect(errorOf(missing.stderr)).toMatch(/\/nowhere`: expected a file, got status 404/);
    const gated = await pull(shelf(from(server, '/gated')));
    expect(gated.code).toBe(3);
    // The token is for the hub alone.
    expect(gated.stderr).toContain('hint: the server requires a login: download the file');
    expect(gated.stderr).not.toContain('HF_');
    expect(server.asked).toHaveLength(2);
  });

  it('keeps what came when it is stopped', async () => {
    const server = await serve({ '/tiny.onnx': [stall(FILE, 200_000), whole(FILE)] });
    const models = shelf(from(server));
    const partial = join(models, 'tiny', 'tiny.onnx.partial');
    const run = await pull(models, {
      env: { HF_HUB_DOWNLOAD_TIMEOUT: '500' },
      onStart: (child) => {
        const timer = setInterval(() => {
          if (!existsSync(partial)) return;
          clearInterval(timer);
          child.kill('SIGINT');
        }, 50);
      },
    });
    expect(run.code).toBe(130);
    expect(files(models)).toEqual(['card.json', 'tiny.onnx.partial']);
    expect(await pull(models)).toMatchObject({ code: 0 });
    expect(weights(models)).toEqual(Buffer.from(FILE));
  });

  it('is not done twice at once', async () => {
    const server = await serve({ '/tiny.onnx': [stall(FILE, 0)] });
    const models = shelf(from(server));
    let child: ChildProcess | undefined;
    // The first waits until it is told to end, however long the second takes to start.
    const first = pull(models, {
      env: { HF_HUB_DOWNLOAD_TIMEOUT: '500' },
      onStart: (started) => {
        child = started;
      },
    });
    while (server.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await pull(models);
    expect(second.code).toBe(3);
    expect(errorOf(second.stderr)).toMatch(/process \d+/);
    expect(server.asked).toHaveLength(1);
    child!.kill('SIGINT');
    expect((await first).code).toBe(130);
  });

  it('pins what is not pinned yet, and says so', async () => {
    const server = await serve({ '/tiny.onnx': [cut(FILE, 100_000), whole(FILE)] });
    const models = shelf(from(server), { sha256: undefined, bytes: undefined });
    writeFileSync(join(models, 'tiny', 'tiny.onnx.partial'), 'of another time');
    const run = await pull(models);
    expect(run.code).toBe(0);
    expect(run.stderr).toContain(
      `had no sha256 for tiny.onnx; it is pinned to the downloaded file's, ${SHA256}`,
    );
    expect(server.ranges[0]).toBe('-');
    const card = JSON.parse(readFileSync(join(models, 'tiny', 'card.json'), 'utf8'));
    expect(card).toMatchObject({ sha256: SHA256, bytes: FILE.length });
    const verified = await vgr(['models', 'verify', 'tiny'], { env: { VGR_MODELS_DIR: models } });
    expect(verified.code).toBe(0);
  });

  it('brings every file of an encoder from its repository', async () => {
    const made = writeEncoder(freshFolder(), {});
    const names = readdirSync(made).filter((name) => name !== 'card.json');
    const placed = (name: string): string => (name.endsWith('.onnx') ? `onnx/${name}` : name);
    const server = await serve(
      Object.fromEntries(
        names.map((name) => [
          `/some/encoder/resolve/v1/${placed(name)}`,
          [whole(readFileSync(join(made, name)))],
        ]),
      ),
    );
    const { files, ...card } = encoderCardOf();
    const models = freshFolder();
    mkdirSync(join(models, 'tiny-clip'));
    const remote = {
      ...card,
      source: { hub: 'some/encoder', revision: 'v1', path: `onnx/${card.file}` },
      files: (files as { file: string }[]).map((one) => ({ ...one, path: placed(one.file) })),
    };
    writeFileSync(join(models, 'tiny-clip', 'card.json'), JSON.stringify(remote));
    const env = {
      VGR_MODELS_DIR: models,
      HF_ENDPOINT: server.origin,
      HF_HUB_CACHE: join(models, 'no-cache'),
    };
    const run = await vgr(['models', 'pull', 'tiny-clip'], { env });
    expect(run.code, run.stderr).toBe(0);
    expect(readdirSync(join(models, 'tiny-clip')).sort()).toEqual(['card.json', ...names].sort());
    expect((await vgr(['models', 'verify', 'tiny-clip'], { env })).code).toBe(0);
  });

  it('brings nothing for models that come from elsewhere', async () => {
    const embedded = await vgr(['models', 'pull', 'centernet']);
    expect(embedded.code).toBe(2);
    expect(errorOf(embedded.stderr)).toContain(
      'model `centernet` cannot be pulled: it comes with the program',
    );
    const unknown = await vgr(['models', 'pull', 'grounding-dino-tiny:q8']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('hint: there are `grounding-dino-tiny:fp32`, ');
    const plain = await pull(shelf({ url: 'http://example.org/tiny.onnx', revision: 'v1' }));
    expect(plain.code).toBe(2);
    expect(errorOf(plain.stderr)).toContain('`source.url`: expected an https address');
  });
});

describe('the Hugging Face hub', () => {
  const source = { hub: 'some-one/a.detector', revision: '0123abc', path: 'onnx/model.onnx' };
  const path = '/some-one/a.detector/resolve/0123abc/onnx/model.onnx';

  it('is asked at its endpoint, with a token that no other host sees', async () => {
    const store = await serve({ '/blob': [whole(FILE)] });
    // Another name of the same machine is another host.
    const location = `http://localhost:${store.port}/blob?signature=very-secret`;
    const closed = '/some-one/a.detector/resolve/0123abc/closed.onnx';
    const hub = await serve({ [path]: [status(302, { location })], [closed]: [status(401)] });
    const models = shelf(source);
    const env = { HF_ENDPOINT: `${hub.origin}/`, HF_TOKEN: 'hf_very_secret' };
    const run = await pull(models, { env });
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(weights(models)).toEqual(Buffer.from(FILE));
    expect(hub.asked[0]?.headers.authorization).toBe('Bearer hf_very_secret');
    expect(store.asked[0]?.headers.authorization).toBeUndefined();

    const gone = await pull(shelf({ ...source, path: 'other.onnx' }), { env });
    expect(gone.code).toBe(3);
    expect(gone.stderr + gone.stdout).not.toContain('very_secret');
    const gated = await pull(shelf({ ...source, path: 'closed.onnx' }), { env });
    expect(gated.stderr).toContain('the token has no access');
  });

  it('is not asked where its own clients have the file', async () => {
    const cache = freshFolder();
    const file = join(
      cache,
      'models--some-one--a.detector',
      'snapshots',
      '0123abc',
      'onnx',
      'model.onnx',
    );
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, FILE);
    const models = shelf(source);
    const env = { HF_HUB_CACHE: cache, HF_ENDPOINT: 'http://127.0.0.1:9' };
    const run = await pull(models, { env });
    expect(run).toMatchObject({
      code: 0,
      stderr: 'tiny: taken from the cache of the Hugging Face hub\n',
    });
    expect(weights(models)).toEqual(Buffer.from(FILE));

    // What lies there and is another file is not taken.
    writeFileSync(file, 'something else');
    const hub = await serve({ [path]: [whole(FILE)] });
    const other = await pull(shelf(source), { env: { ...env, HF_ENDPOINT: hub.origin } });
    expect(other.code).toBe(0);
    expect(hub.asked).toHaveLength(1);
  });

  it('is not asked when it must not be', async () => {
    const offline = await pull(shelf(source), { env: { HF_HUB_OFFLINE: '1' } });
    expect(offline.code).toBe(2);
    expect(errorOf(offline.stderr)).toContain('HF_HUB_OFFLINE');
    const plain = await pull(shelf(source), { env: { HF_ENDPOINT: 'http://mirror.example' } });
    expect(plain.code).toBe(2);
    expect(errorOf(plain.stderr)).toBe('HF_ENDPOINT: expected an https address');
  });
});

describe('a full disk', () => {
  const isRoot = process.getuid?.() === 0 && process.platform === 'linux';
  const mounted: string[] = [];

  afterEach(() => {
    for (const folder of mounted.splice(0)) spawnSync('umount', [folder]);
  });

  function smallDisk(kibibytes: number): string | undefined {
    const folder = freshFolder();
    const args = ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', folder];
    if (spawnSync('mount', args).status !== 0) return undefined;
    mounted.push(folder);
    return folder;
  }

  it.skipIf(!isRoot)('is seen before the download where the size is known', async (context) => {
    const disk = smallDisk(200);
    if (!disk) return context.skip();
    const server = await serve({ '/tiny.onnx': [whole(FILE)] });
    const run = await pull(shelf(from(server), {}, disk));
    expect(run.code).toBe(3);
    expect(errorOf(run.stderr)).toMatch(/tiny\.onnx\.partial`: \d+ bytes are needed, \d+ are free/);
    expect(files(disk)).toEqual(['card.json']);
  });

  it.skipIf(!isRoot)('keeps what came, and the next run goes on', async (context) => {
    const disk = smallDisk(200);
    if (!disk) return context.skip();
    // Without a length nobody can tell beforehand.
    const unsaid: Answer = (_, response) => {
      response.writeHead(200).end(FILE);
    };
    const server = await serve({ '/tiny.onnx': [unsaid, whole(FILE)] });
    const models = shelf(from(server), {}, disk);
    const run = await pull(models);
    expect(run.code).toBe(3);
    expect(errorOf(run.stderr)).toMatch(/no space left to write `.*tiny\.onnx\.partial`/);
    expect(files(models)).toEqual(['card.json', 'tiny.onnx.partial']);
    execFileSync('mount', ['-o', 'remount,size=4m', disk]);
    expect(await pull(models)).toMatchObject({ code: 0 });
    expect(server.ranges[1]).toMatch(/^bytes=\d{5,}-$/);
    expect(weights(models)).toEqual(Buffer.from(FILE));
  });
});

describe('a proxy', () => {
  it.skipIf(!hasOpenssl)('carries what goes to https, encrypted to its end', async () => {
    const tls = localCertificate();
    const server = await FileServer.open({ '/tiny.onnx': [whole(FILE)] }, tls);
    servers.push(server);
    const proxy = await startProxy();
    try {
      const source = { url: `https://localhost:${server.port}/tiny.onnx`, revision: 'v1' };
      const env = {
        NODE_EXTRA_CA_CERTS: tls.file,
        HTTPS_PROXY: `http://me:pass%20word@127.0.0.1:${proxy.port}`,
      };
      const models = shelf(source);
      expect(await pull(models, { env })).toMatchObject({ code: 0, stderr: '' });
      expect(weights(models)).toEqual(Buffer.from(FILE));
      expect(proxy.carried).toHaveLength(1);
      expect(proxy.carried[0]).toMatchObject({
        to: `localhost:${server.port}`,
        headers: {
          'proxy-authorization': `Basic ${Buffer.from('me:pass word').toString('base64')}`,
        },
      });
      expect(server.asked[0]?.headers['proxy-authorization']).toBeUndefined();

      const around = await pull(shelf(source), {
        env: { ...env, NO_PROXY: 'example.org, localhost' },
      });
      expect(around.code).toBe(0);
      expect(proxy.carried).toHaveLength(1);

      // Without the certificate nobody is trusted.
      const strange = await pull(shelf(source), { env: { HTTPS_PROXY: env.HTTPS_PROXY } });
      expect(strange.code).toBe(3);
      expect(errorOf(strange.stderr)).toMatch(/certificate/);
      expect(strange.stderr).not.toContain('pass');
    } finally {
      await proxy.close();
    }
  });
});
