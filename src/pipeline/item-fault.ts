import { asVgrError, type VgrError } from '../formats/fault.js';

/**
 * The fault of one item, to become its error record.
 * @throws VgrError when it would meet every other item too (device gone, disk full, a card that lies): it ends the run
 */
export function itemFault(thrown: unknown): VgrError {
  const fault = asVgrError(thrown);
  if (fault.exit === 3 && fault.code !== 'INTERNAL') throw fault;
  if (fault.code === 'CARD_INVALID') throw fault;
  return fault;
}
