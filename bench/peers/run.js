// Measures one peer in one scenario, on a database of its own, and prints one JSON document:
//
//     node bench/peers/run.js --peer bullmq_flow --scenario checkout-online --orders 20000 \
//         --postgres-url postgres://… --redis-url redis://…
//
// Nothing counts that was not verified; whatever was made is gone afterwards.

import { parseArgs } from 'node:util';
import { Crew } from './crew.js';
import { Ledger } from './ledger.js';
import { PEERS, environment, load, say } from './peers.js';
import { removeKeys } from './redis.js';
import { SCENARIOS } from './scenarios.js';
import { Shop } from './shop.js';

// Connections of the process that submits.
const SUBMITTING = 16;

class Usage extends Error {}

function parse(args) {
  const number = (name, text) => {
    const value = Number(text);
    if (!Number.isFinite(value) || value <= 0) throw new Usage(`--${name} ${text} is not a positive number`);
    return value;
  };
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: Object.fromEntries(
        ['peer', 'scenario', 'orders', 'rate', 'postgres-url', 'redis-url', 'processes', 'concurrency', 'connections'].map(
          (name) => [name, { type: 'string' }],
        ),
      ),
    }));
  } catch (error) {
    throw new Usage(error.message);
  }
  const { peer, scenario } = values;
  if (!PEERS.includes(peer)) throw new Usage(`no peer is called ${peer}; there are ${PEERS.join(', ')}`);
  if (!Object.hasOwn(SCENARIOS, scenario)) {
    throw new Usage(`no scenario is called ${scenario}; there are ${Object.keys(SCENARIOS).join(', ')}`);
  }
  const adminUrl = values['postgres-url'] ?? process.env.HOLDFAST_TEST_POSTGRES_URL;
  const redisUrl = values['redis-url'] ?? process.env.HOLDFAST_TEST_REDIS_URL;
  if (!adminUrl) throw new Usage('which Postgres? Say --postgres-url');
  if (!redisUrl) throw new Usage('which Redis? Say --redis-url');
  const tuning = {};
  for (const name of ['processes', 'concurrency', 'connections']) {
    if (values[name]) tuning[name] = number(name, values[name]);
  }
  const orders = number('orders', values.orders ?? (scenario === 'flash-sale' ? 50_000 : 20_000));
  return { peer, scenario, orders, rate: number('rate', values.rate ?? 100), adminUrl, redisUrl, tuning };
}

async function measure({ peer: name, scenario, orders, rate, adminUrl, redisUrl, tuning }) {
  const peer = await load(name);
  if (!peer.scenarios.includes(scenario)) {
    throw new Usage(`${name} does not run ${scenario}; it runs ${peer.scenarios.join(', ')}`);
  }
  const undo = [];
  let gone;
  // Once, however often it is asked for; the last that was made goes first.
  const cleanUp = () =>
    (gone ??= (async () => {
      for (const step of undo.reverse()) await step().catch((error) => say(`cleaning up: ${error.message}`));
    })());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => cleanUp().finally(() => process.exit(130)));

  try {
    const shop = await Shop.create(adminUrl);
    undo.push(() => shop.drop());
    const prefix = shop.name;
    undo.push(() => removeKeys(redisUrl, prefix));
    const options = { peer: name, postgresUrl: shop.url, redisUrl, prefix, ...peer.tuning, ...tuning };

    const env = environment({ ...options, connections: SUBMITTING }, () => {});
    undo.push(() => env.pool.end());
    const installed = await peer.install?.(env);
    if (installed) undo.push(installed.remove);
    options.installed = env.installed = installed?.found;

    const ledger = new Ledger();
    const crew = await Crew.load(peer, options, ledger);
    undo.push(() => crew.stop());
    const submitter = await peer.openSubmitter(env);
    undo.push(() => submitter.close());
    const figures = await SCENARIOS[scenario]({ shop, submitter, crew, ledger, orders, rate });
    return { peer: name, scenario, orders, ...figures, verified: true };
  } finally {
    await cleanUp();
  }
}

try {
  const result = await measure(parse(process.argv.slice(2)));
  console.log(JSON.stringify(result));
  // A peer's library may keep a timer of its own; nobody needs it any more.
  process.exit(0);
} catch (error) {
  console.error(error instanceof Usage ? `run.js: ${error.message}` : error);
  process.exit(error instanceof Usage ? 2 : 1);
}
