import { describe, expect, it } from 'vitest';
import { VgrError } from '../../src/core/error.js';
import type { Candidate, RefineRequest } from '../../src/refine/refiner.js';
import type { Chat, ChatReply, ChatRequest, VlmMode } from '../../src/vlm/conversation.js';
import { detectMode } from '../../src/vlm/conversation.js';
import { GRIDS, piterPrompt, twoStagePrompt } from '../../src/vlm/prompt.js';
import { createVlmRefiner, emptyTally, type VlmSettings } from '../../src/vlm/vlm-refiner.js';

/** A model that says the given lines one after another, and what it was asked. */
function script(...lines: (string | Partial<ChatReply>)[]): { chat: Chat; asked: ChatRequest[] } {
  const asked: ChatRequest[] = [];
  return {
    asked,
    chat: async (request) => {
      asked.push(request);
      const line = lines[asked.length - 1];
      if (line === undefined) throw new Error('the script has no more lines');
      return { text: '', finish: 'stop', ...(typeof line === 'string' ? { text: line } : line) };
    },
  };
}

const LION: Candidate = {
  boxXyxy: { x1: 320.4, y1: 240.2, x2: 480.3, y2: 400.1 },
  tool: 'dino',
  rank: 0,
  score: 0.4,
};
const OTHER: Candidate = {
  boxXyxy: { x1: 10, y1: 10, x2: 100, y2: 100 },
  tool: 'ofa',
  rank: 0,
};

/** A photo of 640 by 480, which the model sees at 644 by 476. */
function request(changes: Partial<RefineRequest> = {}): RefineRequest {
  const photo = { width: 640, height: 480 };
  return {
    query: 'The left lion.',
    imageSize: photo,
    candidates: [LION],
    toolName: 'dino',
    tool: LION,
    encodePhoto: async (sizeFor) => ({
      url: 'data:image/png;base64,AA',
      photo,
      picture: sizeFor(photo),
    }),
    ...changes,
  };
}

function refiner(chat: Chat, changes: Partial<VlmSettings> & { readonly as?: VlmMode } = {}) {
  const tally = emptyTally();
  const made = createVlmRefiner({
    chat,
    model: 'm',
    protocol: 'think-rethink',
    mode: async () => changes.as ?? 'continue',
    prompt: twoStagePrompt,
    grid: GRIDS['qwen2.5-vl'],
    boxesPerTool: 1,
    maxTokens: 100,
    tally,
    ...changes,
  });
  return {
    tally,
    ask: (changed?: Partial<RefineRequest>) => made.refine(request(changed)),
  };
}

const THINK =
  '<think>Two lions; the left one. {"bbox_2d": [0, 0, 161, 119]}</think>\n<function>get_extra_ref_result()';
const answer = (text: string): string =>
  `<rethink>The tool has the right one.</rethink>\n<answer>${text}</answer>`;
/** LION as the model is shown it. */
const SHOWN = '[322, 238, 483, 397]';

