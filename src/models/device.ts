import { asVgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { loadDetector } from '../runtime/detector.js';
import { type Device, deviceText } from '../runtime/device.js';
import { tryDevice } from '../runtime/device-trial.js';
import { withPool } from '../runtime/rate.js';

/**
 * Compares what a detector finds in a trial photo on these devices with what it finds on the CPU, and remembers it for later runs.
 * @returns whether all agree
 */
export async function compareDevices(
  name: string,
  devices: readonly Device[],
  printer: Printer,
): Promise<boolean> {
  let agrees = true;
  for (const device of devices) {
    const text = deviceText(device);
    try {
      const split = { sessions: 1, threads: 1, batchSize: 1 };
      const { boxes, difference } = await withPool([device], split, async (pool) =>
        tryDevice(await loadDetector(name, pool), pool),
      );
      const verdict =
        difference === undefined
          ? `agrees with the CPU on ${counted(boxes, 'detection')} of a trial photo`
          : `differs from the CPU, which runs take instead: ${difference}`;
      await printer.data(`${name} on ${text}: ${verdict}\n`);
      if (difference !== undefined) agrees = false;
    } catch (thrown) {
      printer.fatal(asVgrError(thrown));
      agrees = false;
    }
  }
  return agrees;
}
