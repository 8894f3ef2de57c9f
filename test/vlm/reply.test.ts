import { describe, expect, it } from 'vitest';
import { answerConfidence, answerText, formatTerm, lastPart } from '../../src/vlm/reply.js';

const WHOLE =
  '<think>two lions</think>\n<rethink>the tool is wrong</rethink>\n<answer>{"bbox_2d": [1, 2, 3, 4]}</answer>';

describe('parts of a reply', () => {
  it('are found by name, the last one of each', () => {
    expect(lastPart(WHOLE, 'think')).toBe('two lions');
    expect(lastPart(WHOLE, 'rethink')).toBe('the tool is wrong');
    expect(lastPart('<answer>1</answer> no: <answer>2</answer>', 'answer')).toBe('2');
    expect(lastPart('nothing', 'answer')).toBeUndefined();
  });

  it('are found where tags hold spaces, are not ended, or were begun by the server', () => {
    expect(lastPart('< think >a</ think >', 'think')).toBe('a');
    expect(lastPart('<answer>[1, 2', 'answer')).toBe('[1, 2');
    expect(lastPart('two lions</think> rest', 'think')).toBe('two lions');
  });
});

describe('the text of the answer', () => {
  it.each([
    ['of the last answer part', '<answer>a</answer><answer>b</answer>', 'b'],
    ['of a fence in it', '<answer>```json\n[1]\n```</answer>', '[1]\n'],
    ['of the last fence', '```\n[1]\n``` or ```json\n[2]```', '[2]'],
    ['outside of thoughts', '<think>[1]</think><rethink>[2]</rethink> [3]', '[3]'],
    ['behind a thought that was begun elsewhere', 'so [1]</think> [2]', '[2]'],
    ['of plain words', ' [4] ', '[4]'],
  ])('is that %s', (_name, text, answer) => {
    expect(answerText(text)).toBe(answer);
  });
});

describe('the format term', () => {
  it('is 1 for a reply with all its parts, in any case of letters', () => {
    expect(formatTerm(WHOLE)).toBe(1);
    expect(formatTerm(WHOLE.toUpperCase())).toBe(1);
  });

  it.each(['think', 'rethink', 'answer'])('is 0 where %s is not ended, or missing', (part) => {
    expect(formatTerm(WHOLE.replace(`</${part}>`, ''))).toBe(0);
    expect(formatTerm(WHOLE.replace(`<${part}>`, '').replace(`</${part}>`, ''))).toBe(0);
  });
});

describe('the confidence in an answer', () => {
  const token = (text: string, chance: number) => ({ token: text, logprob: Math.log(chance) });

  it('is the mean probability of the tokens of the last answer part', () => {
    const tokens = [
      token('<think>', 0.1),
      token('x</think>', 0.1),
      token('<answer>', 0.5),
      token('[1]', 0.5),
    ];
    expect(answerConfidence(tokens)).toBeCloseTo(0.5);
  });

  it('is that of all tokens without one, and unknown without tokens', () => {
    expect(answerConfidence([token('a', 0.25), token('b', 1)])).toBeCloseTo(0.5);
    expect(answerConfidence([])).toBeUndefined();
  });
});
