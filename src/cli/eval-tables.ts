import { missedGates } from '../evaluation/gate.js';
import { renderCsv, renderMarkdown, type Table } from '../evaluation/table.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { type EvalCommand, gatesOf } from './eval-settings.js';

/** One evaluation, ready to be shown. */
export interface EvalOutcome {
  /** The document of `--json`. */
  readonly document: object;
  /** What a person sees. */
  readonly overview: Table;
  /** All numbers, for `--csv` and `--markdown`. */
  readonly table: Table;
  /** What `--fail-under` may name. */
  readonly metrics: Readonly<Record<string, number | null | undefined>>;
  readonly notices: readonly string[];
}

/** Shows an evaluation where the flags say. @returns 1 where a gate is missed, else 0 */
export async function showOutcome(
  { flags, printer }: EvalCommand,
  { document, overview, table, metrics, notices }: EvalOutcome,
): Promise<number> {
  const missed = missedGates(gatesOf(flags), metrics);
  for (const notice of notices) printer.note(`note: ${notice}`);
  await printer.data(
    flags.json ? `${JSON.stringify(document, null, 2)}\n` : renderMarkdown(overview),
  );
  if (flags.csv !== undefined) await writeFileAtomic(flags.csv, [renderCsv(table)]);
  if (flags.markdown !== undefined) await writeFileAtomic(flags.markdown, [renderMarkdown(table)]);
  for (const { metric, least, got } of missed) {
    printer.important(
      `--fail-under: ${metric} is ${got ?? 'not defined'}, expected at least ${least}`,
    );
  }
  return missed.length > 0 ? 1 : 0;
}
