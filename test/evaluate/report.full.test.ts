import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evaluateResults } from '../../src/evaluate/evaluation-run.js';
import { refinementReport } from '../../src/evaluate/refinement-report.js';
import { renderReport } from '../../src/evaluate/report.js';
import { evalQueries, evalResults } from '../../src/formats/eval-files.js';

// One that is half installed does not start.
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-headless-shell'].find(
  (path) => spawnSync(path, ['--version']).status === 0,
);
/** Only a hang shall fail. Milliseconds. */
const PATIENCE = 240_000;
if (!executablePath) console.log('skipped: no Debian chromium to open the report with');

const KINDS = ['human', 'caption'];
const WORDS = ['lion', '<b>bench</b>', 'tree'];

function lines(values: readonly unknown[]) {
  return values.map((value, index) => ({ number: index + 1, text: JSON.stringify(value) }));
}

async function page(): Promise<string> {
  const queries = Array.from({ length: 60 }, (_, index) => ({
    id: `q${index}`,
    image: `photo-${index}.jpg`,
    query: `the ${WORDS[index % 3]} number ${index}`,
    bbox: [20, 20, index % 5 === 0 ? 20 : 100, 40],
    kind: KINDS[index % 2],
  }));
  const results = queries.map(({ id, image, query, bbox: [x, y, width, height] }, index) => {
    const right = [x, y, x! + width! * (1 - (index % 7) / 20), y! + height!];
    const box = (isRight: boolean) => (isRight ? right : [200, 100, 240, 140]);
    return {
      type: 'result',
      schema: 1,
      id,
      image,
      query,
      width: 320,
      height: 200,
      tool: { name: 'centernet', bbox_2d: box(index % 4 === 1 || index % 4 === 2), score: 0.5 },
      think: { bbox_2d: null, score: 0.1, text: `Thought about ${query}.` },
      answer: {
        bbox_2d: box(index % 4 < 2),
        score: ((index * 37) % 100) / 100,
        decision: 'correct',
        text: 'Another object fits better.',
      },
    };
  });
  const evaluation = await evaluateResults(
    evalQueries(lines(queries), 'q.jsonl'),
    evalResults(lines(results), 'r.jsonl'),
    'r.jsonl',
    { gallery: 20 },
  );
  const photos = new Map();
  for (const { row } of evaluation.gallery) {
    const background = { r: (row * 53) % 256, g: (row * 97) % 256, b: 120 };
    const jpeg = await sharp({ create: { width: 160, height: 100, channels: 3, background } })
      .jpeg()
      .toBuffer();
    photos.set(row, {
      dataUrl: `data:image/jpeg;base64,${jpeg.toString('base64')}`,
      size: { width: 320, height: 200 },
    });
  }
  const report = refinementReport(evaluation.scores, {});
  return renderReport(evaluation, report, [['results', 'r.jsonl']], photos);
}

