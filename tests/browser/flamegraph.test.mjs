// Flame graphs in a real browser. What it showed stays next to the pictures, to be looked at.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { CONTRAST, contrastOf } from './contrast.mjs';

const DIR = join(process.env.SENTRY_PROFILER_TEST_BROWSER, 'flamegraphs');
const { chromium } = createRequire(join(DIR, '..', 'node_modules', 'x'))('playwright-core');

const WIDE = { width: 1200, height: 800 };
const NARROW = { width: 400, height: 700 };
const NAMES = ['shop', 'flame', 'names', 'empty', 'deep', 'very-deep', 'deep-flame'];

let browser;
before(async () => {
  // Root has no sandbox.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(() => browser?.close());

/** Opens a picture, and fails when anything in it does, or asks for anything else. */
async function open(t, name, { viewport = WIDE, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  const wrong = [];
  const url = String(pathToFileURL(join(DIR, `${name}.svg`)));
  page.on('pageerror', error => wrong.push(String(error)));
  page.on('console', message => wrong.push(message.text()));
  page.on('request', request => request.url() === url || wrong.push(request.url()));
  await page.goto(url);
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  });
  return page;
}

const show = (page, name) => page.screenshot({ path: join(DIR, `${name}.png`) });
const box = (page, name) => page.locator(`xpath=//*[@id="boxes"]/*[substring-before(., "\n") = "${name}"]`).first();
/** Clicks on a box where it is in the window. */
async function click(page, name) {
  const { x, y, width, height } = await box(page, name).boundingBox();
  const [left, right] = [Math.max(x, 0), Math.min(x + width, page.viewportSize().width)];
  await page.mouse.click((left + right) / 2, y + height / 2);
}
const info = page => page.locator('#info > text').allTextContents();
const view = async page => (await page.locator('#boxes').getAttribute('viewBox')).split(' ').map(Number);
const focused = page => page.evaluate(() => document.activeElement.textContent.split('\n')[0]);
const labels = page => page.locator('#labels > text').allTextContents();

/** What is not where it should be: text beyond its box or the window, or below the head. */
const misplaced = page =>
  page.evaluate(async () => {
    // The picture follows the window in the next frame.
    for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    const wrong = [];
    const right = document.documentElement.getBoundingClientRect().right;
    if (right > innerWidth || document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window');
    const inside = [...document.querySelectorAll('#boxes > rect:not(#ring)')].map(rect => {
      const { left, right, top, bottom } = rect.getBoundingClientRect();
      return { left, right, top, bottom };
    });
    for (const text of document.querySelectorAll('#labels > text')) {
      const at = text.getBoundingClientRect();
      if (!text.textContent) continue;
      const around = box =>
        box.top <= at.top + 4 && box.bottom >= at.bottom - 4 && box.left <= at.left && box.right >= at.right;
      if (!inside.some(around)) wrong.push(`the label ${text.textContent}`);
    }
    const head = [...document.querySelectorAll('#head text, #head foreignObject')].map(item => [
      item.textContent || 'the search',
      item.getBoundingClientRect(),
    ]);
    for (const [i, [name, one]] of head.entries()) {
      if (one.right > innerWidth) wrong.push(`${name} ends at ${one.right}`);
      for (const [otherName, other] of head.slice(i + 1)) {
        const apart =
          one.right <= other.left ||
          other.right <= one.left ||
          one.bottom <= other.top + 3 ||
          other.bottom <= one.top + 3;
        if (!apart && one.width && other.width) wrong.push(`${name} is on ${otherName}`);
      }
    }
    return wrong;
  });

for (const name of NAMES) {
  test(`${name} is shown whole, wide and narrow, light and dark`, async t => {
    for (const [screen, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
      for (const colorScheme of ['light', 'dark']) {
        const page = await open(t, name, { viewport, colorScheme });
        assert.equal(await page.locator('parsererror').count(), 0);
        assert.match(await page.title(), /^Flame graph: .+ sampled in /);
        await show(page, `${name}-${screen}-${colorScheme}`);
        assert.deepEqual(await misplaced(page), []);
        if (name !== 'empty') assert.ok((await labels(page)).some(label => label.startsWith('all')));
      }
    }
  });
}

test('a click zooms and a click on everything ends it', async t => {
  const page = await open(t, 'shop');
  assert.deepEqual(await view(page), [0, 0, 1_000_000, 5]);
  await click(page, 'map');
  assert.deepEqual(await view(page), [450_000, 0, 200_000, 5]);
  assert.deepEqual(await labels(page), [
    'all\u2002100 samples',
    'main\u2002main.mjs:3',
    'serve\u2002main.mjs:12',
    'map\u2002lodash/map.js:48',
    '<anonymous>\u2002price.mjs:9',
  ]);
  const callers = await page.locator('#boxes > .caller').allTextContents();
  assert.deepEqual(
    callers.map(text => text.split('\n')[0]),
    ['all', 'main', 'serve'],
  );
  assert.deepEqual(await misplaced(page), []);
  await show(page, 'shop-zoomed');
  await page.mouse.move(600, 700);
  assert.match((await info(page))[0], /^Zoomed to map$/);
  await click(page, '<anonymous>');
  assert.deepEqual((await view(page)).slice(0, 3), [450_000, 0, 100_000]);
  await click(page, 'all');
  assert.deepEqual(await view(page), [0, 0, 1_000_000, 5]);
  assert.equal(await page.locator('#boxes > .caller').count(), 0);
});

test('what is under the mouse is said', async t => {
  const page = await open(t, 'shop');
  const hints = await info(page);
  await box(page, 'map').hover();
  assert.deepEqual(await info(page), [
    'map\u2002lodash/map.js:48, dependency',
    'self 100.000 ms (10.0 %), total 200.000 ms (20.0 %)',
  ]);
  assert.equal(
    await box(page, 'open').textContent(),
    'open\nnative\nself 150.000 ms (15.0 %), total 150.000 ms (15.0 %)',
  );
  await page.mouse.move(600, 700);
  assert.deepEqual(await info(page), hints);
});

test('a search says the share of what matches', async t => {
  const page = await open(t, 'shop');
  const search = page.locator('input');
  for (const [text, said] of [
    ['PRICE', '2 boxes match: 55.0 % of the time'],
    ['lodash/', '1 box matches: 20.0 % of the time'],
    // One calls the other.
    ['main.mjs', '2 boxes match: 85.0 % of the time'],
    ['node', '1 box matches: 20.0 % of the time'],
    ['gc', '1 box matches: 10.0 % of the time'],
    ['all', '0 boxes match: 0.0 % of the time'],
  ]) {
    await search.fill(text);
    assert.equal((await info(page))[0], said, text);
  }
  await search.fill('price');
  const misses = await page.locator('#boxes > .miss').count();
  assert.equal(misses, (await page.locator('#boxes > rect:not(#ring)').count()) - 2);
  await show(page, 'shop-searched');
  await search.press('Enter');
  assert.equal(await focused(page), 'calculatePrice');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#boxes > .miss').count(), 0);
  assert.equal(await search.evaluate(input => input.value), '');
});

test('all of it can be done with keys', async t => {
  const page = await open(t, 'shop');
  await page.keyboard.press('Tab');
  assert.equal(await focused(page), 'all');
  for (const [key, name] of [
    ['ArrowUp', 'all'],
    ['ArrowDown', 'main'],
    ['ArrowRight', '(garbage collector)'],
    ['ArrowRight', '(program)'],
    ['ArrowRight', '(program)'],
    ['ArrowLeft', '(garbage collector)'],
    ['ArrowLeft', 'main'],
    ['ArrowDown', 'serve'],
    ['ArrowDown', 'calculatePrice'],
    ['ArrowRight', 'map'],
  ]) {
    await page.keyboard.press(key);
    assert.equal(await focused(page), name, key);
  }
  assert.match((await info(page))[0], /^map\u2002lodash/);
  await show(page, 'shop-focused');
  await page.keyboard.press('Enter');
  assert.deepEqual((await view(page)).slice(0, 3), [450_000, 0, 200_000]);
  // What is not shown is not reached.
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(page), 'map');
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.localName), 'input');
  await page.keyboard.type('open');
  assert.match((await info(page))[0], /^1 box matches: 15\.0 %/);
  await page.keyboard.press('Escape');
  assert.equal(await focused(page), 'map');
  await page.keyboard.press('Escape');
  assert.deepEqual((await view(page)).slice(0, 3), [0, 0, 1_000_000]);
  assert.equal(await focused(page), 'all');
});

