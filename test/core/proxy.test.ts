import { describe, expect, it } from 'vitest';
import { proxyFor } from '../../src/core/http.js';
import { remoteFile, sharedCachePaths, stallLimit } from '../../src/models/remote-file.js';

const proxyOf = (address: string, environment: Record<string, string>): string | undefined =>
  proxyFor(new URL(address), environment)?.href;

describe('the proxy', () => {
  const PROXY = { HTTPS_PROXY: 'http://proxy:3128' };

  it.each([
    ['named in large letters', PROXY, 'http://proxy:3128/'],
    ['in small ones, which win', { ...PROXY, https_proxy: 'http://other:1' }, 'http://other:1/'],
    ['for everything', { ALL_PROXY: 'https://proxy:1' }, 'https://proxy:1/'],
    ['none', {}, undefined],
    ['empty', { HTTPS_PROXY: '' }, undefined],
    ['not for http', { HTTP_PROXY: 'http://proxy:1' }, undefined],
    ['exempt by name', { ...PROXY, NO_PROXY: 'a.b, hub.example' }, undefined],
    ['exempt by domain', { ...PROXY, no_proxy: '.example' }, undefined],
    ['exempt by star', { ...PROXY, NO_PROXY: '*' }, undefined],
    ['exempt with its port', { ...PROXY, NO_PROXY: 'hub.example:443' }, undefined],
    [
      'not exempt at another port',
      { ...PROXY, NO_PROXY: 'hub.example:8443' },
      'http://proxy:3128/',
    ],
    ['not exempt by a part of a name', { ...PROXY, NO_PROXY: 'ub.example' }, 'http://proxy:3128/'],
  ])('%s', (_, environment, expected) => {
    expect(proxyOf('https://hub.example/file', environment as Record<string, string>)).toBe(
      expected,
    );
  });

  it.each([
    ['of another machine', 'http://box:8000', { HTTP_PROXY: 'http://p:1' }, 'http://p:1/'],
    ['by the proxy for all', 'http://box:8000', { ALL_PROXY: 'http://p:1' }, 'http://p:1/'],
    ['but not by that for https', 'http://box:8000', PROXY, undefined],
    [
      'exempt at its port',
      'http://box',
      { HTTP_PROXY: 'http://p:1', NO_PROXY: 'box:80' },
      undefined,
    ],
    ['of this machine', 'http://localhost:8000', { ALL_PROXY: 'http://p:1' }, undefined],
    ['of this machine by number', 'http://127.0.0.1/', { HTTP_PROXY: 'http://p:1' }, undefined],
    ['of this machine by long number', 'http://[::1]/', { HTTP_PROXY: 'http://p:1' }, undefined],
  ])('carries plain http %s', (_, address, environment, expected) => {
    expect(proxyOf(address, environment as Record<string, string>)).toBe(expected);
  });

  it.each([
    ['10.1.2.3', '10.0.0.0/8', undefined],
    ['11.1.2.3', '10.0.0.0/8', 'http://p:1/'],
    ['[fd00::5]', 'fd00::/8', undefined],
    ['[fd00::5]', '10.0.0.0/8', 'http://p:1/'],
    ['[fd00::5]', 'fd00:0::5', undefined],
    ['[fd00::5]', '[fd00::5]', undefined],
    ['[fd00::5]', 'fd00::6', 'http://p:1/'],
    ['box', '10.0.0.0/8', 'http://p:1/'],
    ['10.1.2.3', '10.0.0.0/99', 'http://p:1/'],
  ])('leaves out networks: %s of %s', (host, network, expected) => {
    const environment = { HTTP_PROXY: 'http://p:1', NO_PROXY: network };
    expect(proxyOf(`http://${host}:8000/v1`, environment)).toBe(expected);
  });

  it('must be one', () => {
    for (const text of ['proxy:3128', 'socks5://proxy:1']) {
      expect(() => proxyOf('https://hub.example', { HTTPS_PROXY: text })).toThrow(
        'expected an http or https',
      );
    }
  });
});

describe('the hub', () => {
  const source = { hub: 'a/b', revision: 'c0ffee', path: 'onnx/model.onnx' };

  it('is asked for the file at its commit', () => {
    expect(remoteFile(source, {})).toEqual({
      address: new URL('https://huggingface.co/a/b/resolve/c0ffee/onnx/model.onnx'),
      headers: {},
      isHub: true,
    });
    const environment = { HF_ENDPOINT: 'https://mirror.example/hf/', HF_TOKEN: 't\n' };
    const { address, headers } = remoteFile(source, environment);
    expect(address.href).toBe('https://mirror.example/hf/a/b/resolve/c0ffee/onnx/model.onnx');
    expect(headers).toEqual({ authorization: 'Bearer t' });
  });

  it('shares its cache', () => {
    const tail = 'models--a--b/snapshots/c0ffee/onnx/model.onnx';
    const pathsIn = (environment: NodeJS.ProcessEnv, hash?: string) =>
      sharedCachePaths(source, hash, environment);
    expect(pathsIn({ HF_HUB_CACHE: '/c' })).toEqual([`/c/${tail}`]);
    expect(pathsIn({ HUGGINGFACE_HUB_CACHE: '/old' })).toEqual([`/old/${tail}`]);
    expect(pathsIn({ HF_HOME: '/h' })).toEqual([`/h/hub/${tail}`]);
    expect(pathsIn({ XDG_CACHE_HOME: '/x' })).toEqual([`/x/huggingface/hub/${tail}`]);
    expect(pathsIn({ HF_HUB_CACHE: '/c' }, 'abc')[0]).toBe('/c/models--a--b/blobs/abc');
  });

  it('has a limit for silence', () => {
    expect(stallLimit({})).toBe(30_000);
    expect(stallLimit({ HF_HUB_DOWNLOAD_TIMEOUT: '2.5' })).toBe(2500);
    expect(() => stallLimit({ HF_HUB_DOWNLOAD_TIMEOUT: 'soon' })).toThrow(/expected seconds/);
  });
});
