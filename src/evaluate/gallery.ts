import type { BoxXyxy, ImageSize } from '../core/box.js';
import { mixed } from '../core/math.js';
import type { EvalQuery } from '../formats/eval-files.js';
import type { Thumbnail } from '../photos/crop.js';
import {
  type AnswerParts,
  boxesOf,
  byOutcome,
  countedBox,
  OUTCOMES,
  type Outcome,
  outcomeOf,
  type ScoredQuery,
} from './answers.js';
import { type Html, html } from './html.js';

/** What each outcome means, in the words of the report. */
export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  correction: 'tool wrong, answer right',
  confirmation: 'tool right, answer right',
  loss: 'tool right, answer wrong',
  error: 'tool wrong, answer wrong',
};

const DATA_URL = /^data:image\/(?:jpeg|png|webp|avif);base64,[A-Za-z0-9+/]+={0,2}$/;

/** The answers of the gallery with the controls that filter and sort them. `photos` are by row of the query. */
export function gallerySection(
  entries: readonly GalleryEntry[],
  photos: ReadonlyMap<number, Thumbnail>,
): Html {
  const groups = [...new Set(entries.flatMap(({ group }) => group ?? []))].sort();
  return html`<section aria-labelledby="gallery"><h2 id="gallery">Answers</h2>
<ul class="key">${key('truth', 'ground truth: solid green')}${key('tool', 'tool: dashed blue')}${key('answer', 'answer: dotted red')}</ul>
<form id="filter" hidden aria-label="Filter and sort the answers">
${choice('outcome', 'Outcome', [
  ['', 'all'],
  ...OUTCOMES.map((outcome) => [outcome, `${outcome}: ${OUTCOME_WORDS[outcome]}`] as const),
])}
${groups.length > 0 && choice('group', 'Group', [['', 'all'], ...groups.map((group) => [group, group] as const)])}
${choice('size', 'Object', [
  ['', 'all sizes'],
  ['small', 'small'],
  ['medium', 'medium'],
  ['large', 'large'],
])}
${choice('order', 'Order', [
  ['chosen', 'by outcome'],
  ['gain', 'largest gain first'],
  ['loss', 'largest loss first'],
  ['score', 'highest score first'],
  ['doubt', 'lowest score first'],
  ['file', 'as in the queries'],
])}
<div><label for="filter-text">Words</label><input type="search" id="filter-text" name="text" autocomplete="off"></div>
<input type="button" id="show-all" value="Show all">
</form>
<p id="shown" class="soft" role="status">${entries.length} answers</p>
<ul id="cards" class="cards">${entries.map((entry, index) => card(entry, index, photos.get(entry.row)))}</ul></section>`;
}

function key(kind: string, words: string): Html {
  return html`<li><svg viewBox="0 0 32 18" aria-hidden="true"><rect x="3" y="3" width="26" height="12" fill="none" stroke-width="3" class="${kind}"/></svg>${words}</li>`;
}

function choice(
  name: string,
  label: string,
  options: readonly (readonly [value: string, words: string])[],
): Html {
  return html`<div><label for="filter-${name}">${label}</label><select id="filter-${name}" name="${name}">${options.map(([value, words]) => html`<option value="${value}">${words}</option>`)}</select></div>`;
}

function card(entry: GalleryEntry, index: number, photo: Thumbnail | undefined): Html {
  const { outcome, group, confidence, think, answer, decision } = entry;
  const [toolIou, finalIou] = [entry.toolIou ?? 0, entry.finalIou ?? 0];
  return html`<li class="card" data-place="${index}" data-row="${entry.row}" data-outcome="${outcome}" data-group="${group ?? ''}" data-size="${entry.objectSize ?? ''}" data-gain="${(finalIou - toolIou).toFixed(4)}" data-score="${(confidence ?? 0).toFixed(4)}">
${picture(entry, photo)}
<div class="body"><h3>${entry.query}</h3>
<p><span class="outcome ${outcome}">${outcome}</span> <span class="soft">${OUTCOME_WORDS[outcome]}${decision !== undefined && `; decision: ${decision}`}</span></p>
<p>IoU: ${entry.toolName ?? 'tool'} <b>${iouWords(entry.toolIou)}</b>, answer <b>${iouWords(entry.finalIou)}</b>${confidence != null && html`, score ${confidence.toFixed(2)}`}</p>
${think?.text && html`<p><b>Think:</b> ${think.text}</p>`}
${answer?.text && html`<p><b>Rethink:</b> ${answer.text}</p>`}
<p class="soft">${[entry.id, entry.image, group, truthWords(entry)].filter((word) => word !== undefined).join(', ')}</p>
</div></li>`;
}

