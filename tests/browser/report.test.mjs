// Reports in a real browser: what they look like, and what mouse and keys do. Its pictures stay next to the pages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTRAST, contrastOf } from './contrast.mjs';
import { address, at, flame, focusedBox, hover, open, rows, said, show, table, texts, WIDE } from './report.mjs';

const NARROW = { width: 400, height: 800 };
const PAGES = [
  'shop',
  'names',
  'hostile',
  'many',
  'compiler',
  'deep',
  'very-deep',
  'empty',
  'nothing',
  'diff',
  'threads',
];

/** Text that is cut though nothing says so, or a page that is wider than its window. */
const misplaced = page =>
  page.evaluate(() => {
    const wrong = [];
    if (document.documentElement.scrollWidth > innerWidth)
      wrong.push(`the page is ${document.documentElement.scrollWidth} wide`);
    for (const element of document.querySelectorAll('button, select, input, h1, dd, li')) {
      const { left, right, width } = element.getBoundingClientRect();
      if (width > 0 && !element.closest('.rows, .detail, dialog') && (left < 0 || right > innerWidth + 0.5)) {
        wrong.push(`${element.textContent} is outside`);
      }
    }
    return wrong;
  });

for (const name of PAGES) {
  test(`${name} is shown whole, wide and narrow, light and dark`, async t => {
    for (const [screen, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
      for (const colorScheme of ['light', 'dark']) {
        const page = await open(t, name, { viewport, colorScheme });
        await show(page, `${name}-${screen}-${colorScheme}`);
        assert.deepEqual(await misplaced(page), [], `${screen} ${colorScheme}`);
      }
    }
  });
}

test('text can be read on every colour', async t => {
  // How much of the text's colour a place has.
  const PLACE = 0.8;
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(t, 'shop', { colorScheme });
    const names =
      'ground raised part-color text muted ontext onstrong k0 k1 k2 k3 k4 more less same moretext lesstext span';
    const colors = await page.evaluate(names => {
      const style = getComputedStyle(document.documentElement);
      const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      return Object.fromEntries(
        names.split(' ').map(name => {
          pen.fillStyle = style.getPropertyValue(`--${name}`);
          pen.fillRect(0, 0, 1, 1);
          return [name, [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3)];
        }),
      );
    }, names);
    const pairs = [
      ['onstrong', ['k0']],
      ['ontext', ['k1', 'k2', 'k3', 'k4', 'more', 'less', 'same', 'span']],
      ['muted', ['ground', 'raised']],
      ['text', ['ground', 'raised', 'part-color']],
      ['moretext', ['ground', 'part-color']],
      ['lesstext', ['ground', 'part-color']],
    ];
    for (const [text, grounds] of pairs) {
      for (const ground of grounds) {
        const isBox = text.startsWith('on') && ground !== 'span';
        const seen = colors[text].map((v, i) => (isBox ? v * PLACE + colors[ground][i] * (1 - PLACE) : v));
        const contrast = contrastOf(seen, colors[ground]);
        assert.ok(contrast >= CONTRAST, `${text} on ${ground}, ${colorScheme}: ${contrast.toFixed(2)}`);
      }
    }
  }
});

test('libraries are one row until they are unfolded', async t => {
  const page = await open(t, 'shop');
  assert.match(await hover(page, 0.3, 0), /^node, express/);
  assert.equal(await hover(page, 0.3, 1), 'serve');
  assert.equal(await hover(page, 0.1, 2), 'calculatePrice');
  // The arrow of a folded row.
  const [x, y] = await at(page, 0, 0);
  await page.mouse.click(x + 8, y);
  assert.equal(await hover(page, 0.3, 0), 'emit');
  assert.equal(await hover(page, 0.3, 3), 'serve');
  await page.locator('.chip', { hasText: 'Unfolded' }).click();
  assert.equal(await hover(page, 0.3, 1), 'serve');
  await page.locator('select').selectOption('nothing');
  assert.equal(await hover(page, 0.3, 1), 'handle');
  await address(page, /fold=nothing/);
});

test('a click zooms and picks, Escape goes back', async t => {
  const page = await open(t, 'shop');
  await page.mouse.click(...(await at(page, 0.1, 2)));
  assert.equal(await hover(page, 0.9, 2), 'calculatePrice');
  assert.equal(await hover(page, 0.9, 1), 'serve');
  await address(page, /zoom=/);
  assert.match(await said(page.locator('.detail h2')), /calculatePrice/);
  assert.match(await said(page.locator('.detail')), /self 250 ms \(31\.6 %\), total 250 ms/);
  assert.deepEqual(await texts(page.locator('.sides button')), ['250 ms serve']);
  assert.deepEqual(await texts(page.locator('.lines tr')), [
    '190 ms 5 for (const item of cart) sum += item.price * rates.get(item.currency);',
    '60.0 ms 7 return Math.round(sum * 100) / 100;',
  ]);
  await show(page, 'shop-picked');
  await page.locator('.sides button').click();
  assert.match(await said(page.locator('.detail h2')), /serve/);
  await page.keyboard.press('Escape');
  assert.equal(await hover(page, 0.1, 2), 'calculatePrice');
  assert.notEqual(await hover(page, 0.9, 2), 'calculatePrice');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.detail').isVisible(), false);
});

