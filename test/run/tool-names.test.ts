import { describe, expect, it } from 'vitest';
import { parseQueryLine } from '../../src/formats/query-line.js';
import { ToolNames } from '../../src/run/intake.js';

const item = (...tools: string[]) => {
  const boxes = Object.fromEntries(tools.map((name) => [name, [{ bbox_2d: [0, 0, 9, 9] }]]));
  const text = JSON.stringify({ image: 'a.jpg', query: 'the dog', tools: boxes });
  return { query: parseQueryLine(text, 1), text };
};

describe('ToolNames', () => {
  it('knows the names that came in place of the one that is asked for', () => {
    const names = new ToolNames('qwn');
    expect(names.others).toBeUndefined();
    names.note(item('qwen', 'dino'));
    names.note(item('llava'));
    expect(names.others).toEqual(['dino', 'llava', 'qwen']);
  });

  it('has nothing to tell once the tool has come, nor where none is asked for', () => {
    const names = new ToolNames('qwen');
    names.note(item('dino'));
    names.note(item('qwen'));
    expect(names.others).toBeUndefined();
    const unasked = new ToolNames(undefined);
    unasked.note(item('dino'));
    expect(unasked.others).toBeUndefined();
  });

  it('keeps few of many names', () => {
    const names = new ToolNames('qwen');
    for (let i = 0; i < 100; i++) names.note(item(`tool-${i}`));
    expect(names.others!.length).toBeLessThan(10);
  });
});
