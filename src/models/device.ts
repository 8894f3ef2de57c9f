import { asVgrError } from '../core/error.js';
import type { Printer } from '../core/terminal.js';
import { counted } from '../core/text.js';
import { loadDetector } from '../runtime/detector.js';
import { type Device, deviceText } from '../runtime/device.js';
import { tryDetector, tryEncoder } from '../runtime/device-trial.js';
import { openEncoder } from '../runtime/encoder.js';
import { isEncoder, type StoredModel } from '../runtime/model-store.js';
import { withPool } from '../runtime/rate.js';

/**
 * Compares what a detector or an encoder makes of a trial photo on these devices with what it makes of it on the CPU, and remembers it
 * for later runs.
 * @returns whether all agree
 */
export async function compareDevices(
  model: StoredModel,
  devices: readonly Device[],
  printer: Printer,
): Promise<boolean> {
  const { name } = model.card;
  const split = { sessions: 1, threads: 1, batchSize: 1 };
  let agrees = true;
  for (const device of devices) {
    try {
      const { compared, difference } = await withPool([device], split, async (pool) =>
        isEncoder(model)
          ? tryEncoder(await openEncoder(model, pool), pool)
          : tryDetector(await loadDetector(name, pool), pool),
      );
      const what = counted(compared, isEncoder(model) ? 'embedding' : 'detection');
      const verdict =
        difference === undefined
          ? `agrees with the CPU on ${what} of a trial photo`
          : `differs from the CPU, which runs take instead: ${difference}`;
      await printer.data(`${name} on ${deviceText(device)}: ${verdict}\n`);
      if (difference !== undefined) agrees = false;
    } catch (thrown) {
      printer.fatal(asVgrError(thrown));
      agrees = false;
    }
  }
  return agrees;
}
