// A local Lambda: the Runtime API, and a process in which AWS's own client of that API runs a function.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PACKAGE } from '../node/support/environment.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

/** The tools that build AWS's client, and the Debian packages that have them. */
const TOOLS = {
  'g++': 'g++',
  make: 'make',
  cmake: 'cmake',
  autoconf: 'autoconf',
  automake: 'automake',
  libtoolize: 'libtool',
};

/**
 * A folder whose node_modules contain the SDK for Lambda, our package, and AWS's client. The first call builds the
 * client, which takes two minutes. SENTRY_PROFILER_TEST_LAMBDA is the path.
 */
export function installRuntime() {
  const dir = process.env.SENTRY_PROFILER_TEST_LAMBDA;
  assert.ok(dir, 'SENTRY_PROFILER_TEST_LAMBDA is not set. Run this test with `cargo xtask test --only lambda`.');
  const modules = join(dir, 'node_modules');
  const stamp = join(dir, 'built');
  const lock = readFileSync(join(HERE, 'package-lock.json'));
  const now = createHash('sha256').update(lock).digest('hex');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== now) {
    build(dir);
    writeFileSync(stamp, now);
  }
  // A copy, not a link: Node would look for the SDK next to the link's target.
  const ours = join(modules, 'sentry-profiler-node');
  rmSync(ours, { recursive: true, force: true });
  cpSync(PACKAGE, ours, { recursive: true });
  return modules;
}

function build(dir) {
  const missing = Object.keys(TOOLS).filter(tool => {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  assert.deepEqual(
    missing,
    [],
    `building aws-lambda-ric needs more packages: apt-get install ${missing.map(tool => TOOLS[tool]).join(' ')}`,
  );
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) {
    cpSync(join(HERE, file), join(dir, file));
  }
  // Build with the headers of this very Node.
  const nodedir = dirname(dirname(process.execPath));
  assert.ok(existsSync(join(nodedir, 'include/node/node_api.h')), `there are no headers in ${nodedir}/include/node`);
  const npm = (...args) =>
    execFileSync('npm', ['--no-audit', '--no-fund', '--loglevel=error', ...args], {
      cwd: dir,
      env: { ...process.env, npm_config_nodedir: nodedir, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  npm('ci', '--ignore-scripts');
  npm('rebuild', 'aws-lambda-ric');
}

/** The Runtime API for one function's process: hands out one event at a time and receives its response or error. */
export class Lambda {
  #server;
  #child;
  #output = '';
  /** Resolves to the client's request for the next event. */
  #asking = deferred();
  #invocations = new Map();
  /** Rejects if no response can come any more. */
  #over = deferred();
  #onResponse;

  /**
   * Starts the function `file.export` in `taskRoot`. `onResponse` is called when it posts a response or error, and is
   * awaited before the post is acknowledged: after that, Lambda may freeze the process.
   */
  static async start(t, { taskRoot, modules, handler, env, onResponse }) {
    const lambda = new Lambda();
    lambda.#onResponse = onResponse;
    lambda.#server = createServer((request, response) => void lambda.#answer(request, response));
    lambda.#server.listen(0, '127.0.0.1');
    await once(lambda.#server, 'listening');
    lambda.#child = spawn(process.execPath, [join(modules, 'aws-lambda-ric/index.mjs')], {
      cwd: taskRoot,
      env: {
        PATH: process.env.PATH,
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${lambda.#server.address().port}`,
        AWS_LAMBDA_FUNCTION_NAME: 'profiled',
        AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
        AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/profiled',
        AWS_LAMBDA_LOG_STREAM_NAME: 'stream',
        AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
        AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
        AWS_REGION: 'eu-central-1',
        LAMBDA_TASK_ROOT: taskRoot,
        _HANDLER: handler,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [lambda.#child.stdout, lambda.#child.stderr]) {
      stream.setEncoding('utf8').on('data', text => (lambda.#output += text));
    }
    lambda.#child.once('exit', (code, signal) => lambda.#fail(`the process ended with ${code ?? signal}`));
    t.after(() => lambda.stop());
    return lambda;
  }

  get output() {
    return this.#output;
  }

  /** Invokes the function and returns `{ status: 'response' | 'error', body, from, to }`; times are Unix seconds. */
  async invoke(event, timeoutMs = 30_000) {
    const id = randomUUID();
    const done = deferred();
    this.#invocations.set(id, done);
    const next = await this.#wait(this.#asking.promise, timeoutMs);
    this.#asking = deferred();
    const from = Date.now() / 1000;
    next.writeHead(200, {
      'Content-Type': 'application/json',
      'Lambda-Runtime-Aws-Request-Id': id,
      'Lambda-Runtime-Deadline-Ms': String(Date.now() + timeoutMs),
      'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:eu-central-1:123456789012:function:profiled',
      'Lambda-Runtime-Trace-Id': 'Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1',
    });
    next.end(JSON.stringify(event));
    return { id, from, ...(await this.#wait(done.promise, timeoutMs)) };
  }

  /** Freezes the process once it waits for the next event, as Lambda does, and thaws it after the given time. */
  async freeze(ms) {
    await this.#wait(this.#asking.promise, 30_000);
    this.#child.kill('SIGSTOP');
    const from = Date.now() / 1000;
    await new Promise(resolve => setTimeout(resolve, ms));
    const to = Date.now() / 1000;
    this.#child.kill('SIGCONT');
    return { from, to };
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #fail(why) {
    this.#over.reject(new Error(`${why}\n${this.#output}`));
  }

  #wait(promise, timeoutMs) {
    const timer = setTimeout(() => this.#fail(`no response within ${timeoutMs} ms`), timeoutMs);
    return Promise.race([promise, this.#over.promise]).finally(() => clearTimeout(timer));
  }

  async #answer(request, response) {
    const [, id, outcome] = /^\/2018-06-01\/runtime\/invocation\/([^/]+)\/(response|error)$/.exec(request.url) ?? [];
    if (request.method === 'GET' && request.url === '/2018-06-01/runtime/invocation/next') {
      this.#asking.resolve(response);
      return;
    }
    const body = await text(request);
    if (request.method === 'POST' && request.url === '/2018-06-01/runtime/init/error') {
      this.#fail(`the function failed to initialize: ${body}`);
    } else if (request.method === 'POST' && this.#invocations.has(id)) {
      const to = Date.now() / 1000;
      await this.#onResponse(id);
      this.#invocations.get(id).resolve({ status: outcome, body: JSON.parse(body), to });
      this.#invocations.delete(id);
    } else {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(202, { 'Content-Type': 'application/json' }).end('{"status":"OK"}');
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  // A waiting caller gets the rejection. Without one, it must not be reported as unhandled.
  made.promise.catch(() => {});
  return made;
}

async function text(request) {
  let body = '';
  for await (const part of request.setEncoding('utf8')) {
    body += part;
  }
  return body;
}
