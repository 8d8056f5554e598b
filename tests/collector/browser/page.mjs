// The collector's page in a real browser. What it does:
//   node page.mjs ADDRESS STATES SHOTS
// ADDRESS is a collector that runs, STATES a folder of pages as its tests have made them (empty, old, strange),
// SHOTS where screenshots go. Exit status 1 if anything is not as it must be, with each thing on a line.
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';

const [address, states, shots] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 900 };

// Milliseconds until the first chart is there, on a phone on a good mobile network, as Chromium's profile "Fast 4G" has
// it: 165 ms for each answer, 8.1 Mbit/s down and 1.35 up. With a processor four times slower it is said, but not asked for, as
// this machine's own load would be four times larger too.
const FIRST_CHART = 500;
const FAST_4G = { offline: false, latency: 165, downloadThroughput: 8.1e6 / 8, uploadThroughput: 1.35e6 / 8 };

await mkdir(shots, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
/** @type {string[]} */
const wrong = [];

async function check(what, test) {
  try {
    await test();
    console.log(`ok     ${what}`);
  } catch (error) {
    wrong.push(what);
    console.log(`WRONG  ${what}\n${error.message}`);
  }
}

// A page that may ask nobody but the collector.
async function open(viewport, colorScheme, url, pages) {
  const context = await browser.newContext({ viewport, colorScheme });
  const page = await context.newPage();
  /** @type {string[]} */
  const elsewhere = [];
  /** @type {string[]} */
  const faults = [];
  page.on('request', (request) => { if (!request.url().startsWith(address)) elsewhere.push(request.url()); });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
  if (pages) await page.route(`${address}/`, (route) => route.fulfill({ body: pages, contentType: 'text/html' }));
  await page.goto(url);
  return { page, elsewhere, faults, close: () => context.close() };
}

async function accessible(page) {
  // Evaluated by the browser's own tools: the page itself may run no script.
  await page.evaluate(axe);
  const { violations } = await page.evaluate('axe.run()');
  const said = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(' | ')}`);
  assert.deepEqual(said, []);
}

for (const [name, viewport, scheme] of /** @type {const} */ ([
  ['desktop, light', DESKTOP, 'light'], ['desktop, dark', DESKTOP, 'dark'],
  ['phone, light', PHONE, 'light'], ['phone, dark', PHONE, 'dark'],
])) {
  await check(`${name}: nothing for axe-core to find, nothing wider than the screen, no other host`, async () => {
    const { page, elsewhere, faults, close } = await open(viewport, scheme, `${address}/`);
    await accessible(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(paper === 'rgb(255, 255, 255)', scheme === 'light', paper);
    assert.deepEqual([elsewhere, faults], [[], []]);
    await page.screenshot({ path: path.join(shots, `${name.replace(', ', '-')}.png`), fullPage: true });
    await close();
  });
}

await check('each chart is drawn, and its table has the numbers that are to be had as JSON', async () => {
  const { page, close } = await open(DESKTOP, 'light', `${address}/?hidden=yes`);
  // What is folded is drawn too.
  await page.$$eval('details', (all) => all.forEach((details) => { details.open = true; }));
  const figures = await page.$$eval('figure', (all) => all.map((figure) => ({
    id: figure.id,
    bars: [.../** @type {NodeListOf<HTMLTableRowElement>} */ (figure.querySelectorAll('.bars tbody tr'))].map((row) => ({
      count: Number(row.cells[2].textContent.replaceAll(',', '')),
      width: row.querySelector('rect').getBoundingClientRect().width,
    })),
    lines: [.../** @type {NodeListOf<SVGPathElement>} */ (figure.querySelectorAll('path.line'))].map((line) => line.getTotalLength()),
    rows: [.../** @type {NodeListOf<HTMLTableRowElement>} */ (figure.querySelectorAll('details tbody tr'))].map((row) =>
      [...row.cells].slice(1).map((cell) => Number(cell.textContent.replaceAll(',', '')))),
    links: [...figure.querySelectorAll('a')].map((a) => a.href),
  })));
  assert.ok(figures.length >= 22, String(figures.length));
  for (const figure of figures) {
    const json = figure.links.find((link) => link.includes('.json'));
    const numbers = await (await fetch(json)).json();
    assert.ok(numbers.length > 0, figure.id);
    if (figure.lines.length > 0) {
      assert.ok(figure.lines.every((length) => length > 50), figure.id);
      // Many points are a table of days, with the average and the largest of each.
      const days = [...new Set(numbers.map((entry) => entry.from.slice(0, 10)))]
        .map((day) => numbers.filter((entry) => entry.from.startsWith(day)));
      const lines = (entry) => Object.values(entry).slice(1);
      const expected = numbers.length > 100
        ? days.map((hours) => lines(hours[0]).flatMap((_, line) => {
          const values = hours.map((entry) => lines(entry)[line]);
          return [values.reduce((sum, value) => sum + value, 0) / values.length, Math.max(...values)];
        }))
        : numbers.map(lines);
      assert.equal(figure.rows.length, expected.length, figure.id);
      expected.forEach((row, at) => row.forEach((number, column) =>
        assert.ok(Math.abs(number - figure.rows[at][column]) <= 0.051, `${figure.id}: ${number} ${figure.rows[at]}`)));
    } else {
      assert.deepEqual(figure.bars.map((bar) => bar.count), numbers.map((entry) => entry.count), figure.id);
      const largest = Math.max(...figure.bars.map((bar) => bar.count));
      const widest = Math.max(...figure.bars.map((bar) => bar.width));
      assert.ok(widest > 20, `${figure.id}: ${widest}`);
      figure.bars.forEach((bar) => assert.ok(Math.abs(bar.width / widest - bar.count / largest) < 0.02, figure.id));
    }
  }
  await close();
});

await check('its totals are those of the exports', async () => {
  const { page, close } = await open(DESKTOP, 'light', `${address}/?days=7`);
  const shown = await page.$$eval('.total dd:first-of-type', (all) => all.map((dd) => Number(dd.textContent.replaceAll(',', ''))));
  const read = async (kind) => (await fetch(`${address}/export/${kind}_stats_7d.json`)).json();
  const expected = [(await read('instance')).count, Math.round((await read('printing')).total / 3600), (await read('achievements')).instances];
  assert.deepEqual(shown, expected);
  await close();
});

await check('everything can be reached and used by keyboard alone', async () => {
  const { page, close } = await open(DESKTOP, 'light', `${address}/`);
  const all = await page.$$eval('a, summary, input:not([type=hidden]), button', (list) => list.length);
  const reached = new Set();
  for (let presses = 0; presses < all * 2; presses += 1) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => {
      const list = [...document.querySelectorAll('a, summary, input:not([type=hidden]), button')];
      const seen = document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle !== 'none';
      return { at: list.indexOf(document.activeElement), seen };
    });
    if (focus.at < 0) break;
    assert.ok(focus.seen, `the focus on element ${focus.at} cannot be seen`);
    reached.add(focus.at);
  }
  assert.equal(reached.size, all);
  await page.focus('summary');
  await page.keyboard.press('Enter');
  assert.equal(await page.$eval('details', (details) => details.open), true);
  await page.focus('#q');
  await page.keyboard.type('display');
  await page.keyboard.press('Enter');
  await page.waitForURL(/q=display/);
  const ids = await page.$$eval('.plugins tbody th', (all) => all.map((th) => th.textContent));
  assert.ok(ids.length > 0 && ids.every((id) => id.includes('display')), ids.join());
  await page.goBack();
  await page.click('nav a:first-child');
  assert.equal(await page.$eval('nav [aria-current]', (a) => a.textContent), '7 days');
  assert.ok(page.url().includes('days=7'));
  await close();
});

// Until something is painted, of which the first chart is a part: it is on the first screen.
async function firstPaint(rate) {
  const { page, close } = await open(PHONE, 'light', 'about:blank');
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.emulateNetworkConditions', FAST_4G);
  await session.send('Emulation.setCPUThrottlingRate', { rate });
  await page.goto(`${address}/`);
  const chart = await page.locator('figure svg').first().boundingBox();
  assert.ok(chart.y < PHONE.height, `it is at ${chart.y}`);
  await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
  const took = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime);
  await close();
  return Math.round(took);
}

await check(`the first chart is there within ${FIRST_CHART} ms on a phone`, async () => {
  const took = [];
  const slow = [];
  for (let round = 0; round < 5; round += 1) {
    took.push(await firstPaint(1));
    slow.push(await firstPaint(4));
  }
  console.log(`       ${took.join(', ')} ms; with a processor four times slower ${slow.join(', ')} ms`);
  assert.ok(Math.min(...took) <= FIRST_CHART, String(took));
});

for (const file of (await readdir(states)).filter((name) => name.endsWith('.html'))) {
  const name = file.replace('.html', '');
  const html = await readFile(path.join(states, file), 'utf8');
  for (const [kind, viewport, scheme] of /** @type {const} */ ([['desktop', DESKTOP, 'light'], ['phone', PHONE, 'dark']])) {
    await check(`a page with ${name}, ${kind}`, async () => {
      const { page, elsewhere, close } = await open(viewport, scheme, `${address}/`, html);
      await accessible(page);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
      assert.deepEqual(elsewhere, []);
      await page.screenshot({ path: path.join(shots, `${name}-${kind}.png`), fullPage: true });
      await close();
    });
  }
}

await browser.close();
console.log(wrong.length === 0 ? 'all is as it must be' : `${wrong.length} wrong: ${wrong.join('; ')}`);
process.exit(wrong.length === 0 ? 0 : 1);
