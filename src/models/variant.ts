import { quoted, VgrError } from '../core/error.js';
import { listModels } from '../runtime/model-store.js';

/**
 * The name of the model that `NAME:VARIANT` means: the card called NAME or NAME-VARIANT whose `variant` it is. Other names
 * stay as they are.
 * @throws VgrError MODEL_UNKNOWN
 */
export async function variantName(wanted: string): Promise<string> {
  const [, base, variant] = /^([a-z0-9][a-z0-9._-]*):([^\\/:]+)$/.exec(wanted) ?? [];
  if (base === undefined || variant === undefined) return wanted;
  const { models } = await listModels();
  const kin = models.filter(
    ({ card: { name, variant: own } }) => own && (name === base || name === `${base}-${own}`),
  );
  const found = kin.find(({ card }) => card.variant === variant);
  if (found) return found.card.name;
  const choices = kin.map(({ card }) => `\`${base}:${card.variant}\``).join(', ');
  throw new VgrError('MODEL_UNKNOWN', `no variant ${quoted(variant)} of ${quoted(base)}`, {
    hint: choices ? `there are ${choices}` : '`vgr models list` shows all models',
  });
}
