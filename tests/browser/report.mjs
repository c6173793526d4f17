// Opens reports in a real browser, and reads what they show.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';

export const DIR = join(process.env.SENTRY_PROFILER_TEST_BROWSER, 'reports');
const { chromium } = createRequire(join(DIR, '..', 'node_modules', 'x'))('playwright-core');

export const WIDE = { width: 1280, height: 800 };

let browser;
before(async () => {
  // Root has no sandbox.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(() => browser?.close());

/** Opens a page, and fails when anything in it does, or asks for anything else. */
export async function open(t, name, { hash = '', viewport = WIDE, ...options } = {}) {
  const context = await browser.newContext({ viewport, acceptDownloads: true, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const wrong = [];
  const url = String(pathToFileURL(join(DIR, `${name}.html`)));
  page.on('pageerror', error => wrong.push(error.stack));
  page.on('console', message => wrong.push(message.text()));
  page.on(
    'request',
    request => /^blob:/.test(request.url()) || request.url().startsWith(url) || wrong.push(request.url()),
  );
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  });
  await page.goto(url + hash);
  await page.locator('#app > *').first().waitFor();
  assert.deepEqual(wrong, []);
  return page;
}

/** Opens a page of somebody else. */
export async function openFile(t, file) {
  const context = await browser.newContext({ viewport: WIDE });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(String(pathToFileURL(file)));
  return page;
}

export const show = (page, name) => page.screenshot({ path: join(DIR, `${name}.png`) });
export const flame = page => page.locator('.flame canvas');
export const rows = page => page.locator('.rows tbody tr');
export const texts = async locator => (await locator.allInnerTexts()).map(text => text.trim().replace(/\s+/g, ' '));
/** Text as it is seen, with its lines. */
export const said = async locator => (await locator.allInnerTexts()).join('\n');
export const tip = async page => ((await page.locator('.tip').isVisible()) ? said(page.locator('.tip')) : '');
export const focusedBox = async page => (await tip(page)).split('\n')[0];

/** Waits for what the address should have, or should not. */
export const address = (page, right, not = false) =>
  page.waitForURL(url => right.test(String(url)) !== not, { timeout: 3_000 });

/** Points at the flame graph: a part of its width, and a row. */
export async function at(page, part, row) {
  const { x, y, width } = await page.locator('.flame canvas').boundingBox();
  return [x + part * width, y + row * 20 + 10];
}
export async function hover(page, part, row) {
  await page.mouse.move(0, 0);
  await page.mouse.move(...(await at(page, part, row)));
  return (await tip(page)).split('\n')[0];
}

/** Table rows by name: times as they are shown. */
export async function table(page) {
  const read = rows =>
    rows.map(row => [
      row.querySelector('td.name > span').textContent,
      [...row.querySelectorAll('td.time')].map(cell => cell.textContent),
    ]);
  return Object.fromEntries(await rows(page).evaluateAll(read));
}
