// Loaded into every thread of a real run by NODE_OPTIONS: a worker thread ends under its VGR_TEST_CRASH_AT-th photo, as a fault
// in native code would end it; or under a query with the text VGR_TEST_CRASH_QUERY.
import { isMainThread, parentPort } from 'node:worker_threads';

if (!isMainThread && parentPort) {
  let photos = 0;
  const poison = process.env.VGR_TEST_CRASH_QUERY;
  // A listener of our own would start the port before the worker's is there, and take its first request away.
  const on = parentPort.on.bind(parentPort);
  parentPort.on = (event, listener) =>
    on(event, (message) => {
      if (message?.kind === 'detect') photos += 1;
      if (photos === Number(process.env.VGR_TEST_CRASH_AT)) process.exit(7);
      if (poison && message?.texts?.some((text) => text.includes(poison))) process.exit(7);
      listener(message);
    });
}
