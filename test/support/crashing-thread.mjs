// Loaded into every thread of a real run by NODE_OPTIONS: a worker thread ends under its VGR_TEST_CRASH_AT-th photo, as a error
// in native code would end it; or under a query with the text VGR_TEST_CRASH_QUERY. Where the folder VGR_TEST_CRASH_MARKS is
// given, no photo is the end of two threads, in whatever order they come.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort } from 'node:worker_threads';

if (!isMainThread && parentPort) {
  let photos = 0;
  const marks = process.env.VGR_TEST_CRASH_MARKS;
  const poison = process.env.VGR_TEST_CRASH_QUERY;
  const isFirstEnd = ({ items }) => {
    if (!marks) return true;
    const photo = createHash('sha256').update(items[0].raster.data).digest('hex');
    try {
      writeFileSync(join(marks, photo), '', { flag: 'wx' });
      return true;
    } catch {
      return false;
    }
  };
  // A listener of our own would start the port before the worker's is there, and take its first request away.
  const on = parentPort.on.bind(parentPort);
  parentPort.on = (event, listener) =>
    on(event, (message) => {
      if (message?.kind === 'detect') photos += 1;
      if (photos === Number(process.env.VGR_TEST_CRASH_AT) && isFirstEnd(message)) process.exit(7);
      if (poison && message?.queries?.some(({ query }) => query.includes(poison))) process.exit(7);
      listener(message);
    });
}
