/** What parts are called in which models think, or quote a tool. */
const NAME =
  '(?:\\w+:)?(?:(?:re|inner_?)?think(?:ing)?|(?:chain_?of_?)?thoughts?|thought_?process|reason(?:ing)?|analysis|reflect(?:ion|ing)?|' +
  'scratch_?pad|cot|deliberation|(?:inner_?)?monologue|planning|tool(?:_?(?:calls?|response|results?))?|function(?:_?calls?)?)';

/** `<think>`, `[THINK]`, `◁think▷`, `<|begin_of_thought|>`; channels of Harmony and Gemma; the token that MedGemma uses. */
const OPENING = [
  `<\\s*${NAME}(?:\\s[^<>]*)?>`,
  `\\[${NAME}\\]`,
  `◁${NAME}▷`,
  `<\\|(?:(?:begin|start)_(?:of_)?)?${NAME}(?:_(?:begin|start))?\\|>`,
  '<\\|channel\\|?>\\s*(?!final\\b)\\w+[^<\\n]*(?:<\\|message\\|>)?',
  '<details\\s+type="?reasoning[^<>]*>',
  '<unused94>',
].join('|');

/** The ends of these. The last one is what is left of Harmony's marks where a server drops special tokens. */
const CLOSING = [
  `<\\s*/\\s*${NAME}\\s*>`,
  `\\[/${NAME}\\]`,
  `◁/${NAME}▷`,
  `<\\|(?:/|end_(?:of_)?)${NAME}\\|>`,
  `<\\|${NAME}_end\\|>`,
  '<\\|channel\\|>\\s*final\\b[^<]*<\\|message\\|>',
  '<channel\\|>',
  '</details>',
  '<unused95>',
  'assistantfinal(?=\\W)',
].join('|');

const MARK = new RegExp(`(?<opening>${OPENING})|(?<closing>${CLOSING})|<\\|end\\|>`, 'gi');
/** An answer part that ends the text. */
const LAST_ANSWER = /<\s*answer\s*>(?:(?!<\s*answer\s*>)[\s\S])*<\s*\/\s*answer\s*>\s*$/i;

/** A reply in two: what the model thought or quoted, and what it says. */
export interface SplitReply {
  readonly thought: string;
  readonly said: string;
}

/**
 * Takes the thoughts out of a reply, whatever marks they stand between. An end without a beginning ends a thought that began
 * with the reply: some servers write the beginning themselves. A thought without an end goes on to the end of the reply, but
 * for an answer part that ends it.
 * @param isCut whether the reply did not end by itself, so that its last thought has no end
 */
export function splitThoughts(text: string, isCut = false): SplitReply {
  const thoughts: string[] = [];
  let said = '';
  let isThought = false;
  let at = 0;
  const take = (end: number) => {
    if (isThought) thoughts.push(text.slice(at, end));
    else said += text.slice(at, end);
  };
  for (const { index, 0: mark, groups } of text.matchAll(MARK)) {
    take(index);
    at = index + mark.length;
    if (groups?.closing !== undefined && !isThought) {
      thoughts.push(said);
      said = '';
    }
    isThought = groups?.opening !== undefined;
  }
  const answer = isThought && !isCut ? text.slice(at).search(LAST_ANSWER) : -1;
  take(answer < 0 ? text.length : at + answer);
  if (answer >= 0) said += text.slice(at + answer);
  return { thought: thoughts.join('\n').trim(), said: said.trim() };
}