describe.skipIf(!executablePath)('the report in a browser', () => {
  let browser: Browser;
  let folder: string;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vgr-report-'));
    const path = join(folder, 'report.html');
    await writeFile(path, await page());
    url = pathToFileURL(path).href;
    browser = await chromium.launch({
      executablePath: executablePath!,
      timeout: PATIENCE,
      // Containers run tests as root, where the sandbox of Chromium does not start.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    });
  });

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  async function opened(options: Parameters<Browser['newPage']>[0] = {}) {
    const tab = await browser.newPage(options);
    tab.setDefaultTimeout(PATIENCE);
    const messages: string[] = [];
    const requests: string[] = [];
    tab.on('console', (message) => messages.push(message.text()));
    tab.on('pageerror', (error) => messages.push(String(error)));
    tab.on('request', (request) => {
      if (!request.url().startsWith('data:')) requests.push(request.url());
    });
    await tab.goto(url);
    return { tab, messages, requests };
  }

  // What runs in the page is text: the project is checked without the types of a browser.
  function shownCards(tab: Page): Promise<Record<string, string>[]> {
    return tab.evaluate(
      "[...document.querySelectorAll('.card:not([hidden])')].map((card) => ({ ...card.dataset }))",
    );
  }

  test.each([
    ['desktop, light', { viewport: { width: 1280, height: 900 }, colorScheme: 'light' as const }],
    ['desktop, dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' as const }],
    ['phone, light', { viewport: { width: 360, height: 740 }, colorScheme: 'light' as const }],
    ['phone, dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' as const }],
  ])('%s: opens from disk, silent, alone, no wider than the screen', async (_, options) => {
    const { tab, messages, requests } = await opened(options);
    expect(messages).toEqual([]);
    expect(requests).toEqual([url]);
    const overflow = 'document.documentElement.scrollWidth - window.innerWidth';
    expect(await tab.evaluate(overflow)).toBeLessThanOrEqual(0);
    expect(await tab.evaluate('getComputedStyle(document.body).backgroundColor')).toBe(
      options.colorScheme === 'dark' ? 'rgb(13, 17, 23)' : 'rgb(255, 255, 255)',
    );
    await tab.locator('.card').last().scrollIntoViewIfNeeded();
    const width = '[...document.images].at(-1).naturalWidth';
    await expect.poll(() => tab.evaluate(width), { timeout: PATIENCE }).toBe(160);
    expect(await tab.locator('img').count()).toBe(20);
    await tab.close();
  });

  test('the gallery filters, searches, sorts and shows all again', async () => {
    const { tab, messages } = await opened();
    expect(await shownCards(tab)).toHaveLength(20);

    await tab.getByLabel('Outcome', { exact: true }).selectOption('loss');
    const losses = await shownCards(tab);
    expect(losses).toHaveLength(5);
    expect(new Set(losses.map(({ outcome }) => outcome))).toEqual(new Set(['loss']));
    expect(await tab.getByRole('status').textContent()).toBe('5 of 20 answers shown');

    await tab.getByLabel('Group', { exact: true }).selectOption('human');
    expect(new Set((await shownCards(tab)).map(({ group }) => group))).toEqual(new Set(['human']));

    await tab.getByRole('button', { name: 'Show all' }).click();
    await tab.getByLabel('Words', { exact: true }).fill('bench');
    const benches = await shownCards(tab);
    expect(benches.length).toBeGreaterThan(0);
    expect(benches.every(({ row }) => Number(row) % 3 === 1)).toBe(true);

    await tab.getByRole('button', { name: 'Show all' }).click();
    expect(await shownCards(tab)).toHaveLength(20);
    await tab.getByLabel('Order', { exact: true }).selectOption('score');
    const scores = (await shownCards(tab)).map(({ score }) => Number(score));
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    await tab.getByLabel('Order', { exact: true }).selectOption('gain');
    const gains = (await shownCards(tab)).map(({ gain }) => Number(gain));
    expect(gains).toEqual([...gains].sort((a, b) => b - a));
    expect(messages).toEqual([]);
    await tab.close();
  });

  test('a keyboard is enough', async () => {
    const { tab } = await opened();
    await tab.keyboard.press('Tab');
    expect(await tab.evaluate('document.activeElement.textContent')).toBe('To the answers');
    await tab.keyboard.press('Enter');
    await tab.keyboard.press('Tab');
    expect(await tab.evaluate('document.activeElement.name')).toBe('outcome');
    await tab.keyboard.press('ArrowDown');
    expect(new Set((await shownCards(tab)).map(({ outcome }) => outcome))).toEqual(
      new Set(['correction']),
    );
    await tab.close();
  });

  test('a screen reader gets words for every picture, and the numbers of every chart', async () => {
    const { tab } = await opened();
    const words = (selector: string, attribute: string) =>
      tab
        .locator(selector)
        .all()
        .then((items) => Promise.all(items.map((item) => item.getAttribute(attribute))));
    const alts = await words('img', 'alt');
    expect(alts.filter((alt) => alt!.length < 20)).toEqual([]);
    const charts = await words('figure [role=img]', 'aria-label');
    expect(charts).toHaveLength(4);
    expect(charts.filter((label) => label!.length < 40)).toEqual([]);
    expect(await tab.locator('figure table').count()).toBe(4);
    expect(await tab.locator('h1, h2').allTextContents()).toEqual([
      'Refinement report',
      'Numbers',
      'Right and wrong',
      'Charts',
      'Answers',
      'All metrics',
    ]);
    await tab.close();
  });

  test('without scripts all answers are there', async () => {
    const tab = await browser.newPage({ javaScriptEnabled: false });
    tab.setDefaultTimeout(PATIENCE);
    await tab.goto(url);
    expect(await tab.locator('.card').count()).toBe(20);
    expect(await tab.locator('form').isVisible()).toBe(false);
    await tab.close();
  });
});
