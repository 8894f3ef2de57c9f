import { test } from 'vitest';
import { expectCocoRoundTrips } from '../support/coco-round-trip.js';

test('COCO files of 2,000 runs measure as found whole', { timeout: 300_000 }, () =>
  expectCocoRoundTrips(2000, 6),
);
