// Reports in a real browser: whether what they say is what was recorded, whatever it is called and however much it is.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { at, DIR, focusedBox, hover, open, rows, said, show, table, texts, tip } from './report.mjs';

/** What an action may take, in milliseconds. */
const ACTION_MS = 100;

test('pages are small', () => {
  const size = name => statSync(join(DIR, `${name}.html`)).size;
  assert.ok(size('compiler') <= 100_000, `${size('compiler')} bytes for the compiler`);
  assert.ok(size('very-deep') <= 300_000, `${size('very-deep')} bytes for a very deep profile`);
});

test('times are those of the profile', async t => {
  const page = await open(t, 'shop');
  const facts = await texts(page.locator('.facts > div'));
  assert.ok(facts.includes('duration 1.00 s'), facts.join());
  assert.ok(facts.includes('ran 790 ms 79.0 %'), facts.join());
  assert.ok(facts.includes('idle 210 ms 21.0 %'), facts.join());
  assert.ok(facts.includes('GC 40.0 ms 5.1 %'), facts.join());
  const functions = await table(page);
  assert.deepEqual(functions.calculatePrice, ['250 ms', '250 ms']);
  assert.deepEqual(functions.serve, ['0 µs', '570 ms']);
  assert.deepEqual(functions.map, ['80.0 ms', '180 ms']);
  await page.getByRole('tab', { name: 'Packages' }).click();
  const packages = await table(page);
  assert.deepEqual(packages.lodash, ['80.0 ms', '180 ms']);
  assert.deepEqual(packages.express, ['0 µs', '570 ms']);
  assert.deepEqual(packages['(own code)'], ['500 ms', '700 ms']);
  await page.getByRole('tab', { name: 'Files' }).click();
  assert.deepEqual((await table(page))['price.mjs'], ['350 ms', '350 ms']);
  await page.getByRole('tab', { name: 'Functions' }).click();
  await page.getByRole('button', { name: 'Total' }).click();
  assert.match((await texts(rows(page)))[0], /^0 µs 570 ms/);
});

test('what is downloaded is the profile', async t => {
  for (const name of ['shop', 'names', 'hostile', 'deep', 'compiler']) {
    const page = await open(t, name);
    const waiting = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download .cpuprofile' }).click();
    const download = await waiting;
    assert.match(download.suggestedFilename(), /^node-.*\.cpuprofile$/);
    const got = JSON.parse(readFileSync(await download.path(), 'utf8'));
    const expected = JSON.parse(readFileSync(join(DIR, `${name}.cpuprofile`), 'utf8'));
    assert.equal(got.startTime, expected.startTime);
    assert.equal(got.endTime, expected.endTime);
    assert.deepEqual(got.timeDeltas, expected.timeDeltas);
    assert.deepEqual(stacks(got), stacks(expected));
  }
});

/** The stack of each sample, as text. */
function stacks({ nodes, samples }) {
  const parents = new Map(nodes.flatMap(node => (node.children ?? []).map(child => [child, node.id])));
  const byId = new Map(nodes.map(node => [node.id, node]));
  const text = id => {
    const { functionName, url, lineNumber, columnNumber } = byId.get(id).callFrame;
    const above = parents.has(id) ? text(parents.get(id)) : '';
    return `${above}\n${functionName} ${url}:${lineNumber}:${columnNumber}`;
  };
  return samples.map(text);
}

test('names do not break out', async t => {
  const page = await open(t, 'names');
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator('img, .rows script').count(), 0);
  const names = (await rows(page).locator('td.name > span').allTextContents()).join('\n');
  for (const name of ["<img src=x onerror='window.broken = 2'>", '__proto__', 'constructor', '&lt;<b>"\'']) {
    assert.ok(names.includes(name), `${name} is not in ${names}`);
  }
  await rows(page).filter({ hasText: '<anonymous>' }).click();
  const code = `document.write('</script><img src=x onerror="window.broken = 3">');`;
  assert.ok((await page.locator('.lines code').allTextContents()).includes(code));
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.evaluate(() => window.broken), undefined);
  await page.keyboard.press('/');
  await page.keyboard.type('<img');
  assert.equal(await rows(page).count(), 1);
});

