'use strict';
// A service that starts: node cold.cjs PROFILER [APPLICATION], in the folder where the SDK and our package are
// installed. Ends soon after it listens.

const { init, requireHere } = require('./sdk.cjs');

const [name, application] = process.argv.slice(2);

process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ coldCpu: (user + system) / 1e3 }));
});
init(name);
if (application) {
  requireHere('typescript');
  requireHere(application);
}
require('node:http')
  .createServer((_, response) => response.end('answer'))
  .listen(0, '127.0.0.1', () => setTimeout(() => process.exit(), 50));
