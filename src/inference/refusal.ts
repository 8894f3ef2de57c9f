import { printable, VgrError } from '../formats/fault.js';
import { type Device, deviceText } from './device.js';
import type { WorkerRefusal } from './pooled-worker.js';

/** Why the first session of a model does not start: the file on the CPU, the device elsewhere. */
export function refusedModel(name: string, device: Device, error: WorkerRefusal): VgrError {
  const reason = firstLine(error.message);
  if (device.name === 'cpu') {
    return new VgrError('MODEL_CORRUPT', `model \`${name}\`: the runtime refuses it: ${reason}`, {
      hint: 'check the file with `vgr models verify`',
      cause: error,
    });
  }
  const cuda =
    'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false';
  return new VgrError(
    'DEVICE_UNAVAILABLE',
    `device \`${deviceText(device)}\` does not start: ${reason}`,
    {
      hint:
        device.name === 'cuda'
          ? `\`${cuda}\` adds the CUDA libraries; \`--device auto\` takes what is there`
          : 'use `--device auto` or `--device cpu`',
      cause: error,
    },
  );
}

/** Why a run fails: the card, which is wrong for every photo, or this photo. */
export function refusedRun(error: WorkerRefusal): VgrError {
  const reason = printable(error.message);
  if (!error.mismatch) return new VgrError('DETECTION_FAILED', `the model does not run: ${reason}`);
  return new VgrError('CARD_INVALID', `the card is not true of its graph: ${reason}`, {
    hint: 'correct the card, or let `vgr models add FILE` write one',
  });
}

/** The first line of the runtime's own words, safe to print. */
export function firstLine(text: string): string {
  return printable(withoutPlace(text.split('\n', 1)[0]!).slice(0, 300));
}

/** The runtime begins some messages with the place in its source and the signature there: `/a/model.cc:202 f(int) `. */
function withoutPlace(text: string): string {
  const place = /^\/\S+\.\w+:\d+ /.exec(text);
  if (!place) return text;
  let depth = 0;
  for (let at = place[0].length; at < text.length; at++) {
    if (text[at] === '(') depth += 1;
    if (text[at] !== ')') continue;
    depth -= 1;
    if (depth === 0) return text.slice(at + 1).trimStart() || text;
  }
  return text;
}
