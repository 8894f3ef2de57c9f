/** What prompts of vision-language models and people who ask a machine put around an expression. */
const TAGS =
  /<\|?\/?(?:image|img|ref|p|box|obj|object|object_ref_start|object_ref_end|phrase|query|grounding|vision_start|vision_end|image_pad)\|?>/g;
const AN_IMAGE = '(?:the |this |a |an )?(?:given )?(?:image|picture|photo|photograph)';
const ASKING = [
  'please',
  '(?:can|could|would|will) you',
  '(?:i want|i need|i would like|help me)(?: you)?(?: to)?',
  '(?:find|locate|detect|segment|ground|highlight|identify|outline|spot|point(?: out| to| at)?|show(?: me)?|give(?: me)?|tell me|output|return|provide|mark)(?: me)?(?= (?:the |a |an |all |both |every|each |where|bounding|coordinates|any |this |that |one |two |three |people|person))',
  '(?:look for|search for)',
  '(?:where (?:is|are)(?= (?:the |a |an )?(?:bounding|region|area|object described)))',
  '(?:the |a )?(?:bounding )?box(?:es)?(?: coordinates?)?(?: of| for| around)',
  '(?:the )?coordinates? (?:of|for)',
  '(?:the |a )?(?:region|area|object|entity|thing)s?(?: that| which)?(?: is| are| best)* (?:described|referred to|matching|match|matches|corresponding|corresponds)(?: as| by| to)?(?: the)?(?: (?:description|sentence|phrase|expression|text|following))*',
  '(?:the )?(?:description|expression|phrase|query|target|referring expression)(?= ?[:"])',
  `in ${AN_IMAGE}`,
  'where',
];
/** One piece of asking at the start. A lone "where" is no prompt: it is a question. */
const LEADING = new RegExp(`^(?:${ASKING.slice(0, -1).join('|')})(?=[\\s,:"]|$)[\\s,:"]*`);
const TRAILING = new RegExp(`[\\s,]+(?:(?:in|from|of|on) ${AN_IMAGE}|please)[.?!\\s"]*$`);

/**
 * The expression without the words of a prompt, and those words: "Please find the bounding box of <ref>the left cup</ref>." is
 * `the left cup`. A text that is nothing but a prompt stays as it is.
 */
export function withoutPrompt(text: string): {
  readonly expression: string;
  readonly promptWords: readonly string[];
} {
  const pieces: string[] = [];
  const take = (from: string, pattern: RegExp): string =>
    from.replace(pattern, (piece) => {
      pieces.push(piece);
      return ' ';
    });
  let rest = text;
  if (text.includes('<')) rest = take(rest, TAGS);
  rest = rest.trim();
  if (!ANY_PROMPT.test(rest))
    return { expression: pieces.length ? rest : text, promptWords: wordsIn(pieces) };
  for (;;) {
    const lower = rest.toLowerCase();
    const lead = LEADING.exec(lower)?.[0] ?? '';
    if (lead === '') break;
    pieces.push(rest.slice(0, lead.length));
    rest = rest.slice(lead.length).trim();
  }
  const tail = TRAILING.exec(rest.toLowerCase())?.[0];
  if (
    tail !== undefined &&
    !/\b(?:left|right|top|bottom|middle|center|side|corner|background|foreground|front|back|part|edge|half)\s*$/.test(
      rest.toLowerCase().slice(0, -tail.length),
    )
  ) {
    pieces.push(rest.slice(-tail.length));
    rest = rest.slice(0, -tail.length).trim();
  }
  if (!/[\p{L}\p{N}]/u.test(rest)) return { expression: text, promptWords: [] };
  return { expression: rest, promptWords: wordsIn(pieces) };
}

const ANY_PROMPT = new RegExp(`${LEADING.source}|${TRAILING.source}`, 'i');

const wordsIn = (pieces: readonly string[]): string[] =>
  pieces.flatMap((piece) => piece.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
