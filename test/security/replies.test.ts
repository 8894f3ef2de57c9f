import { expect, it } from 'vitest';
import { readWhole } from '../../src/vlm/reply.js';
import { answerOfReply } from '../../src/vlm/reply-parts.js';

const LIMITS = { maxTokens: 2048, stops: [] };

const replyOf = (content: string, more: object = {}) =>
  readWhole({ choices: [{ message: { content }, finish_reason: 'stop', ...more }] }, LIMITS).reply;

it.each(['[', '{', '(', '[1,', '<answer>', '```', '< ', '</', '"\\', '[[1,2],'])(
  'a reply of megabytes of %j is cut off at its tokens, and read at once',
  (piece) => {
    const reply = replyOf(`<answer>${piece.repeat(4e6)}`);
    expect(reply.finish).toBe('length');
    expect(reply.text.length).toBeLessThanOrEqual(2048 * 16);
    const start = performance.now();
    answerOfReply(reply.text);
    expect(performance.now() - start).toBeLessThan(2000);
  },
);

it('a reply with probabilities that are none is read without them', () => {
  const odd = [null, 1, 'a', {}, { token: 5, logprob: -1 }, { token: 'a', logprob: 'b' }];
  for (const content of [odd, 'abc', {}, 7, null]) {
    const reply = replyOf('[1, 2, 3, 4]', { logprobs: { content } });
    expect(reply).toMatchObject({ text: '[1, 2, 3, 4]', confidence: undefined });
  }
});