test('a stretch of time is what everything shows, and the address keeps it', async t => {
  const page = await open(t, 'shop');
  const { x, y, width } = await page.locator('.timeline canvas').boundingBox();
  await page.mouse.move(x + 0.285 * width, y + 20);
  await page.mouse.down();
  await page.mouse.move(x + 0.4 * width, y + 20, { steps: 4 });
  await page.mouse.move(x + 0.525 * width, y + 20, { steps: 4 });
  await page.mouse.up();
  assert.deepEqual(Object.keys(await table(page)).sort(), ['calculatePrice', 'emit', 'handle', 'next', 'serve']);
  assert.match(await said(page.locator('.chip').first()), /ran ×/);
  await show(page, 'shop-stretch');
  const before = await table(page);
  await address(page, /from=/);
  await page.reload();
  await rows(page).first().waitFor();
  assert.deepEqual(await table(page), before);
  await page.locator('.timeline canvas').focus();
  for (let i = 0; i < 30; i++) await page.keyboard.press('ArrowRight');
  assert.ok('(program)' in (await table(page)));
  await page.keyboard.press('Escape');
  assert.ok('main' in (await table(page)));
});

test('time order and callers', async t => {
  const page = await open(t, 'shop');
  await page.getByRole('button', { name: 'Time order' }).click();
  // Nothing ran from 130 to 280 ms.
  assert.equal(await hover(page, 0.05, 1), 'main');
  assert.equal(await hover(page, 0.2, 0), '');
  assert.equal(await hover(page, 0.4, 2), 'calculatePrice');
  assert.equal(await hover(page, 0.55, 0), '(garbage collector)');
  await show(page, 'shop-time');
  await page.getByRole('button', { name: 'Callers' }).click();
  assert.equal(await hover(page, 0.1, 0), 'calculatePrice');
  assert.equal(await hover(page, 0.1, 1), 'serve');
  await show(page, 'shop-callers');
  await address(page, /mode=callers/);
});

test('a search says what it matches', async t => {
  const page = await open(t, 'shop');
  await page.keyboard.press('/');
  await page.keyboard.type('price');
  assert.equal(await said(page.locator('.found')), '44.3 % of the time matches');
  assert.deepEqual(Object.keys(await table(page)).sort(), ['<anonymous>', 'calculatePrice']);
  await show(page, 'shop-search');
  await page.keyboard.press('Enter');
  assert.equal(await focusedBox(page), 'calculatePrice');
  await page.keyboard.press('n');
  assert.equal(await focusedBox(page), '<anonymous>');
  await page.keyboard.press('/');
  await page.keyboard.type('nothing like this');
  assert.match(await said(page.locator('.rows')), /Nothing matches/);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('input').inputValue(), '');
});

test('all of it can be done with keys', async t => {
  const page = await open(t, 'shop');
  await flame(page).focus();
  for (const [key, name] of [
    ['ArrowDown', /^node, express/],
    ['ArrowDown', /^serve$/],
    ['ArrowDown', /^calculatePrice$/],
    ['ArrowRight', /^lodash$|^map$/],
    ['ArrowUp', /^serve$/],
    ['ArrowUp', /^node, express/],
    ['ArrowRight', /^\(program\)$/],
  ]) {
    await page.keyboard.press(key);
    assert.match(await focusedBox(page), name, key);
  }
  await page.keyboard.press('Enter');
  await address(page, /zoom=/);
  await show(page, 'shop-focused');
  await page.keyboard.press('Escape');
  await address(page, /zoom=/, true);
  await page.keyboard.press('3');
  await address(page, /mode=callers/);
  await page.keyboard.press('1');
  await page.keyboard.press('w');
  await address(page, /zoom=/);
  await page.keyboard.press('f');
  await address(page, /fold=node/);
  await page.keyboard.press('?');
  assert.ok(await page.locator('dialog').isVisible());
  await show(page, 'help');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('dialog').isVisible(), false);
});

test('tables can be used with keys', async t => {
  const page = await open(t, 'shop');
  await rows(page).first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.match(await said(page.locator('.detail h2')), /^main/);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  assert.match(await said(page.locator('.detail h2')), /^open/);
  await page.locator('.rows th button').last().focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  assert.equal(await page.locator('.rows th').last().getAttribute('aria-sort'), 'descending');
});

test('threads of all processes can be chosen', async t => {
  const page = await open(t, 'threads');
  assert.deepEqual(await texts(page.locator('.thread')), ['main 1.05 s', 'worker 1 1.50 s', 'worker 2 0 µs']);
  assert.match(await said(page.locator('.notes')), /The last 0\.2 s are not recorded/);
  assert.match(await said(page.locator('.facts')), /ended by SIGTERM/);
  // The one that ran most is shown first.
  assert.ok('convertCurrency' in (await table(page)));
  await page.locator('.thread', { hasText: 'main' }).click();
  assert.ok('map' in (await table(page)));
  // A click on a span.
  const { x, y, width } = await page.locator('.timeline canvas').boundingBox();
  await page.mouse.click(x + (0.5 / 1.23) * width, y + 65);
  assert.match(await said(page.locator('.chip').first()), /^440 ms – 636 ms/);
  await page.keyboard.press('Escape');
  await page.locator('.thread', { hasText: 'worker 1' }).click();
  assert.ok('convertCurrency' in (await table(page)));
  await page.keyboard.press(']');
  assert.match(await said(page.locator('.empty')), /No samples/);
  await address(page, /thread=2/);
});
