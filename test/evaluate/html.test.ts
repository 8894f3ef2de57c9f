import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeHtml, html, trusted } from '../../src/evaluate/html.js';

test('values are escaped, pieces of HTML are not', () => {
  const list = ['<a>', '"b"'].map((word) => html`<li title="${word}">${word}</li>`);
  expect(html`<ul>${list}${null}${undefined}${false}${0}</ul>`.text).toBe(
    '<ul><li title="&lt;a&gt;">&lt;a&gt;</li><li title="&quot;b&quot;">&quot;b&quot;</li>0</ul>',
  );
  expect(html`${trusted('<b>')}`.text).toBe('<b>');
});

test('what disturbs a page is replaced, what people write is kept', () => {
  expect(escapeHtml('a\u0000b\u001b[2Jc\u202ed\ud800')).toBe('a\ufffdb\ufffd[2Jc\ufffdd\ufffd');
  expect(escapeHtml('l\u00f6we 👩‍🚀\t\n獅子')).toBe('l\u00f6we 👩‍🚀\t\n獅子');
});

test('no text opens a tag, ends an attribute or starts an entity', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const escaped = escapeHtml(text);
      expect(escaped).not.toMatch(/[<>"']/);
      expect(escaped.replace(/&(amp|lt|gt|quot|#39);/g, '')).not.toContain('&');
    }),
  );
});
