import { printable, VgrError } from '../formats/fault.js';
import { isDistrust } from './distrust.js';
import { shownAddress } from './http-get.js';
import type { RemoteFile } from './hub.js';

/** A status that no further try would change. */
export function refusedStatus({ address, isHub }: RemoteFile, status: number): VgrError {
  let hint =
    'the card may be out of date: `vgr models list --json` tells where each model comes from';
  if (status === 401 || status === 403) {
    hint = isHub
      ? 'the model may be gated: accept its terms on its page, and give a token as HF_TOKEN'
      : 'the server wants to know who asks: bring the file yourself, into the folder of the model among your own';
  }
  return new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(address)}: expected a file, got status ${status}`,
    { hint },
  );
}

/** An answer of status 200 that is not the file. */
export function otherAnswer({ address }: RemoteFile, got: string): VgrError {
  return new VgrError('DOWNLOAD_FAILED', `${shownAddress(address)}: expected a file, got ${got}`, {
    hint: 'a proxy or a page to log in may have answered in its place',
  });
}

/** The network failed again and again; `here` bytes are kept. */
export function failedNetwork(
  { address, isHub }: RemoteFile,
  here: number,
  cause: Error,
): VgrError {
  const code = (cause as NodeJS.ErrnoException).code;
  const kept = here > 0 ? `; ${here} bytes are kept, and the same command goes on behind them` : '';
  const mirror = isHub ? ', HF_ENDPOINT a mirror of the Hugging Face hub' : '';
  const hint = isDistrust(cause)
    ? 'where a proxy of your own signs what comes, NODE_EXTRA_CA_CERTS names its certificate'
    : `check the network; HTTPS_PROXY names a proxy${mirror}`;
  return new VgrError(
    'DOWNLOAD_FAILED',
    `${shownAddress(address)}: ${printable(cause.message || code || 'the network failed')}${kept}`,
    { hint, cause },
  );
}