test('names do not break out', async t => {
  const page = await open(t, 'names');
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator('script').count(), 1);
  const titles = await page.locator('#boxes > rect > title').allTextContents();
  const names = titles.slice(1).map(title => title.split('\n').slice(0, 2));
  assert.deepEqual(names.slice(0, 6), [
    [']]></script><script>window.broken = 1</script>', 'a.js:1, own code'],
    ['&lt;<b>"\'', '<&>.js:2, own code'],
    ['</title><script xmlns="http://www.w3.org/1999/xhtml">window.broken = 2</script>', 'a.js:3, own code'],
    ['       \ufffd\ufffd', 'a.js:4, own code'],
    ['𝒳漢字é\u202eabc\u2028', 'ä b.js:5, own code'],
    ['<anonymous>', 'a.js:6, own code'],
  ]);
  assert.equal(names[6][0].length, 200);
  assert.ok(names[6][0].endsWith('…'), names[6][0]);
});

for (const name of ['deep', 'deep-flame']) {
  test(`${name}: keys lead to every row, and the head covers none of them`, async t => {
    const page = await open(t, name, { viewport: NARROW });
    const [away, back] = name === 'deep' ? ['ArrowDown', 'ArrowUp'] : ['ArrowUp', 'ArrowDown'];
    const isSeen = () =>
      page.evaluate(async () => {
        // The head follows in the next frame.
        for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
        const at = document.activeElement.getBoundingClientRect();
        const head = document.querySelector('#head > rect').getBoundingClientRect();
        return at.top >= head.bottom - 1 && at.bottom <= innerHeight + 1 && head.top === 0;
      });
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'all');
    const rows = (await view(page))[3];
    assert.ok(rows > 40, `${rows} rows`);
    for (const key of [away, back]) {
      for (let i = 0; i < rows; i++) {
        await page.keyboard.press(key);
        assert.ok(await isSeen(), `${key} ${i}: ${await focused(page)} is hidden`);
      }
    }
    assert.equal(await focused(page), 'all');
  });
}