function picture(entry: GalleryEntry, photo: Thumbnail | undefined): Html {
  const { width, height } = photo?.size ?? entry.size ?? extent(entry);
  const words = `${entry.image ?? 'No photo'}, ${entry.query}: ${OUTCOME_WORDS[entry.outcome]}; IoU of the tool ${iouWords(entry.toolIou)}, of the answer ${iouWords(entry.finalIou)}`;
  const isShown = photo !== undefined && DATA_URL.test(photo.dataUrl);
  const label = isShown
    ? html`aria-hidden="true"`
    : html`role="img" aria-label="${words}, boxes alone"`;
  return html`<div class="photo">${isShown && html`<img src="${photo.dataUrl}" width="${Math.round(width)}" height="${Math.round(height)}" alt="${words}" loading="lazy" decoding="async">`}<svg viewBox="0 0 ${width} ${height}" ${label}>
${[
  ...entry.truthsXyxy.map((truth) => box(truth, 'truth')),
  entry.tool?.boxXyxy && box(entry.tool.boxXyxy, 'tool'),
  ...answerBoxes(entry).map((answer) => box(answer, 'answer')),
]}</svg></div>`;
}

/** A dark line under the coloured one keeps it visible on any photo. */
function box({ x1, y1, x2, y2 }: BoxXyxy, kind: string): Html {
  const corners = html`x="${x1.toFixed(1)}" y="${y1.toFixed(1)}" width="${(x2 - x1).toFixed(1)}" height="${(y2 - y1).toFixed(1)}"`;
  return html`<rect class="halo" ${corners}/><rect class="${kind}" ${corners}/>`;
}

/** The frame for an answer whose photo nobody gave. */
function extent(entry: GalleryEntry): ImageSize {
  const boxes = [...entry.truthsXyxy, ...answerBoxes(entry), entry.tool?.boxXyxy ?? []].flat();
  return {
    width: Math.max(1, ...boxes.map(({ x2 }) => x2 * 1.05)),
    height: Math.max(1, ...boxes.map(({ y2 }) => y2 * 1.05)),
  };
}

function answerBoxes({ answer }: GalleryEntry): readonly BoxXyxy[] {
  return answer ? boxesOf(answer) : [];
}

/** What is meant, where it is not one object. */
function truthWords({ truths }: GalleryEntry): string | undefined {
  if (truths === 1) return undefined;
  return truths === 0 ? 'nothing in the photo fits' : `${truths} objects are meant`;
}

function iouWords(iou: number | null): string {
  return iou === null ? 'no box' : iou.toFixed(2);
}

/** An answer to be shown, with its query and how it ended. The answer's box is the one that counts. */
export interface GalleryEntry extends EvalQuery, AnswerParts, ScoredQuery {
  /** Index of the query in its file. */
  readonly row: number;
  readonly outcome: Outcome;
}

/**
 * Chooses the answers that a report shows, in bounded memory: of corrections and losses those that moved the furthest, of
 * errors those with the highest score, of confirmations a random sample. The choice does not depend on the order in which
 * answers come.
 */
export class GallerySelection {
  readonly #kept = byOutcome((): GalleryEntry[] => []);

  /** @param limit most entries in all */
  constructor(private readonly limit: number) {}

  add(row: number, query: EvalQuery, parts: AnswerParts, score: ScoredQuery): void {
    if (this.limit === 0) return;
    const { answer, size = query.size } = parts;
    const outcome = outcomeOf(score);
    const kept = this.#kept[outcome];
    kept.push({
      ...parts,
      ...query,
      ...score,
      ...{ row, outcome, size },
      answer: answer && { ...answer, boxXyxy: countedBox(answer, query.truthsXyxy) },
    });
    if (kept.length > 2 * this.limit + 64) this.#trim(kept);
  }

  /** An equal share of each outcome; what one leaves over goes to the others. Highest rank first. */
  entries(): GalleryEntry[] {
    for (const outcome of OUTCOMES) this.#trim(this.#kept[outcome]);
    const inTurns = OUTCOMES.flatMap((outcome) => [...this.#kept[outcome].entries()])
      .sort(([rank], [other]) => rank - other)
      .slice(0, this.limit);
    return OUTCOMES.flatMap((outcome) =>
      inTurns.flatMap(([, entry]) => (entry.outcome === outcome ? entry : [])),
    );
  }

  #trim(kept: GalleryEntry[]): void {
    kept.sort((a, b) => rankOf(b) - rankOf(a) || a.row - b.row);
    kept.length = Math.min(kept.length, this.limit);
  }
}

function rankOf({ outcome, row, confidence, toolIou, finalIou }: GalleryEntry): number {
  if (outcome === 'confirmation') return mixed(row);
  if (outcome === 'error') return confidence ?? 0;
  return Math.abs((finalIou ?? 0) - (toolIou ?? 0));
}
