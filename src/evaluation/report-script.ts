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
