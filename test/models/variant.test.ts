import { expect, it } from 'vitest';
import { variantName } from '../../src/models/variant.js';

it('a variant of a model is the card that says so', async () => {
  const named = {
    'florence-2-base-ft:int8': 'florence-2-base-ft',
    'florence-2-base-ft:q4': 'florence-2-base-ft-q4',
    'florence-2-base-ft:fp16': 'florence-2-base-ft-fp16',
    'florence-2-base-ft:fp32': 'florence-2-base-ft-fp32',
    'grounding-dino-tiny:fp32': 'grounding-dino-tiny',
    'grounding-dino-tiny:q4f16': 'grounding-dino-tiny-q4f16',
    'grounding-dino-tiny:uint8': 'grounding-dino-tiny-uint8',
  };
  for (const [wanted, name] of Object.entries(named)) expect(await variantName(wanted)).toBe(name);
});

it('other names stay as they are', async () => {
  for (const name of ['yolox-nano', './models/a:b/card', 'C:\\models\\mine', 'a:b:c', ':q4', '']) {
    expect(await variantName(name)).toBe(name);
  }
});

it('a variant that is not there is told with those that are', async () => {
  const unknown = (wanted: string) => expect(variantName(wanted)).rejects;
  await unknown('grounding-dino-tiny:q8').toMatchObject({
    code: 'MODEL_UNKNOWN',
    message: 'no variant `q8` of `grounding-dino-tiny`',
    hint: 'there are `grounding-dino-tiny:fp32`, `grounding-dino-tiny:q4f16`, `grounding-dino-tiny:uint8`',
  });
  // The beginning of a name is no name, and a model without variants has none.
  const hint = '`vgr models list` shows all models';
  await unknown('grounding-dino:fp32').toMatchObject({ code: 'MODEL_UNKNOWN', hint });
  await unknown('yolox-nano:fp32').toMatchObject({ code: 'MODEL_UNKNOWN', hint });
  await unknown('florence-2:int8').toMatchObject({ code: 'MODEL_UNKNOWN', hint });
});
