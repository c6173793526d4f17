// Runs the scenarios on one of the three surfaces. `call(operation, text, a, b, c)` returns a string, the same on
// every surface. Returns the results of each scenario's steps; a step's last word in the table is the expected result.

globalThis.runScenarios = function (scenarios, call) {
  function hot(ms) {
    const end = Date.now() + ms;
    let x = 0;
    while (Date.now() < end) for (let i = 0; i < 1e4; i++) x += i % 7;
    return x;
  }

  // The duration of the profile of each title, in seconds.
  const spans = new Map();

  function stop(title) {
    const answer = call('stop', title, 0, 0, 0);
    if (!answer.startsWith('{')) return answer;
    const profile = JSON.parse(answer);
    const { samples, frames } = profile.profile ?? profile;
    spans.set(title, samples.at(-1).timestamp - samples[0].timestamp);
    return frames.some(frame => frame.function === 'hot') ? 'profile of hot' : 'profile of something else';
  }

  function many(count, operation, wanted) {
    let right = 0;
    for (let i = 0; i < count; i++) right += operation(`title ${i}`) === wanted ? 1 : 0;
    return String(right);
  }

  const operations = {
    work: ms => void hot(ms),
    start: title => call('start', title, 0, 0, 0),
    stop,
    'start many': count => many(count, operations.start, 'ok'),
    'stop many': count => many(count, operations.stop, 'profile of hot'),
    longer: (one, other) => (spans.get(one) > spans.get(other) ? 'yes' : 'no'),
    session: (lifecycle, rate, chunk, quiet) => call('session', lifecycle, rate, chunk, quiet),
    'short spans': (count, ms, pause) => {
      for (let i = 0; i < count; i++) {
        const started = call('span started', '', 0, 0, 0);
        hot(ms);
        const ended = call('span ended', '', 0, 0, 0);
        if (started !== 'ok' || ended !== 'ok') return `${started}, ${ended}`;
        call('sleep', '', pause, 0, 0);
      }
      return 'ok';
    },
  };

  return scenarios.map(({ name, steps }) => ({
    name,
    results: steps.map(([operation, ...rest]) => {
      if (operation === 'work') return operations.work(...rest);
      const known = operations[operation];
      return known ? known(...rest.slice(0, -1)) : call(operation, '', 0, 0, 0);
    }),
  }));
};
