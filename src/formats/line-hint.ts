/** How a file that was packed or written otherwise becomes JSON Lines in UTF-8. */
const UNPACK = 'the file is packed by gzip: name it `FILE.gz`, or unpack it with `gunzip -c`';
const FROM_UTF16 = 'the file is UTF-16: `iconv -f utf-16 -t utf-8 FILE > q.jsonl`';
const ONE_A_LINE =
  "one JSON object a line: `jq -c '.[]' FILE` makes lines of a JSON list, `jq -c . FILE` of objects over several lines, `mlr --icsv --ojsonl cat FILE` of CSV";

/** What to try with a line whose bytes are not UTF-8. */
export function encodingHint(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0x1f && second === 0x8b) return UNPACK;
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  return isMarked || bytes.includes(0)
    ? FROM_UTF16
    : 'convert the file: `iconv -f latin1 -t utf-8 FILE`';
}

/** What to try with a line that is no JSON. */
export function jsonHint(text: string, number: number): string {
  if (text.includes('\0')) return FROM_UTF16;
  const line = text.trim();
  return line.startsWith('{') && line !== '{'
    ? `check the line alone: \`sed -n ${number}p FILE | jq .\``
    : ONE_A_LINE;
}

/** What to try with a line that is JSON but no object. */
export const listHint = ONE_A_LINE;