test('names of any kind are text everywhere', async t => {
  const page = await open(t, 'hostile');
  const { nodes } = JSON.parse(readFileSync(join(DIR, 'hostile.cpuprofile'), 'utf8'));
  const expected = nodes.map(({ callFrame }) => callFrame.functionName).filter(name => !/^\((root|idle)\)$/.test(name));
  await page.locator('.further').click();
  const names = await rows(page).locator('td.name > span').allTextContents();
  assert.deepEqual(names.sort(), expected.sort());
  // What is pointed at, picked and searched for.
  for (let part = 0.05; part < 1; part += 0.1) {
    await hover(page, part, 0);
    await page.mouse.click(...(await at(page, part, 0)));
    await page.keyboard.press('Escape');
  }
  await page.keyboard.press('/');
  await page.keyboard.type('<script>');
  await page.keyboard.press('Enter');
  assert.notEqual(await focusedBox(page), '');
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.locator('body img, body svg, #app script').count(), 0);
});

test('wrong addresses show the usual', async t => {
  for (const hash of [
    '#thread=99&mode=x&zoom=5~1&from=9&to=3&picked=1e9&sort=zzz&tab=?',
    '#%%%',
    '#zoom=a~b&thread=-1',
  ]) {
    const page = await open(t, 'shop', { hash });
    assert.equal(await hover(page, 0.3, 1), 'serve');
    assert.ok('serve' in (await table(page)));
  }
});

test('a diff shows what is more and what is less', async t => {
  const page = await open(t, 'diff');
  await page.getByRole('button', { name: 'Per second' }).click();
  const functions = await table(page);
  assert.deepEqual(functions.convertCurrency, ['+163 ms/s', '163 ms/s', '+163 ms/s', '163 ms/s']);
  assert.match(functions.calculatePrice[0], /^\+/);
  assert.match(functions.renderPage[0], /^[−-]/);
  assert.match(await hover(page, 0.3, 0), /^node, express/);
  assert.match(await tip(page), /before/);
  await show(page, 'diff-second');
  await page.getByRole('button', { name: 'Percent' }).click();
  assert.match((await table(page)).convertCurrency[0], /^\+18\.5 %/);
});

test('an empty report says why', async t => {
  assert.match(await said((await open(t, 'empty')).locator('.empty')), /^No samples/);
  assert.match(await said((await open(t, 'nothing')).locator('#app')), /Nothing was recorded\. The last 0\.2 s/);
});

test('100,000 samples: no action takes long', async t => {
  const page = await open(t, 'many');
  const devTools = await page.context().newCDPSession(page);
  // What the page's thread computes, however busy the machine is with other programs.
  await devTools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () => {
    const { metrics } = await devTools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1e3;
  };
  const times = {};
  const time = async (name, action, before) => {
    times[name] = Infinity;
    for (let i = 0; i < 3; i++) {
      if (before) await page.evaluate(before);
      const begin = await spent();
      await page.evaluate(action, i);
      times[name] = Math.min(times[name], (await spent()) - begin);
    }
  };
  await page.evaluate(() => {
    // Until what was done is drawn.
    window.timed = action =>
      new Promise(resolve => {
        action();
        requestAnimationFrame(() => setTimeout(resolve));
      });
    window.press = (key, target = document.body) =>
      target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  });
  await time('search', i =>
    window.timed(() => {
      const input = document.querySelector('input');
      input.value = `function${i + 1}`;
      input.dispatchEvent(new Event('input'));
    }),
  );
  await time(
    'end the search',
    () => window.timed(() => window.press('Escape')),
    () =>
      window.timed(() => {
        const input = document.querySelector('input');
        input.value = 'part';
        input.dispatchEvent(new Event('input'));
      }),
  );
  await time('zoom', () => window.timed(() => window.press('w')));
  await time(
    'time order',
    () => window.timed(() => window.press('2')),
    () => window.timed(() => window.press('1')),
  );
  await time(
    'callers',
    () => window.timed(() => window.press('3')),
    () => window.timed(() => window.press('1')),
  );
  await time(
    'merged',
    () => window.timed(() => window.press('1')),
    () => window.timed(() => window.press('3')),
  );
  await time('fold', () => window.timed(() => window.press('f')));
  await time('select', () =>
    window.timed(() => window.press('ArrowRight', document.querySelector('.timeline canvas'))),
  );
  await time('sort', () => window.timed(() => document.querySelector('.rows th button').click()));
  await time('packages', () => window.timed(() => document.querySelector('[data-tab=packages]').click()));
  await time('pick', () =>
    window.timed(
      () => (document.querySelector('[data-tab=functions]').click(), document.querySelector('.rows tbody tr').click()),
    ),
  );
  t.diagnostic(
    Object.entries(times)
      .map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`)
      .join(', '),
  );
  for (const [name, ms] of Object.entries(times)) assert.ok(ms < ACTION_MS, `${name}: ${ms} ms`);
});
