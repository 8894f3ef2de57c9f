/** A number whose digits a double cannot hold is a text with this mark in front, between reading and writing. */
const MARK = '\0number ';
/** Numbers that may be such: of 16 digits and more, or with an exponent of three digits. */
const SUSPECT = /\d[\d.]{15}|\d[eE][-+]?\d{3}/;
/** A string of JSON, which stays as it is, or a number. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/gs;
const MARKED = /"\\u0000number (-?[\d.eE+-]+)"/g;

/**
 * JSON.parse, but numbers that a double cannot hold (ids of 64 bits, `1e400`) keep their digits: {@link exactJson} writes them as
 * they were, {@link exactText} shows them. To all other code they are strings.
 * @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  if (!SUSPECT.test(text)) return JSON.parse(text);
  return parseMarked(text, holds);
}

/** Numbers that JavaScript may write in another way: `1.0`, `0.10`, `-0`, `1e2`. */
const RESPELLED = /\d[eE]|\.\d*0(?!\d)|-0|0\.0{6}/;

/** The same for values that are only handed on: every number stays as it is written, `1.0` too. */
export function parseAsWritten(text: string): unknown {
  if (!SUSPECT.test(text) && !RESPELLED.test(text)) return JSON.parse(text);
  return parseMarked(text, (token) => String(Number(token)) === token);
}

/** JSON.stringify for values of {@link parseExact}. */
export function exactJson(value: unknown): string {
  // Undefined for a function or a symbol, as JSON.stringify gives it.
  const json: string | undefined = JSON.stringify(value);
  return json?.includes('\\u0000number ') ? json.replace(MARKED, '$1') : json;
}

/** The double that is nearest to a number which keeps its digits; other values as they are. */
export function nearestNumber(value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(MARK) ? Number(exactText(value)) : value;
}

/** A value as a word: the digits of a number that was too long. */
export function exactText(value: unknown): string {
  const text = String(value);
  return text.startsWith(MARK) ? text.slice(MARK.length) : text;
}

/** @param isHeld whether a number need not be marked */
function parseMarked(text: string, isHeld: (token: string) => boolean): unknown {
  // What is no JSON must not become it.
  JSON.parse(text);
  return JSON.parse(
    text.replace(TOKEN, (token) =>
      token.startsWith('"') || isHeld(token) ? token : `"\\u0000number ${token}"`,
    ),
  );
}

/** Whether the nearest double, as JavaScript writes it, is the very number. */
function holds(token: string): boolean {
  return decimal(token) === decimal(String(Number(token)));
}

/** Digits and exponent of a number, in one form for all spellings of it. */
function decimal(text: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  if (whole === '') return text;
  const digits = `${whole}${part}`.replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  if (kept === '') return '0';
  return `${sign}${kept}e${Number(power) - part.length + digits.length - kept.length}`;
}