describe('two stages with a server that goes on with messages', () => {
  it('go over the wire as the method has it', async () => {
    const { chat, asked } = script(THINK, answer('{"bbox_2d": [0, 0, 161, 119]}'));
    await refiner(chat).ask({ candidates: [OTHER, LION] });
    const [first, second] = asked;
    expect(first).toMatchObject({
      stop: ['</function>', '<tool>'],
      continues: false,
      maxTokens: 100,
    });
    expect(first!.messages).toMatchObject([
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
          { type: 'text', text: expect.stringContaining('"the left lion"') },
        ],
      },
    ]);
    expect(second).toMatchObject({ stop: [], continues: true, repetitionPenalty: 1.05 });
    expect(second!.messages[0]).toEqual(first!.messages[0]);
    expect(second!.messages[1]).toEqual({
      role: 'assistant',
      content: `${THINK}</function>\n<tool>{"reftool_1": "[{\\"bbox_2d\\": ${SHOWN}}]", "reftool_2": "[{\\"bbox_2d\\": [10, 10, 101, 99]}]"}</tool>`,
    });
    const block = (second!.messages[1]!.content as string).match(/<tool>(.*)<\/tool>/)![1]!;
    expect(JSON.parse(JSON.parse(block).reftool_1)).toEqual([{ bbox_2d: [322, 238, 483, 397] }]);
  });

  it('give the answer in pixels of the photo, with the blind thought', async () => {
    const { chat } = script(THINK, answer('{"bbox_2d": [0, 0, 161, 119]}'));
    const { ask, tally } = refiner(chat);
    const box = { x1: 0, y1: 0, x2: 160, y2: 120 };
    expect(await ask()).toEqual({
      think: {
        boxXyxy: box,
        score: 1,
        text: 'Two lions; the left one. {"bbox_2d": [0, 0, 161, 119]}',
      },
      answer: {
        boxXyxy: box,
        score: 1,
        decision: 'correct',
        text: 'The tool has the right one.',
        format: 1,
      },
    });
    expect(tally).toEqual({ ...emptyTally(), answered: 1 });
  });

  it('keep the box of the tool as it is where the model writes the very numbers it was shown', async () => {
    const { chat } = script(THINK, answer(`{"bbox_2d": ${SHOWN}}`));
    const { answer: given } = await refiner(chat).ask();
    expect(given).toMatchObject({ boxXyxy: LION.boxXyxy, decision: 'confirm' });
  });

  it('tell a better box of the same object from another object', async () => {
    const { chat } = script(THINK, answer('[322, 238, 483, 380]'));
    expect((await refiner(chat).ask()).answer.decision).toBe('adjust');
  });

  it('score by the probability that the model gives its answer', async () => {
    const { chat } = script(THINK, { text: answer('[1, 2, 30, 40]'), confidence: 0.7 });
    expect((await refiner(chat).ask()).answer.score).toBe(0.7);
  });

  it('make the call for a model that does not, and hide its hasty answer from the second stage', async () => {
    const { chat, asked } = script(
      '<think>The left one.</think><answer>[1, 2, 30, 40]</answer>',
      answer('[1, 2, 30, 40]'),
    );
    const { ask, tally } = refiner(chat);
    const { think } = await ask();
    expect(asked[1]!.messages[1]!.content).toMatch(
      /^<think>The left one\.<\/think>\n<function>get_extra_ref_result\(\)<\/function>\n<tool>/,
    );
    expect(think.boxXyxy).toMatchObject({ x2: (30 / 644) * 640 });
    expect(tally.uncalled).toBe(1);
  });

  it('close a thought that was cut off', async () => {
    const { chat, asked } = script(
      { text: '<think>and again and again', finish: 'length' },
      answer('[1, 2, 30, 40]'),
    );
    await refiner(chat).ask();
    expect(asked[1]!.messages[1]!.content).toMatch(
      /^<think>and again and again<\/think>\n<function>/,
    );
  });
});

