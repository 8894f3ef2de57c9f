/** A piece of HTML that is safe to put into a page: made by {@link html}, or vouched for by {@link trusted}. */
export class Html {
  constructor(readonly text: string) {}
}

export type HtmlPart = Html | string | number | null | undefined | false | readonly HtmlPart[];

/**
 * A template whose values are escaped, in text and in quoted attributes alike; pieces of HTML and lists of them stand as they
 * are. Null, undefined and false leave nothing.
 *
 * ``html`<b title="${'"'}">${'<'}</b>`.text`` is `<b title="&quot;">&lt;</b>`.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let text = strings[0]!;
  parts.forEach((part, index) => {
    text += partText(part) + strings[index + 1]!;
  });
  return new Html(text);
}

/** HTML or SVG that this program made itself, with everything foreign in it escaped already. */
export function trusted(text: string): Html {
  return new Html(text);
}

function partText(part: HtmlPart): string {
  if (part instanceof Html) return part.text;
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'object') return part.map(partText).join('');
  return escapeHtml(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Control characters but tab and line ends, halves of surrogate pairs, and the controls of the reading direction. */
const UNFIT = /(?![\t\n\r])[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Foreign text for HTML: markup becomes entities, what would disturb the page becomes U+FFFD. */
export function escapeHtml(text: string): string {
  return text.replace(UNFIT, '\ufffd').replace(/[&<>"']/g, (mark) => ENTITIES[mark]!);
}
