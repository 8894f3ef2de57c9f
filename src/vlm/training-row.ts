import type { BoxXyxy } from '../core/box.js';
import type { ResultLine } from '../formats/result-line.js';
import type { RefineRequest } from '../refine/refiner.js';
import { type ChatMessage, type VlmMode, withReply, withTools } from './conversation.js';
import {
  boxList,
  boxText,
  FUNCTION_CALL,
  type ModelView,
  normalisedQuery,
  type PromptWriter,
  piterPrompt,
  shownTools,
  toolBlock,
  toolResults,
  writtenXyxy,
} from './prompt.js';

/** One query with its ground truth, ready to become an example for training the large refiner. */
export interface TrainingCase {
  readonly id: string;
  /** Index among the examples, from 0. */
  readonly index: number;
  /** Path of the picture as the row gives it. */
  readonly image: string;
  readonly request: RefineRequest;
  /** Pixels of the photo. */
  readonly truthXyxy: BoxXyxy;
  readonly view: ModelView;
}

export interface RowSettings {
  /** The own prompt, or that of a template. */
  readonly prompt: PromptWriter;
  /** Whether the trainer renders the template itself, so that the row holds the bare expression. */
  readonly bare: boolean;
  readonly boxesPerTool: number;
  /** How the boxes of the tools are handed over in written conversations. */
  readonly mode: VlmMode;
}

/** Placeholders that trainers count in the text; those of the user's must not be taken for theirs. */
const PLACEHOLDERS = /<\/?(?:image|video|audio)>/gi;

function partsOf({ request, view, truthXyxy }: TrainingCase, { boxesPerTool }: RowSettings) {
  const tools = shownTools(request, view, boxesPerTool);
  const query = normalisedQuery(request.query.replace(PLACEHOLDERS, ' '));
  return {
    tools,
    facts: { query, picture: view.picture, grid: view.grid },
    truth: boxText(writtenXyxy(truthXyxy, view), view.grid),
  };
}

/**
 * A row for GRPO with verl and its fork EasyR1. The fork reads `problem`, `images`, `answer`, with `tool_response` to go on
 * with after the function call and `tool_results` for the reward; verl reads `prompt`, `image_files`, `reward_model` and
 * `extra_info`, in one turn. Boxes are in the coordinates of the picture, as strings of JSON.
 */
export function verlRow(example: TrainingCase, settings: RowSettings): Record<string, unknown> {
  const { facts, tools, truth } = partsOf(example, settings);
  const { id, index, image } = example;
  const answer = `[${truth}]`;
  // The reward asks whether the tool whose answer counts was right.
  const found = boxList(tools[0] ?? []);
  return {
    id,
    images: [image],
    problem: `<image>${settings.bare ? facts.query : settings.prompt(facts)}`,
    answer,
    tool_results: found,
    tool_response: `\n${toolBlock(tools)}\n`,
    data_source: 'vgr',
    ability: 'grounding',
    prompt: [
      { role: 'user', content: `<image>${piterPrompt({ ...facts, tools: toolResults(tools) })}` },
    ],
    image_files: [{ image }],
    reward_model: { style: 'rule', ground_truth: answer },
    extra_info: { index, id, tool_results: found },
  };
}

/**
 * A conversation for supervised training with LLaMA-Factory, in its ShareGPT layout: the thoughts of an earlier answer, and
 * the ground truth as the box.
 */
export function llamaFactoryRow(
  example: TrainingCase,
  { think, answer }: Pick<ResultLine, 'think' | 'answer'>,
  settings: RowSettings,
): Record<string, unknown> {
  const { facts, tools, truth } = partsOf(example, settings);
  const opening: readonly ChatMessage[] = [
    { role: 'user', content: `<image>${settings.prompt(facts)}` },
    { role: 'assistant', content: `<think>${spoken(think.text)}</think>\n${FUNCTION_CALL}` },
  ];
  const second = `<rethink>${spoken(answer.text)}</rethink>\n<answer>${truth}</answer>`;
  return {
    id: example.id,
    images: [example.image],
    messages: withReply(withTools(settings.mode, opening, toolBlock(tools)), second),
  };
}

/** A thought without tags of its own: they would end the part in which it stands. */
function spoken(text: string): string {
  return text
    .replace(PLACEHOLDERS, ' ')
    .replace(/<\s*\/?\s*(?:think|rethink|answer|tool|function)\s*>/gi, ' ')
    .trim();
}

/** What LLaMA-Factory's `dataset_info.json` says of a file of such conversations. */
export function datasetInfo(file: string): Record<string, unknown> {
  return {
    vgr: {
      file_name: file,
      formatting: 'sharegpt',
      columns: { messages: 'messages', images: 'images' },
      tags: {
        role_tag: 'role',
        content_tag: 'content',
        user_tag: 'user',
        assistant_tag: 'assistant',
      },
    },
  };
}
