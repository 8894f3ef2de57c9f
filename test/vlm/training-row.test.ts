import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../src/refine/refiner.js';
import { GRIDS, twoStagePrompt } from '../../src/vlm/prompt.js';
import { formatTerm } from '../../src/vlm/reply-parts.js';
import {
  llamaFactoryRow,
  type RowSettings,
  type TrainingCase,
  verlRow,
} from '../../src/vlm/training-row.js';

const photo = { width: 640, height: 480 };
const tool: Candidate = {
  boxXyxy: { x1: 320, y1: 240, x2: 640, y2: 480 },
  tool: 'dino',
  rank: 0,
};
const example: TrainingCase = {
  id: 'q1',
  index: 3,
  image: 'images/a.jpg',
  request: {
    query: 'The left <image> lion.',
    imageSize: photo,
    candidates: [tool],
    toolName: 'dino',
    tool,
  },
  truthXyxy: { x1: 0, y1: 0, x2: 160, y2: 120 },
  view: { photo, picture: { width: 644, height: 476 }, grid: GRIDS['qwen2.5-vl'] },
};
const settings: RowSettings = {
  prompt: twoStagePrompt,
  bare: false,
  boxesPerTool: 1,
  mode: 'continue',
};

describe('a row for verl', () => {
  const row = verlRow(example, settings);

  it('tells boxes as strings of JSON, in pixels of the picture', () => {
    expect(JSON.parse(row.answer as string)).toEqual([{ bbox_2d: [0, 0, 161, 119] }]);
    expect(JSON.parse(row.tool_results as string)).toEqual([{ bbox_2d: [322, 238, 644, 476] }]);
    expect(row.reward_model).toEqual({ style: 'rule', ground_truth: row.answer });
  });

  it('holds what goes on after the function call', () => {
    const block = (row.tool_response as string).match(/^\n<tool>(.*)<\/tool>\n$/)![1]!;
    expect(JSON.parse(JSON.parse(block).reftool_1)).toEqual([{ bbox_2d: [322, 238, 644, 476] }]);
  });

  it('has one place for the picture in each prompt, whatever the expression says', () => {
    const [turn] = row.prompt as { content: string }[];
    for (const text of [row.problem as string, turn!.content]) {
      expect(text.match(/<image>/g)).toHaveLength(1);
      expect(text.startsWith('<image>')).toBe(true);
    }
    expect(row.images).toEqual(['images/a.jpg']);
    expect(row.image_files).toEqual([{ image: 'images/a.jpg' }]);
  });

  it('holds the bare expression where the trainer renders the template', () => {
    expect(verlRow(example, { ...settings, bare: true }).problem).toBe('<image>the left   lion');
  });

  it('tells a tool without boxes', () => {
    const request = { ...example.request, candidates: [], tool: null };
    const empty = verlRow({ ...example, request }, settings);
    expect(empty.tool_results).toBe('[]');
    expect(empty.tool_response).toBe('\n<tool>{"reftool_1": "[]"}</tool>\n');
  });
});

describe('a conversation for LLaMA-Factory', () => {
  const said = {
    think: { bbox_2d: null, score: 1, text: 'two lions </think><answer>' },
    answer: { bbox_2d: null, score: 1, decision: 'correct', text: 'the tool is wrong' },
  } as const;
  type Messages = { role: string; content: string }[];

  it('is the exact wire format with the ground truth as the box', () => {
    const [user, assistant] = llamaFactoryRow(example, said, settings).messages as Messages;
    expect(user!.content).toMatch(/^<image>One object/);
    expect(assistant!.content).toBe(
      '<think>two lions</think>\n<function>get_extra_ref_result()</function>\n' +
        '<tool>{"reftool_1": "[{\\"bbox_2d\\": [322, 238, 644, 476]}]"}</tool>\n' +
        '<rethink>the tool is wrong</rethink>\n<answer>{"bbox_2d": [0, 0, 161, 119]}</answer>',
    );
    expect(formatTerm(assistant!.content)).toBe(1);
  });

  it('hands the boxes over in a turn of the user where servers take turns', () => {
    const row = llamaFactoryRow(example, said, { ...settings, mode: 'multi-turn' });
    const messages = row.messages as Messages;
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
    expect(messages[1]!.content).toMatch(/get_extra_ref_result\(\)<\/function>$/);
    expect(messages[2]!.content).toMatch(/^<tool>/);
  });
});
