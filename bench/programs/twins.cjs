'use strict';
// Two processes of one program, one without and one with a profiler, take turns on one core in slots of some
// milliseconds. Disturbances mostly affect neighbouring slots alike, so neighbours are compared, by the CPU time of
// all their threads. On one core that limits a service, and it excludes time stolen by a virtual machine's host.

const { fork } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { PROFILERS, ownThreadsMs, sum } = require('./profilers.cjs');

const SLOT_MS = 15;

/**
 * Measures a program with a profiler: its speed relative to that without (`share`), its work per CPU second (`speed`),
 * and the profiler's time on the program's thread and in its own threads, ms per second of recording, including the
 * end of the recording. `slot(twin, end)` makes a twin work until `end`, by `performance.now()`, and resolves to how
 * much it did. During the warm-up, ms, V8 compiles everything.
 *
 * No two processes of one program are equally fast, because their code and data have different addresses. So the twins
 * are also compared before there is a profiler, and the result is relative to that.
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

/** The second twin's speed relative to the first one (`share`), and its work per CPU second. */
async function takeTurns([none, profiled], seconds, slot) {
  const order = [none, profiled];
  const ratios = [];
  const all = { done: 0, cpuTime: 0 };
  const end = performance.now() + seconds * 1e3;
  while (performance.now() < end) {
    // The last one is first the next time.
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

/** The geometric mean without the lowest and highest tenth, which are disturbed slots. */
function trimmedMean(ratios) {
  const trim = Math.floor(ratios.length / 10);
  const kept = ratios.toSorted((a, b) => a - b).slice(trim, ratios.length - trim);
  return Math.exp(sum(kept.map(Math.log)) / kept.length);
}

/** Starts a process of the current program on the first available core, still without its profiler. */
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

/** The twin's side: performs requests. `work(argument)` handles `ask('work', argument)`. */
function serve(name, work) {
  const profiler = PROFILERS[name]();
  const tasks = {
    load: () => void profiler.load(),
    start() {
      profiler.start();
      // Resets the counts, because the start is measured separately.
      profiler.isolateTime();
    },
    async stop() {
      await profiler.stop();
      return {
        onThread: profiler.onThread(profiler.isolateTime()),
        ownThreads: name === 'ours' ? ownThreadsMs() : undefined,
      };
    },
    /** In µs. */
    cpuTime() {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    work,
  };
  process.on('message', async ([what, argument]) => process.send({ answer: await tasks[what](argument) }));
  process.once('disconnect', () => process.exit());
}

/** Runs such a program: as a twin it does `work` on request, otherwise it prints the figures that `main` measures. */
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

module.exports = { compare, launch, program, takeTurns };
