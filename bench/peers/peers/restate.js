// Restate: an order is a durable handler behind its own server, which keeps the journal of its steps.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createEndpointHandler, service } from '@restatedev/restate-sdk';

export const tuning = { processes: 1, concurrency: 64, connections: 32 };
export const scenarios = ['checkout-online', 'steady'];

const UP_WITHIN_MS = 60_000;

// The SDK is written for Node 22; this is all that it misses in Node 20.
Promise.withResolvers ??= function withResolvers() {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

// The server itself: its package's command only starts it, and would leave it running when killed.
function binary() {
  const require = createRequire(import.meta.url);
  const beside = createRequire(require.resolve('@restatedev/restate-server/package.json'));
  return beside.resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
}

// Starts the server. What it answers is known to the submitter and to the workers.
export async function install({ say }) {
  const [ingress, admin, fabric] = await freePorts(3);
  // Not /tmp, which is memory on many machines: there a journal costs nothing.
  const home = await mkdtemp(join(process.env.TMPDIR ?? '/var/tmp', 'holdfast-restate-'));
  const server = spawn(binary(), ['--no-logo', '--base-dir', home], {
    env: {
      ...process.env,
      RESTATE_LISTEN_MODE: 'tcp',
      RESTATE_BIND_ADDRESS: `127.0.0.1:${fabric}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_LOG_FILTER: 'error',
      RESTATE_DISABLE_TELEMETRY: 'true',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Whatever ends us, a server that outlives its run would slow all that are measured after it.
  process.once('exit', () => server.kill('SIGKILL'));
  let output = '';
  server.stderr.on('data', (chunk) => (output = (output + chunk).slice(-2_000)));
  const remove = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
    }
    await rm(home, { recursive: true, force: true });
  };
  const until = performance.now() + UP_WITHIN_MS;
  while (!(await request(admin, 'GET', '/health').catch(() => false))) {
    if (server.exitCode !== null || performance.now() > until) {
      await remove();
      throw new Error(`the Restate server did not come up: ${output}`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  say(`Restate server at 127.0.0.1:${ingress}`);
  return { found: { ingress, admin }, remove };
}

export async function openSubmitter({ accept, pool, installed }) {
  const agent = new http.Agent({ keepAlive: true });
  return {
    async submit(cart) {
      const order = await accept(pool, cart);
      await request(installed.ingress, 'POST', '/checkout/settle/send', order, { 'idempotency-key': `order-${order}` }, agent);
      return order;
    },
    async close() {
      agent.destroy();
    },
  };
}

// Retries of the server are its own matter; the bench reports what failed for good.
const quiet = ({ level }, ...message) => {
  if (level === 'error') console.error(...message);
};

export async function startWorker({ steps, names, installed }) {
  const checkout = service({
    name: 'checkout',
    handlers: {
      async settle(context, order) {
        for (const step of names) {
          if (!(await context.run(step, () => steps.run(step, order)))) return;
        }
      },
    },
  });
  const server = http2.createServer(createEndpointHandler({ services: [checkout], logger: quiet }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const uri = `http://127.0.0.1:${server.address().port}`;
  await request(installed.admin, 'POST', '/deployments', { uri, force: true });
  return { async stop() {} };
}

// Sends JSON; an error unless the answer is a success.
function request(port, method, path, body, headers = {}, agent = undefined) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path, agent, headers: { ...headers, 'content-type': 'application/json' } };
    const sent = http.request(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        if (response.statusCode < 300) resolve(true);
        else reject(new Error(`Restate answered ${response.statusCode} to ${path}: ${text}`));
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

// Held open together, so that no two are the same.
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
