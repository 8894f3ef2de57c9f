// Loaded into every thread of a real run by NODE_OPTIONS: a worker thread ends under its VGR_TEST_CRASH_AT-th photo, as a fault
// in native code would end it.
import { isMainThread, parentPort } from 'node:worker_threads';

if (!isMainThread && parentPort) {
  let photos = 0;
  // A listener of our own would start the port before the worker's is there, and take its first request away.
  const on = parentPort.on.bind(parentPort);
  parentPort.on = (event, listener) =>
    on(event, (message) => {
      if (message?.kind === 'detect') photos += 1;
      if (photos === Number(process.env.VGR_TEST_CRASH_AT)) process.exit(7);
      listener(message);
    });
}
