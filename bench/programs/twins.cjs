'use strict';
// Two processes of one program take turns on one core, a slot of some milliseconds each: one without a profiler, one with. What the
// machine does to one slot it mostly does to the next, so neighbours are compared, by the CPU time of all their threads: on one core it
// is what bounds a service, and it does not count what a virtual machine's host takes away.

const { fork } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { PROFILERS, ownThreadsMs, sum } = require('./profilers.cjs');

const SLOT_MS = 15;

/**
 * How fast a program is with a profiler: `share` of its speed without, and what it does each CPU second (`speed`); and what the profiler takes each second of
 * the recording, its end with it, of the program's thread and in threads of its own, ms. `slot(twin, end)` makes a twin work until `end`, by
 * `performance.now()`, and resolves to how much it did. The warm-up, ms, is for V8 to compile all that it ever will.
 *
 * No two processes of one program are equally fast, since their code and data lie elsewhere. So the twins are compared before there is a profiler, too, and that
 * is the measure.
 */
async function compare(name, warmUp, seconds, slot) {
  const twins = ['none', name].map(launch);
  const profiled = twins[1];
  for (const twin of twins) await slot(twin, performance.now() + warmUp);
  const before = await takeTurns(twins, seconds, slot);
  await profiled.ask('load');
  await profiled.ask('start');
  const during = await takeTurns(twins, seconds, slot);
  const { onThread, ownThreads } = await profiled.ask('stop');
  twins.forEach(twin => twin.end());
  const perSecond = ms => ms && ms / seconds;
  return {
    share: during.share / before.share,
    speed: during.speed,
    onThread: perSecond(onThread),
    ownThreads: perSecond(ownThreads),
  };
}

/** How fast the second twin is: `share` of the first one's speed, and what it does each CPU second. */
async function takeTurns([none, profiled], seconds, slot) {
  const order = [none, profiled];
  const ratios = [];
  const all = { done: 0, cpuTime: 0 };
  const end = performance.now() + seconds * 1e3;
  while (performance.now() < end) {
    // Who came last is first next time.
    order.reverse();
    const speeds = new Map();
    for (const twin of order) {
      const before = await twin.ask('cpuTime');
      const done = await slot(twin, performance.now() + SLOT_MS);
      const cpuTime = (await twin.ask('cpuTime')) - before;
      speeds.set(twin, done / cpuTime);
      if (twin === profiled) {
        all.done += done;
        all.cpuTime += cpuTime;
      }
    }
    ratios.push(speeds.get(profiled) / speeds.get(none));
  }
  return { share: trimmedMean(ratios), speed: (all.done / all.cpuTime) * 1e6 };
}

/** The geometric mean without the tenth at either end: those are slots in which the machine did something else. */
function trimmedMean(ratios) {
  const trim = Math.floor(ratios.length / 10);
  const kept = ratios.toSorted((a, b) => a - b).slice(trim, ratios.length - trim);
  return Math.exp(sum(kept.map(Math.log)) / kept.length);
}

/** A process of the program that runs now, on the first core that there is, without its profiler yet. */
function launch(name) {
  const [core] = /(?<=Cpus_allowed_list:\s*)\d+/.exec(readFileSync('/proc/self/status', 'utf8'));
  const child = fork(process.argv[1], [name], {
    execPath: 'taskset',
    execArgv: ['--cpu-list', core, process.execPath],
  });
  const ask = (what, argument) =>
    new Promise(resolve => {
      child.once('message', ({ answer }) => resolve(answer));
      child.send([what, argument]);
    });
  return { ask, end: () => child.disconnect() };
}

/** The twin's side: does what it is asked for. `work(argument)` answers `ask('work', argument)`. */
function serve(name, work) {
  const profiler = PROFILERS[name]();
  const tasks = {
    load: () => void profiler.load(),
    start() {
      profiler.start();
      // Asking begins anew: the start is timed by itself.
      profiler.isolateTime();
    },
    async stop() {
      await profiler.stop();
      return {
        onThread: profiler.onThread(profiler.isolateTime()),
        ownThreads: name === 'ours' ? ownThreadsMs() : undefined,
      };
    },
    /** µs. */
    cpuTime() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    work,
  };
  process.on('message', async ([what, argument]) => process.send({ answer: await tasks[what](argument) }));
  process.once('disconnect', () => process.exit());
}

/** Runs such a program: as a twin it does `work` when it is asked to, else it prints the figures that `main` compares. */
function program(name, work, main) {
  if (process.send) {
    serve(name, work);
    return;
  }
  main().then(figures => {
    console.log(JSON.stringify(figures));
    process.exit();
  });
}

module.exports = { compare, program };
