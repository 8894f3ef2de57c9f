import { describe, expect, it } from 'vitest';
import {
  answerConfidence,
  answerOfReply,
  formatTerm,
  lastPart,
} from '../../src/vlm/reply-parts.js';

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
    ['of the last one that is not empty', '<answer>a</answer> <answer> </answer>', 'a'],
    ['outside of thoughts', '<think>[1]</think><rethink>[2]</rethink> [3]', '[3]'],
    ['behind a thought that was begun elsewhere', 'so [1]</think> [2]', '[2]'],
    ['of plain words', ' [4] ', '[4]'],
    ['behind the marks of Kimi', '◁think▷[1]◁/think▷[2]', '[2]'],
    ['behind those of Magistral', '[THINK][1][/THINK][2]', '[2]'],
    ['behind those of Seed', '<seed:think>[1]</seed:think>[2]', '[2]'],
    ['behind those of Cohere', '<|START_THINKING|>[1]<|END_THINKING|>[2]', '[2]'],
    ['behind those of OpenThinker', '<|begin_of_thought|>[1]<|end_of_thought|>[2]', '[2]'],
    ['behind those of MedGemma', '<unused94>thought\n[1]<unused95>[2]', '[2]'],
    ['behind reasoning with an attribute', '<reasoning lang="en">[1]</reasoning>[2]', '[2]'],
    [
      'in the last channel of Harmony',
      '<|channel|>analysis<|message|>[1]<|end|><|start|>assistant<|channel|>final<|message|>[2]<|return|>',
      '[2]<|return|>',
    ],
    ['behind a channel of Gemma', '<|channel>thought\n[1]<channel|>[2]', '[2]'],
    ['behind a channel without its marks', 'analysis[1]assistantfinal[2]', '[2]'],
    ['behind a thought in a thought', '<think>[1]<think>[2]</think>[3]</think>[4]', '[4]'],
    ['of an answer that a thought quotes', '<think>as <answer>1</answer></think>2', '2'],
    ['of an answer behind a thought without end', '<rethink>1 <answer>2</answer>', '2'],
    ['of nothing where a thought has no end', '<think>as <answer>1</answer> or', ''],
  ])('is that %s', (_name, text, answer) => {
    expect(answerOfReply(text).answer).toBe(answer);
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
