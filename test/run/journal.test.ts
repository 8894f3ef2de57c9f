import fc from 'fast-check';
import { expect, it } from 'vitest';
import { errorLine, type OutputLine } from '../../src/formats/result-line.js';
import { DoneItems, type JournalRecord } from '../../src/run/done-items.js';
import { type IntakeItem, QueryIntake } from '../../src/run/intake.js';
import { type JournalLine, withReplacements } from '../../src/run/journal.js';
import { startedProgress } from '../../src/runtime/ports.js';

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
  const item = { id: 'q0', line: 1, query: 'x', imagePath: 'a', tools: [], extra: {} };
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
  const query = { id: 'q0', line: 1, query: 'x', imagePath: 'a', tools: [], extra: {} };
  expect(done.hasQuery({ query })).toBe(false);
});

it('has one line an item where replacements come in another order than their errors', async () => {
  const journal = [lineOf(0, 'own'), lineOf(1, 'own'), lineOf(1), lineOf(0)].map(entry);
  const merged: string[] = [];
  for await (const text of withReplacements(() => stream(journal))) merged.push(text);
  expect(merged).toEqual([2, 3].map((at) => journal[at]!.text));
});

/** Lines of a queries file: with an id, without one, broken with and without an id. */
const queryText = fc
  .oneof(
    { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', '2') },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
  .chain((id) =>
    fc.constantFrom(
      JSON.stringify({ id, query: 'x', tools: {} }),
      JSON.stringify({ id, query: '' }),
      '{',
    ),
  );

function itemsOf(texts: readonly string[]): IntakeItem[] {
  const intake = new QueryIntake({ index: 1, count: 1 }, startedProgress());
  return texts.map((text, at) => intake.take({ number: at + 1, text })!);
}

function answered(item: IntakeItem): OutputLine {
  if ('error' in item) return errorLine(item, item.error);
  return { ...lineOf(0), id: item.query.id } as OutputLine;
}

const placeOf = (item: IntakeItem): number => ('error' in item ? item.line : item.query.line);

it('mended lines leave what a fresh run over them writes, whichever ids they take', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(queryText, queryText), { maxLength: 8 }),
      fc.boolean(),
      async (lines, sharded) => {
        const stored = (item: IntakeItem): JournalRecord =>
          sharded ? { ...answered(item), place: placeOf(item) } : answered(item);
        const before = itemsOf(lines.map(([text]) => text)).map(stored);
        // Only lines that failed are touched.
        const mended = itemsOf(
          lines.map(([text, other], at) => (before[at]!.type === 'error' ? other : text)),
        );
        const done = new DoneItems(true);
        for (const line of before) done.add(line);
        const retried = mended
          .filter((item) => !done.hasQuery(item))
          .map((item) => ({ ...answered(item), place: placeOf(item) }));
        for (const line of retried) done.wrote(line);

        const merged: string[] = [];
        const journal = [...before, ...retried].map((line) => entry(line as OutputLine));
        for await (const text of withReplacements(() => stream(journal))) merged.push(text);
        const unplaced = merged.map((text) => ({ ...JSON.parse(text), place: undefined }));
        const fresh = mended.map((item) => ({ ...answered(item), place: undefined }));
        expect(unplaced).toEqual(fresh);
        expect(done.tally.items).toBe(fresh.length);
        expect(done.tally.errors).toBe(fresh.filter(({ type }) => type === 'error').length);
      },
    ),
    { numRuns: 500 },
  );
});
