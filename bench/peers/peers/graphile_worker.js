// Graphile Worker: a chain of jobs in Postgres; the transaction of each step adds the next job.

import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { transaction } from '../steps.js';

export const tuning = { processes: 1, concurrency: 32, connections: 34 };
export const scenarios = ['checkout-online', 'steady', 'flash-sale'];

const quiet = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message);
});

export async function install({ postgresUrl }) {
  const utils = await makeWorkerUtils({ connectionString: postgresUrl, logger: quiet });
  await utils.migrate();
  await utils.release();
}

export async function openSubmitter({ accept, pool, names }) {
  return {
    async submit(cart) {
      return transaction(pool, async (connection) => {
        const order = await accept(connection, cart);
        await add(connection, names[0], order);
        return order;
      });
    },
    async enqueueAll(orders) {
      await pool.query(
        `select count(*) from graphile_worker.add_jobs(array(
           select row($1, json_build_object('order', id), null, null, null, null, null, null)::graphile_worker.job_spec
           from unnest($2::bigint[]) as id))`,
        [names[0], orders],
      );
    },
    async close() {},
  };
}

export async function startWorker({ steps, names, pool, concurrency }) {
  const task = (step, next) => async ({ order }) => {
    if (next) await steps.runAnd(step, order, (connection) => add(connection, next, order));
    else await steps.run(step, order);
  };
  const taskList = Object.fromEntries(names.map((step, index) => [step, task(step, names[index + 1])]));
  const runner = await run({
    pgPool: pool,
    taskList,
    noHandleSignals: true,
    logger: quiet,
    preset: {
      worker: {
        concurrentJobs: concurrency,
        pollInterval: 500,
        localQueue: { size: 4 * concurrency },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  return { stop: () => runner.stop() };
}

async function add(connection, step, order) {
  const text = `select from graphile_worker.add_job($1, json_build_object('order', $2::bigint))`;
  await connection.query({ name: 'add_job', text, values: [step, order] });
}
