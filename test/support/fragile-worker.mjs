// The real worker, in a thread that ends when it is given a 13 as first number. Where VGR_TEST_CRASH_MARKER names a file,
// only the first time: the file remembers.
import { existsSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

// First, so that its listener is there when the port delivers.
await import('../../dist/runtime/worker.js');

parentPort.on('message', (request) => {
  const first = request.feeds?.x?.data[0] ?? request.items?.[0].raster.data[0];
  const marker = process.env.VGR_TEST_CRASH_MARKER;
  if (first !== 13 || (marker && existsSync(marker))) return;
  if (marker) writeFileSync(marker, '');
  process.exit(7);
});