describe('two stages with any other server', () => {
  it('hand the boxes over in a turn of the user', async () => {
    const { chat, asked } = script(THINK, answer('[1, 2, 30, 40]'));
    await refiner(chat, { as: 'multi-turn' }).ask();
    expect(asked[1]!.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(asked[1]!.messages[1]!.content).toBe(`${THINK}</function>`);
    expect(asked[1]!.messages[2]!.content).toMatch(/^<tool>\{"reftool_1"/);
    expect(asked[1]).toMatchObject({ continues: false });
    expect(asked[1]!.repetitionPenalty).toBeUndefined();
  });
});

describe('PiTER', () => {
  const settings = { protocol: 'piter', prompt: piterPrompt } as const;

  it('takes one turn with the boxes in it, and the first box of the list', async () => {
    const { chat, asked } = script(
      '```json\n[{"bbox_2d": [0, 0, 161, 119], "label": "lion"}, {"bbox_2d": [1, 2, 30, 40], "label": "lion"}]\n```',
    );
    const { answer: given, think } = await refiner(chat, settings).ask();
    expect(asked).toHaveLength(1);
    expect(JSON.stringify(asked[0]!.messages)).toContain('reftool_1');
    expect(given.boxXyxy).toEqual({ x1: 0, y1: 0, x2: 160, y2: 120 });
    expect(given.boxes).toEqual([
      { boxXyxy: given.boxXyxy, score: given.score },
      { boxXyxy: expect.anything(), score: given.score },
    ]);
    expect(given.format).toBeUndefined();
    expect(think.boxXyxy).toBeNull();
  });

  it('never asks whether the server goes on with messages', async () => {
    const { chat } = script('[]');
    const mode = (): Promise<VlmMode> => Promise.reject(new Error('asked'));
    expect((await refiner(chat, { ...settings, mode }).ask()).answer).toMatchObject({
      boxXyxy: null,
      decision: 'none',
    });
  });
});

it('two stages end in one box, the first of a list', async () => {
  const { chat } = script(
    THINK,
    '<rethink>r</rethink><answer>[{"bbox_2d": [0, 0, 161, 119]}, {"bbox_2d": [1, 2, 30, 40]}]</answer>',
  );
  const { answer: given } = await refiner(chat).ask();
  expect(given.boxXyxy).toEqual({ x1: 0, y1: 0, x2: 160, y2: 120 });
  expect(given.boxes).toBeUndefined();
});

describe('an answer that cannot be read', () => {
  it('is asked for once more', async () => {
    const { chat, asked } = script(
      THINK,
      answer('the left one'),
      '<answer>[1, 2, 30, 40]</answer>',
    );
    const { ask, tally } = refiner(chat);
    expect((await ask()).answer.decision).toBe('correct');
    expect(asked[2]!.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(asked[2]!.messages[1]!.content).toMatch(/^<think>[\s\S]*the left one<\/answer>$/);
    expect(asked[2]!.messages[2]!.content).toContain('it holds no box');
    expect(tally).toMatchObject({ answered: 1, repairs: 1, fallbacks: 0 });
  });

  it('leaves the box of the tool where it stays unreadable, and is counted', async () => {
    const { chat } = script(THINK, 'no parts at all', 'sorry');
    const { ask, tally } = refiner(chat);
    expect((await ask()).answer).toEqual({
      boxXyxy: LION.boxXyxy,
      score: 0.4,
      decision: 'fallback',
      text: "the model's answer cannot be read, the tool's box stands",
      format: 0,
    });
    expect(tally).toMatchObject({ repairs: 1, fallbacks: 1, unformatted: 1 });
  });

  it('is a point that no candidate holds; one that a candidate holds stands for it', async () => {
    const { chat } = script(THINK, answer('[400, 300]'));
    const { ask, tally } = refiner(chat);
    expect((await ask()).answer).toMatchObject({ boxXyxy: LION.boxXyxy, decision: 'confirm' });
    expect(tally.point).toBe(1);
    const lost = refiner(script(THINK, answer('[5, 5]'), answer('[5, 5]')).chat);
    expect((await lost.ask()).answer.decision).toBe('fallback');
  });

  it('is without a box at all where the tool has none either', async () => {
    const { chat } = script(THINK, 'x', 'y');
    expect((await refiner(chat).ask({ tool: null, candidates: [] })).answer).toMatchObject({
      boxXyxy: null,
      score: 0,
      decision: 'fallback',
    });
  });
});

it('needs a photo', async () => {
  const { encodePhoto: _none, ...blind } = request();
  const made = createVlmRefiner({
    chat: script().chat,
    model: 'm',
    protocol: 'think-rethink',
    mode: async () => 'continue',
    prompt: twoStagePrompt,
    grid: GRIDS['qwen2.5-vl'],
    boxesPerTool: 1,
    maxTokens: 100,
    tally: emptyTally(),
  });
  await expect(made.refine(blind)).rejects.toMatchObject({ code: 'QUERY_INVALID' });
});

describe('what a server can do', () => {
  it.each([
    [' 5 6 7 8 9', 'continue'],
    ['5 6 7 8 9', 'continue'],
    ['1 2 3 4 5 6 7 8 9', 'multi-turn'],
    ['Sure! 1 2 3', 'multi-turn'],
    ['', 'multi-turn'],
  ])('is told by how it counts on: %j is %s', async (text, mode) => {
    const { chat, asked } = script(text);
    await expect(detectMode(chat)).resolves.toBe(mode);
    expect(asked[0]).toMatchObject({ continues: true });
  });

  it('is little where it refuses the question, or fails on it', async () => {
    const fails: Chat = () => Promise.reject(new VgrError('REFINEMENT_FAILED', '400'));
    await expect(detectMode(fails)).resolves.toBe('multi-turn');
  });
});
