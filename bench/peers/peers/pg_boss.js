// pg-boss: a queue a step in Postgres; the transaction of each step sends the next job.

import PgBoss from 'pg-boss';
import { transaction } from '../steps.js';

export const tuning = { processes: 1, concurrency: 256, connections: 32 };
export const scenarios = ['checkout-online', 'steady', 'flash-sale'];

// Its shortest. Where workers live in the process that sends, they are notified and do not wait.
const POLL_SECONDS = 0.5;
const RETRIES = { retryLimit: 5, retryDelay: 1 };

let notify = () => {};

export async function install({ postgresUrl, names }) {
  const boss = new PgBoss({ connectionString: postgresUrl, schedule: false, supervise: false });
  await boss.start();
  for (const name of names) await boss.createQueue(name, { name, ...RETRIES });
  await boss.stop({ graceful: false });
}

async function open({ postgresUrl, pool, say }) {
  const db = { executeSql: (text, values) => pool.query(text, values) };
  const boss = new PgBoss({ connectionString: postgresUrl, db, schedule: false, supervise: false, migrate: false });
  boss.on('error', (error) => say(error.message));
  await boss.start();
  return boss;
}

export async function openSubmitter(env) {
  const boss = await open(env);
  const [first] = env.names;
  return {
    async submit(cart) {
      const order = await transaction(env.pool, async (connection) => {
        const order = await env.accept(connection, cart);
        await send(boss, connection, first, order);
        return order;
      });
      notify(first);
      return order;
    },
    async enqueueAll(orders) {
      await boss.insert(orders.map((order) => ({ name: first, data: { order } })));
    },
    close: () => boss.stop({ graceful: false }),
  };
}

export async function startWorker(env) {
  const { steps, names, concurrency } = env;
  const boss = await open(env);
  const workers = {};
  notify = (name) => boss.notifyWorker(workers[name]);
  for (const [index, step] of names.entries()) {
    const next = names[index + 1];
    const options = { batchSize: concurrency, pollingIntervalSeconds: POLL_SECONDS, priority: false };
    workers[step] = await boss.work(step, options, async (jobs) => {
      // A batch of them at once; if one fails the batch comes again, and what is done is not done again.
      await Promise.all(
        jobs.map(({ data: { order } }) =>
          next ? steps.runAnd(step, order, (connection) => send(boss, connection, next, order)) : steps.run(step, order),
        ),
      );
      if (next) notify(next);
      if (jobs.length === concurrency) notify(step);
    });
  }
  return { stop: () => boss.stop({ graceful: false }) };
}

async function send(boss, connection, name, order) {
  const db = { executeSql: (text, values) => connection.query(text, values) };
  await boss.send(name, { order }, { db });
}