test('where all began is seen first', async t => {
  for (const name of ['deep', 'deep-flame']) {
    const page = await open(t, name);
    const { y, height } = await box(page, 'all').boundingBox();
    assert.ok(y >= 0 && y + height <= WIDE.height + 1, `${name}: ${y}`);
  }
});

test('any box can be zoomed into, and its text fits', async t => {
  const page = await open(t, 'very-deep');
  const count = await page.locator('#boxes > rect:not(#ring)').count();
  for (let i = 1; i < count; i += Math.ceil(count / 20)) {
    const name = await page.evaluate(i => {
      const rect = document.querySelectorAll('#boxes > rect')[i];
      rect.dispatchEvent(new MouseEvent('click', { bubbles: true }));
      return rect.textContent.split('\n')[0];
    }, i);
    assert.ok(
      (await labels(page)).some(label => label.startsWith(name.slice(0, 20))),
      name,
    );
    assert.deepEqual(await misplaced(page), [], name);
  }
  await show(page, 'very-deep-zoomed');
  await page.setViewportSize(NARROW);
  assert.deepEqual(await misplaced(page), []);
  await show(page, 'very-deep-zoomed-narrow');
});

test('text can be read on every colour', async t => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, 'shop', { colorScheme });
    const colours = await page.evaluate(() => {
      const fill = element =>
        getComputedStyle(element)
          .fill.match(/[\d.]+/g)
          .map(Number);
      const rects = document.querySelectorAll('#boxes > rect:not(#ring), #head > rect, svg > .back');
      return {
        text: fill(document.querySelector('text')),
        on: [...rects].map(rect => [rect.classList[0], fill(rect)]),
      };
    });
    assert.deepEqual(new Set(colours.on.map(([kind]) => kind)), new Set(['back', 'a', 'o', 'd', 'n', 'v', 'g']));
    for (const [kind, on] of colours.on) {
      // A place is written a little fainter than a name.
      const text = colours.text.map((value, i) => 0.8 * value + 0.2 * on[i]);
      const contrast = contrastOf(text, on);
      assert.ok(contrast >= CONTRAST, `${kind}, ${colorScheme}: ${contrast.toFixed(2)}`);
    }
  }
});

test('without scripts it is a picture with titles', async t => {
  const page = await open(t, 'shop', { javaScriptEnabled: false });
  await show(page, 'shop-without-scripts');
  const svg = await page.content();
  assert.match(svg, /<text [^>]*>calculatePrice<tspan class="place">.price\.mjs:4<\/tspan>/);
});
