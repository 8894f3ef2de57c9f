// Starts as slowly as a thread that loads the runtime from a cold disk, and makes the file VGR_TEST_STANDS when it stands.
import { writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

await new Promise((resolve) => setTimeout(resolve, 500));
parentPort.on('message', () => undefined);
writeFileSync(process.env.VGR_TEST_STANDS, '');
parentPort.postMessage('ready');
