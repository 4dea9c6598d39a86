// DBOS Transact: an order is a workflow on a queue; each step's outcome is checkpointed in Postgres.

import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk';

export const tuning = { processes: 1, concurrency: 64, connections: 16 };
export const scenarios = ['checkout-online', 'steady'];

const NAME = 'holdfast-peers';
const QUEUE = 'checkout';
// A hundred times as often as it asks untuned; more often, asking is all that Postgres does.
const POLL_MS = 10;

export async function install(env) {
  configure(env);
  await DBOS.launch();
  await DBOS.registerQueue(QUEUE, { workerConcurrency: env.concurrency, minPollingIntervalMs: POLL_MS });
  await DBOS.shutdown();
}

export async function openSubmitter({ accept, pool, postgresUrl, connections }) {
  const client = await DBOSClient.create({
    systemDatabaseUrl: postgresUrl,
    systemDatabasePoolSize: connections,
    applicationName: NAME,
  });
  return {
    async submit(cart) {
      const order = await accept(pool, cart);
      await client.enqueue({ workflowName: 'settle', queueName: QUEUE, workflowID: `order-${order}` }, order);
      return order;
    },
    close: () => client.destroy(),
  };
}

export async function startWorker(env) {
  const { steps, names } = env;
  DBOS.registerWorkflow(
    async (order) => {
      for (const step of names) {
        // A step that runs again finds that it was done; a transaction shared with DBOS would add nothing to that.
        const goOn = await DBOS.runStep(() => steps.run(step, order), { name: step, retriesAllowed: true });
        if (!goOn) return;
      }
    },
    { name: 'settle' },
  );
  configure(env);
  await DBOS.launch();
  return { stop: () => DBOS.shutdown() };
}

function configure({ postgresUrl, connections }) {
  DBOS.setConfig({
    name: NAME,
    systemDatabaseUrl: postgresUrl,
    systemDatabasePoolSize: connections,
    logLevel: 'error',
  });
}
