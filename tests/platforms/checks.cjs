// What the programs of this folder share. They run where no test runner does: on an emulated processor, and on Wine,
// where a process has files instead of pipes. Nothing in them depends on how fast the machine is.

const { writeSync } = require('node:fs');

/** Writes a line to standard output. `console.log` fails on Wine. */
function say(line) {
  writeSync(1, `${line}\n`);
}

/** Runs one check after the other and says what became of each. `cargo xtask platforms` counts the lines. */
async function check(name, run) {
  try {
    const remark = await run();
    say(`ok - ${name}${remark ? `: ${remark}` : ''}`);
  } catch (error) {
    say(`not ok - ${name}: ${error?.stack ?? error}`);
    process.exitCode = 1;
  }
}

/** Says that the program got to its end, and ends it with a status that nothing else ends it with. */
function end() {
  say('end');
  process.exit(process.exitCode ? 1 : 7);
}

/** Works for so long in a function of its own, and enough to be sampled on a machine of any speed. */
function hot(ms) {
  const until = performance.now() + ms;
  let blocks = 0;
  let sum = 0;
  do {
    for (let i = 1; i < 5_000; i++) sum += Math.sqrt(i) % 7;
  } while (++blocks < ms || performance.now() < until);
  return sum;
}

/** Where `hot` is. */
const HOT = { function: 'hot', abs_path: __filename, in_app: true };

/** The frame that most of the samples have on top, of functions: what V8 itself does depends on the machine. */
function hottest({ samples, stacks, frames }) {
  const counts = new Map();
  for (const { stack_id: stack } of samples) {
    const frame = stacks[stack][0];
    if (frames[frame]?.abs_path) {
      counts.set(frame, (counts.get(frame) ?? 0) + 1);
    }
  }
  const [[frame] = []] = [...counts].sort(([, a], [, b]) => b - a);
  const { function: name, abs_path, in_app } = frames[frame] ?? {};
  return { function: name, abs_path, in_app };
}

module.exports = { check, end, hot, HOT, hottest, say };
