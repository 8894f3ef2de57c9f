import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { OutputLine } from '../../src/formats/result-line.js';
import { DoneItems, type JournalLine, withReplacements } from '../../src/pipeline/journal.js';

/** Errors of lines that state an id of their own, that show none, and that state another line's. */
const FAILURES = ['own', 'none', 'double', 'broken double'] as const;

/** The line of the item at `index`. */
function lineOf(index: number, failure?: (typeof FAILURES)[number]): OutputLine {
  const id = `q${index}`;
  if (failure) {
    const error = { type: 'error', schema: 1, line: index + 1, message: '' } as const;
    if (failure === 'own') return { ...error, id, code: 'IMAGE_MISSING' };
    if (failure === 'none') return { ...error, id: `${index + 1}`, code: 'QUERY_INVALID' };
    if (failure === 'double') return { ...error, id: 'q0', code: 'ID_DUPLICATE' };
    return { ...error, code: 'QUERY_INVALID' };
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
      fc.array(
        fc
          .record({
            before: fc.constantFrom(undefined, ...FAILURES),
            after: fc.constantFrom(undefined, ...FAILURES),
          })
          // A line with an id of its own keeps it; a broken one may have been repaired since.
          .map(({ before, after }) =>
            before === 'own' && after !== undefined ? { before, after: before } : { before, after },
          ),
        { maxLength: 30 },
      ),
      fc.nat(),
      fc.nat(),
      async (items, wrote, cut) => {
        // The first run wrote some lines and was killed; the retry does its errors once more and the rest anew.
        const written = items.length === 0 ? 0 : wrote % (items.length + 1);
        const first = items.slice(0, written).map(({ before }, at) => lineOf(at, before));
        const retried = items.flatMap(({ before, after }, at) =>
          at >= written || before ? [{ ...lineOf(at, after), place: at + 1 }] : [],
        );
        const kept = retried.slice(0, retried.length === 0 ? 0 : cut % (retried.length + 1));
        const journal = [...first, ...kept].map(entry);

        const merged: string[] = [];
        for await (const text of withReplacements(() => stream(journal))) merged.push(text);
        const later = new Map(kept.map((line) => [line.place, line]));
        const lines = [
          ...first.map((line, at) => later.get(at + 1) ?? line),
          ...kept.filter(({ place }) => place > written),
        ];
        expect(merged).toEqual(lines.map((line) => entry(line).text));

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
  plain.add(lineOf(0, 'own'));
  expect(plain.hasQuery({ query: item })).toBe(true);
  const retrying = new DoneItems(true);
  retrying.add(lineOf(0, 'own'));
  expect(retrying.hasQuery({ query: item })).toBe(false);
  retrying.add(lineOf(0));
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

it('loses no replacement whose error is not where it is looked for', async () => {
  const journal = [lineOf(0, 'own'), lineOf(1, 'own'), lineOf(1), lineOf(0)].map(entry);
  const merged: string[] = [];
  for await (const text of withReplacements(() => stream(journal))) merged.push(text);
  expect(merged).toEqual([0, 2, 3].map((at) => journal[at]!.text));
});
