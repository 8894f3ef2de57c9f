import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/core/random.js';
import { readReply } from '../../src/vlm/reply-boxes.js';

const EXTENT = { width: 644, height: 476 };
const MEANT = { x1: 64, y1: 48, x2: 322, y2: 238 };

const MARKS = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<reasoning>', '</reasoning>'],
  ['<rethink>', '</rethink>'],
  ['[THINK]', '[/THINK]'],
  ['◁think▷', '◁/think▷'],
  ['<seed:think>', '</seed:think>'],
  ['<|begin_of_thought|>', '<|end_of_thought|>'],
  ['<|channel|>analysis<|message|>', '<|end|><|start|>assistant<|channel|>final<|message|>'],
  ['', '</think>'],
] as const;
const DRAFTS = [
  'maybe [1, 2, 30, 40]',
  'the tool has {"bbox_2d": [260, 222, 304, 318]}, or [5, 6, 70, 80]',
  'I must write <answer>{"bbox_2d": [1, 2, 30, 40]}</answer> at the end',
  'if none fits, <answer>{"bbox_2d": null}</answer>',
  'x1=1, y1=2, x2=30, y2=40',
  'Two lions; the left one.',
];
/** The box that is meant, in the ways in which models write one. */
const BOXES = [
  '{"bbox_2d": [64, 48, 322, 238]}',
  '[{"bbox_2d": [64, 48, 322, 238], "label": "lion"}]',
  '[64, 48, 322, 238]',
  '[[64, 48, 322, 238]]',
  '(64, 48), (322, 238)',
  '<|box_start|>(64,48),(322,238)<|box_end|>',
  '{"x1": 64, "y1": 48, "x2": 322, "y2": 238}',
  '{"xmin": 64, "ymin": 48, "xmax": 322, "ymax": 238}',
  '{"y2": 238, "x2": 322, "y1": 48, "x1": 64}',
  '{"left": 64, "top": 48, "width": 258, "height": 190}',
  '{"bbox_xywh": [64, 48, 258, 190]}',
  '{"bbox_cxcywh": [193, 143, 258, 190]}',
  '{"center": [193, 143], "size": [258, 190]}',
  '{"box_2d": [48, 64, 238, 322]}',
  '{"format": "xywh", "bbox": [64, 48, 258, 190]}',
  '{"top_left": [64, 48], "bottom_right": [322, 238]}',
  '{"tool_bbox": [260, 222, 304, 318], "final_bbox": [64, 48, 322, 238]}',
  '{"candidates": [[1, 2, 30, 40], [5, 6, 70, 80]], "answer": {"bbox": [64, 48, 322, 238]}}',
  '{"thought": "at [1, 2, 30, 40]", "result": "[64, 48, 322, 238]"}',
  '[{"bbox_2d": [64, 48, 322, 238]}, {"bbox_2d": [64, 48, 322, 238]}]',
] as const;
const BEFORE = [
  '',
  'The tool says [260, 222, 304, 318], which is another lion. ',
  'Draft: [1, 2, 30, 40]\n\n',
  'Step 1: candidates [1, 2, 30, 40], [50, 60, 70, 80].\nStep 2: ',
  'In image 1 of 2 it is ',
];
const WRAPPINGS: readonly (readonly [string, string])[] = [
  ['', ''],
  ['<answer>', '</answer>'],
  ['<answer>\n', '\n</answer>'],
  ['```json\n', '\n```'],
  ['<answer>```json\n', '\n```</answer>'],
  ['**Final answer:** ', ''],
];
const AFTER = ['', '\n', ' That is 1 lion.', ' I am sure.'];

describe('a reply made of any of these parts', () => {
  const random = new SeededRandom(7);
  const one = <Item>(items: readonly Item[]): Item => items[random.nextBelow(items.length)]!;
  const replies = Array.from({ length: 5000 }, () => {
    const [opening, closing] = one(MARKS);
    const thought = random.nextBelow(3) > 0 ? `${opening}${one(DRAFTS)}${closing}\n` : '';
    const [start, end] = one(WRAPPINGS);
    return `${thought}${one(BEFORE)}${start}${one(BOXES)}${end}${one(AFTER)}`;
  });

  it('gives the box that is meant', () => {
    for (const text of replies) {
      const read = readReply({ text, finish: 'stop' }, { extent: EXTENT }, true);
      expect({ text, read }).toMatchObject({ read: { kind: 'boxes' } });
      expect({ text, box: read.kind === 'boxes' && read.boxesXyxy[0] }).toEqual({
        text,
        box: MEANT,
      });
    }
  });

  it('gives that box or none where it is cut off', () => {
    let whole = 0;
    for (const reply of replies) {
      const text = reply.slice(0, random.nextBelow(reply.length + 1));
      const read = readReply({ text, finish: 'length' }, { extent: EXTENT }, true);
      if (read.kind === 'unreadable') continue;
      whole += 1;
      expect({ text, box: read.kind === 'boxes' && read.boxesXyxy[0] }).toEqual({
        text,
        box: MEANT,
      });
    }
    expect(whole).toBeGreaterThan(50);
  });
});
