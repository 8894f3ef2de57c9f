// Loaded into a real run by NODE_OPTIONS: the process is killed in the middle of its work, however fast or slow it is, as
// standard error says VGR_TEST_KILL_WORDS or as soon as the journal VGR_TEST_KILL_JOURNAL holds a line. From outside a kill may
// come after the end.
import { statSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const { VGR_TEST_KILL_WORDS: words, VGR_TEST_KILL_JOURNAL: journal } = process.env;

if (isMainThread && words) {
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = (text, ...more) => {
    const result = write(text, ...more);
    if (String(text).includes(words)) process.kill(process.pid, 'SIGKILL');
    return result;
  };
}

if (isMainThread && journal) {
  // No photo comes back without a turn of the event loop, and each turn looks once a millisecond has passed.
  setInterval(() => {
    if (statSync(journal, { throwIfNoEntry: false })?.size) process.kill(process.pid, 'SIGKILL');
  }, 1).unref();
}
