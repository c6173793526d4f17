// What one recording says in readers that others wrote: each function has the same time in all of them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DIR as REPORTS, openFile } from './report.mjs';

const { SENTRY_PROFILER_TEST_GO_PPROF: PPROF } = process.env;
const ROOT = join(REPORTS, '..');
const DIR = join(ROOT, 'known');
const require = createRequire(join(ROOT, 'node_modules', 'x'));

/** The functions, and their milliseconds by their own clock. */
const KNOWN = JSON.parse(readFileSync(join(DIR, 'known.json'), 'utf8'));
const profile = extension => join(DIR, `profile.${extension}`);

/** What the program itself measured has pauses of the machine in it. */
const WITH_PAUSES = 0.1;
const BETWEEN_READERS = 0.05;

/** The total time of each function, by the `.cpuprofile`. */
const TOTALS = totals(readFileSync(profile('cpuprofile'), 'utf8'));
const EXPECTED = timesOf(TOTALS);
/** Readers that draw a chart of time count it for the function that it interrupts. */
const COLLECTING_MS = TOTALS.reduce((sum, [name, ms]) => sum + (name === '(garbage collector)' ? ms : 0), 0);

/** Each function's name and milliseconds. */
function totals(text) {
  const { nodes, samples, timeDeltas } = JSON.parse(text);
  const times = new Map(nodes.map(node => [node.id, 0]));
  samples.forEach((id, at) => times.set(id, times.get(id) + (timeDeltas[at + 1] ?? 0) / 1e3));
  const byId = new Map(nodes.map(node => [node.id, node]));
  const sum = node => times.get(node.id) + (node.children ?? []).reduce((ms, id) => ms + sum(byId.get(id)), 0);
  return nodes.map(node => [node.callFrame.functionName, sum(node)]);
}

/** Milliseconds by function, of the known ones. */
function timesOf(entries) {
  const found = Object.fromEntries(Object.keys(KNOWN).map(name => [name, 0]));
  for (const [name, ms] of entries) if (name in found) found[name] += ms;
  return found;
}

function near(found, expected, share, what, collectingMs = 0) {
  for (const [name, ms] of Object.entries(expected)) {
    const isNear = Math.abs(found[name] - ms) <= share * ms + collectingMs;
    assert.ok(isNear, `${what}: ${name} has ${found[name]} ms, not ${ms}`);
  }
}

test('it has the times of the program itself', () => near(EXPECTED, KNOWN, WITH_PAUSES, 'the recording'));

test('the model of Chrome DevTools', async () => {
  const { outputFiles } = await require('esbuild').build({
    entryPoints: [join(ROOT, 'node_modules/chrome-devtools-frontend/front_end/models/cpu_profile/cpu_profile.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
    logLevel: 'error',
  });
  const file = join(DIR, 'devtools.mjs');
  writeFileSync(file, outputFiles[0].contents);
  const { CPUProfileDataModel } = await import(pathToFileURL(file));
  const model = new CPUProfileDataModel.CPUProfileDataModel(JSON.parse(readFileSync(profile('cpuprofile'), 'utf8')));
  const entries = [];
  const visit = node => {
    entries.push([node.functionName, node.total]);
    node.children.forEach(visit);
  };
  visit(model.profileHead);
  near(timesOf(entries), EXPECTED, BETWEEN_READERS, 'DevTools', COLLECTING_MS);
});

for (const extension of ['cpuprofile', 'pb.gz', 'folded']) {
  test(`speedscope reads .${extension}`, async t => {
    const script = join(DIR, `${extension}.js`);
    const content = readFileSync(profile(extension)).toString('base64');
    writeFileSync(script, `speedscope.loadFileFromBase64('profile.${extension}', '${content}');`);
    const page = await openFile(t, join(ROOT, 'node_modules/speedscope/dist/release/index.html'));
    await page.goto(`${page.url()}#localProfilePath=${script.slice(1)}&view=sandwich`);
    await page.reload();
    await page.getByText('Total', { exact: false }).first().waitFor();
    await page.screenshot({ path: join(DIR, `speedscope-${extension}.png`) });
    const rows = await page.locator('tr').allInnerTexts();
    // `1.20s (50%)`, its own time, `texts`; folded stacks have numbers without a unit and names with their places.
    const entries = rows.map(row => {
      const [total, , name] = row.split('\t').map(cell => cell.trim());
      const [, number, unit] = /^([\d.]+)(ns|µs|ms|s|) /.exec(total.replaceAll(',', '')) ?? [];
      return [name.replace(/ \(.*/, ''), number * { ns: 1e-6, µs: 1e-3, '': 1e-3, ms: 1, s: 1e3 }[unit]];
    });
    near(timesOf(entries), EXPECTED, BETWEEN_READERS, rows.join('\n'), COLLECTING_MS);
  });
}

test('go tool pprof, by function and by line', () => {
  const args = (...more) => ['-unit=ms', '-sample_index=cpu', ...more, profile('pb.gz')];
  const top = execFileSync(PPROF, args('-top', '-cum', '-nodecount=100'), { encoding: 'utf8', cwd: DIR });
  // `flat flat% sum% cum cum% name`
  const entries = top.split('\n').map(line => line.trim().split(/\s+/));
  near(
    timesOf(entries.map(([, , , cum, , name]) => [name, Number.parseFloat(cum)])),
    EXPECTED,
    BETWEEN_READERS,
    `go tool pprof\n${top}`,
  );
  const list = execFileSync(PPROF, args('-list=^numbers$'), { encoding: 'utf8', cwd: DIR });
  // `flat cum line: source`
  const lines = [...list.matchAll(/^\s*(\S+)\s+(\S+)\s+(\d+):(.*)$/gm)].filter(([, , cum]) => cum !== '.');
  assert.ok(lines.length > 0, list);
  const ms = lines.reduce((sum, [, , cum]) => sum + Number.parseFloat(cum), 0);
  near({ numbers: ms }, { numbers: EXPECTED.numbers }, BETWEEN_READERS, list);
  for (const [, , , , source] of lines) assert.match(source, /while|function numbers|let sum|return sum/, list);
});
