import { describe, expect, it } from 'vitest';
import { prices, serverKey } from '../../src/vlm/settings.js';

const LOCAL = 'http://localhost:8000/v1';
const OPENAI = 'https://api.openai.com/v1';

describe('the key', () => {
  it.each<[string, string, Record<string, string>, string | undefined]>([
    ['none', LOCAL, {}, undefined],
    ['the own one, without the line end of a file', LOCAL, { VGR_VLM_API_KEY: ' sk-1\n' }, 'sk-1'],
    ['none where it is blank', LOCAL, { VGR_VLM_API_KEY: ' \n' }, undefined],
    ['none of another service', LOCAL, { OPENAI_API_KEY: 'sk-2' }, undefined],
    ['that of the service', OPENAI, { OPENAI_API_KEY: 'sk-2' }, 'sk-2'],
    ['the own one there, too', OPENAI, { OPENAI_API_KEY: 'sk-2', VGR_VLM_API_KEY: 'a' }, 'a'],
  ])('is %s', (_name, url, env, expected) => {
    expect(serverKey(url, env)).toBe(expected);
  });

  it.each([
    ['sk-one\nsk-two', 'white space at position 7 of 13'],
    ['Bearer sk-one', 'white space at position 7 of 13'],
    ['sk\u2013one', 'another character at position 3 of 6'],
    ['sk-\u00e9', 'another character at position 4 of 4'],
    ['sk\u0000one', 'another character at position 3 of 6'],
  ])('is refused where no header holds it, and not repeated: %j', (key, message) => {
    const read = () => serverKey(LOCAL, { VGR_VLM_API_KEY: key });
    expect(read).toThrowError(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(new RegExp(`^VGR_VLM_API_KEY: .*${message}$`)),
      }),
    );
  });
});

describe('prices', () => {
  it('are of tokens in and out', () => {
    expect(prices('0.2/ 0')).toEqual({ pricePrompt: 0.2, priceCompletion: 0 });
    expect(prices(undefined)).toEqual({});
  });

  it.each(['0.2', '/', '1/', '1/2/3', '-1/2', 'a/b', '1/Infinity'])('are refused: %s', (text) => {
    expect(() => prices(text)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
  });
});
