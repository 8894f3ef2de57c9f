import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { OutputLine } from '../../src/formats/result-line.js';
import { DoneItems, type JournalLine, withReplacements } from '../../src/pipeline/journal.js';

/** The line of the item at `index`; an error where `failed`. */
function lineOf(index: number, failed: boolean): OutputLine {
  const id = `q${index}`;
  if (failed) {
    return { type: 'error', schema: 1, id, line: index + 1, code: 'IMAGE_MISSING', message: '' };
  }
  return {
    type: 'result',
    schema: 1,
    id,
    width: 1,
    height: 1,
    query: 'x',
    tool: { name: 't', bbox_2d: null },
    think: { bbox_2d: null, score: 0, text: '' },
    answer: { bbox_2d: null, score: 0, decision: 'none', text: '' },
    candidates: 0,
  };
}

const entry = (line: OutputLine): JournalLine => ({ line, text: `${JSON.stringify(line)}\n` });

async function* stream(lines: readonly JournalLine[]): AsyncGenerator<JournalLine> {
  yield* lines;
}

it('retried lines take the places of their errors, wherever a kill has cut the retry', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ before: fc.boolean(), after: fc.boolean() }), { maxLength: 30 }),
      fc.nat(),
      fc.nat(),
      async (items, wrote, cut) => {
        // The first run wrote some lines and was killed; the retry does its errors once more and the rest anew.
        const written = items.length === 0 ? 0 : wrote % (items.length + 1);
        const first = items.slice(0, written).map(({ before }, at) => lineOf(at, before));
        const retried = items.flatMap(({ before, after }, at) =>
          at >= written || before ? [lineOf(at, after)] : [],
        );
        const kept = retried.slice(0, retried.length === 0 ? 0 : cut % (retried.length + 1));
        const journal = [...first, ...kept].map(entry);

        const merged: string[] = [];
        for await (const text of withReplacements(() => stream(journal))) merged.push(text);
        const lines = merged.map((text) => JSON.parse(text) as OutputLine & { id: string });
        expect(lines.map(({ id }) => id)).toEqual(lines.map((_, at) => `q${at}`));

        const byId = new Map(journal.map(({ line, text }) => [(line as { id: string }).id, text]));
        expect(merged).toEqual(lines.map(({ id }) => byId.get(id)));

        const failed = lines.filter(({ type }) => type === 'error').length;
        const left = new DoneItems(true);
        for (const { line } of journal) left.add(line);
        const running = new DoneItems(true);
        for (const line of first) running.add(line);
        for (const line of retried.slice(0, kept.length)) running.wrote(line);
        for (const { tally } of [left, running]) {
          expect(tally.items).toBe(merged.length);
          expect(tally.errors).toBe(failed);
          expect(tally.replacements).toBe(journal.length - merged.length);
        }
      },
    ),
  );
});

it('does failed items again only when told so', () => {
  const item = { id: 'q0', line: 1, query: 'x', image: 'a', tools: [], extra: {} };
  const plain = new DoneItems();
  plain.add(lineOf(0, true));
  expect(plain.hasQuery({ query: item })).toBe(true);
  const retrying = new DoneItems(true);
  retrying.add(lineOf(0, true));
  expect(retrying.hasQuery({ query: item })).toBe(false);
  retrying.add(lineOf(0, false));
  expect(retrying.hasQuery({ query: item })).toBe(true);
});

it('a double id is known by its line alone', () => {
  const done = new DoneItems();
  const double: OutputLine = {
    type: 'error',
    schema: 1,
    id: 'q0',
    line: 7,
    code: 'ID_DUPLICATE',
    message: '',
  };
  done.add(double);
  const query = { id: 'q0', line: 1, query: 'x', image: 'a', tools: [], extra: {} };
  expect(done.hasQuery({ query })).toBe(false);
});
