import { describe, expect, it } from 'vitest';
import { parseMemory } from '../../src/runtime/device.js';
import { decodingMemory } from '../../src/runtime/engine.js';

describe('--max-memory', () => {
  it.each([
    ['800m', 800 * 2 ** 20],
    ['2g', 2 ** 31],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['512 kb', 512 * 2 ** 10],
    ['123456789', 123456789],
  ])('reads %s', (text, bytes) => {
    expect(parseMemory(text)).toBe(bytes);
  });

  it.each(['', 'much', '-1g', '0', '1t', '5%'])('refuses %j and shows a size', (text) => {
    expect(() => parseMemory(text)).toThrow(/--max-memory: expected a size such as 800m or 2g/);
  });

  it('says how much is needed where the program alone takes more', async () => {
    await expect(decodingMemory('10m', 2, [])).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/2 sessions .* expected at least \d+m, got 10m/),
      hint: expect.stringContaining('--sessions'),
    });
  });

  it('takes off what the model of the refiner holds once its sessions have run', async () => {
    const held: Buffer[] = [];
    const warm = async (sessions: number): Promise<void> => {
      for (let at = 0; at < sessions; at++) held.push(Buffer.alloc(128 * 2 ** 20, 1));
    };
    const before = process.memoryUsage.rss();
    const { budget } = await decodingMemory('100g', 2, [], warm);
    expect(held).toHaveLength(2);
    expect(100 * 2 ** 30 - budget.total - before).toBeGreaterThan(256 * 2 ** 20);
  });

  it('leaves the rest to decoding, and is no hard limit where it is not given', async () => {
    const given = await decodingMemory('100g', 1, []);
    expect(given.strict).toBe(true);
    expect(given.budget.total).toBeLessThan(100 * 2 ** 30);
    const free = await decodingMemory(undefined, 1, []);
    expect(free.strict).toBe(false);
    expect(free.budget.total).toBeGreaterThan(0);
  });
});
