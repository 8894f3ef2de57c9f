/** The one script of the report: filters and sorts the gallery. Its text is fixed, so its hash in the policy of the page is too. */
export const REPORT_SCRIPT = `
(() => {
  const form = document.getElementById('filter');
  const list = document.getElementById('cards');
  const count = document.getElementById('shown');
  if (!form || !list || !count) return;
  const cards = [...list.children];
  const orders = {
    chosen: (a, b) => a.dataset.place - b.dataset.place,
    gain: (a, b) => b.dataset.gain - a.dataset.gain,
    loss: (a, b) => a.dataset.gain - b.dataset.gain,
    score: (a, b) => b.dataset.score - a.dataset.score,
    doubt: (a, b) => a.dataset.score - b.dataset.score,
    file: (a, b) => a.dataset.row - b.dataset.row,
  };
  const apply = () => {
    const { outcome, group, size, text, order } = Object.fromEntries(new FormData(form));
    const words = text.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits =
        (!outcome || card.dataset.outcome === outcome) &&
        (!group || card.dataset.group === group) &&
        (!size || card.dataset.size === size) &&
        words.every((word) => card.textContent.toLowerCase().includes(word));
      card.hidden = !fits;
      if (fits) shown++;
    }
    list.append(...[...cards].sort(orders[order] || orders.chosen));
    count.textContent = shown + ' of ' + cards.length + ' answers shown';
  };
  form.addEventListener('input', apply);
  document.getElementById('show-all').addEventListener('click', () => {
    form.reset();
    apply();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  form.hidden = false;
  apply();
})();
`;

/** The style of the report. Colours are named once for light and once for dark; outcomes differ in shape and word too. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --page: #fff; --card: #f6f7f8; --line: #c9ced4; --text: #1b1f24; --soft: #57606a;
  --truth: #1a7f37; --tool: #0969da; --answer: #cf222e;
  --correction: #1a7f37; --confirmation: #0969da; --loss: #bc4c00; --error: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --card: #161b22; --line: #3d444d; --text: #e6edf3;
  --soft: #9da7b1; --truth: #3fb950; --tool: #58a6ff; --answer: #ff7b72;
  --correction: #3fb950; --confirmation: #58a6ff; --loss: #f0883e; --error: #9da7b1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 75rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; } p { margin: .5rem 0; }
a { color: var(--tool); } .soft { color: var(--soft); } .skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; } :focus-visible { outline: 3px solid var(--tool); outline-offset: 2px; }
dl.subject { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dl.subject dt { color: var(--soft); } dl.subject dd { margin: 0; }
.notice { border-left: 4px solid var(--loss); padding: .25rem .75rem; background: var(--card); }
.numbers { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, max(9.5rem, 23%)), 1fr));
  margin: 0; padding: 0; list-style: none; }
.numbers li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.numbers strong { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.numbers small { display: block; color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .25rem; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: right; vertical-align: top; }
th { font-weight: 600; background: var(--card); } tbody th, th.left, td.left { text-align: left; overflow-wrap: normal; }
.square td { padding: .75rem 1rem; min-width: 8rem; } .square strong { font-size: 1.35rem; display: block; }
figure { margin: 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: var(--soft); font-size: .9rem; }
details { margin: .5rem 0; } summary { cursor: pointer; }
.pair { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .25rem 0; padding: 0; list-style: none; font-size: .9rem; }
.key svg { width: 1.6rem; height: .9rem; vertical-align: -.1rem; margin-right: .35rem; }
form { display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-items: end; margin: .75rem 0; }
form[hidden] { display: none; } form label { display: block; font-size: .85rem; color: var(--soft); }
select, input { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--line);
  border-radius: .35rem; padding: .35rem .5rem; max-width: 100%; min-height: 2.5rem; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr));
  margin: 0; padding: 0; list-style: none; align-items: start; }
.card { border: 1px solid var(--line); border-radius: .5rem; background: var(--card); overflow: hidden; }
.card[hidden] { display: none; } .card .body { padding: .6rem .8rem .8rem; }
.photo { position: relative; background: var(--line); } .photo img, .photo svg { display: block; width: 100%; height: auto; }
.photo img + svg { position: absolute; inset: 0; height: 100%; }
.photo rect { fill: none; stroke-width: 3; vector-effect: non-scaling-stroke; }
.halo { stroke: #000; stroke-opacity: .55; stroke-width: 5 !important; }
.truth { stroke: var(--truth); } .tool { stroke: var(--tool); stroke-dasharray: 9 5; }
.answer { stroke: var(--answer); stroke-dasharray: 2 4; stroke-linecap: round; stroke-width: 4 !important; }
.outcome { display: inline-block; border-radius: 1rem; padding: 0 .6rem; font-size: .85rem; border: 2px solid; }
.correction { --outcome: var(--correction); } .confirmation { --outcome: var(--confirmation); }
.loss { --outcome: var(--loss); } .error { --outcome: var(--error); }
.outcome { border-color: var(--outcome); } .square td[class] { box-shadow: inset .3rem 0 var(--outcome); }
.card p { margin: .35rem 0; font-size: .9rem; } .card b { font-weight: 600; }
@media print { form, .skip { display: none; } .card { break-inside: avoid; } }
`;
