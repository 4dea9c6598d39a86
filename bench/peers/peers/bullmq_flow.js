// BullMQ, as NestJS shops do it: an order is a flow, a chain of jobs of which each waits for the one before it.

import { FlowProducer, UnrecoverableError, Worker } from 'bullmq';
import { connect } from '../redis.js';

export const tuning = { processes: 2, concurrency: 64, connections: 16 };
export const scenarios = ['checkout-online', 'steady', 'flash-sale'];

const QUEUE = 'checkout';
const RETRIES = { attempts: 5, backoff: { type: 'exponential', delay: 100 }, removeOnComplete: true, removeOnFail: true };

export async function openSubmitter({ accept, pool, redisUrl, prefix, names }) {
  const connection = connect(redisUrl);
  const flows = new FlowProducer({ connection, prefix });
  return {
    async submit(cart) {
      const order = await accept(pool, cart);
      await flows.add(flow(order, names));
      return order;
    },
    async enqueueAll(orders) {
      await flows.addBulk(orders.map((order) => flow(order, names)));
    },
    async close() {
      await flows.close();
      connection.disconnect();
    },
  };
}

// A child runs before its parent: the first step is the innermost.
function flow(order, names) {
  return names.reduce((before, name) => {
    const last = name === names.at(-1);
    const job = { name, queueName: QUEUE, data: { order }, opts: last ? RETRIES : { ...RETRIES, failParentOnFailure: true } };
    return before ? { ...job, children: [before] } : job;
  }, undefined);
}

export async function startWorker({ steps, redisUrl, prefix, concurrency, say }) {
  const connection = connect(redisUrl);
  const worker = new Worker(
    QUEUE,
    async (job) => {
      const goOn = await steps.run(job.name, job.data.order);
      // Fails the jobs that wait for it, too: nothing else is left to do for a cancelled order.
      if (!goOn) throw new UnrecoverableError('out of stock');
    },
    { connection, prefix, concurrency },
  );
  worker.on('error', (error) => say(error.message));
  worker.on('failed', (_, error) => {
    if (!(error instanceof UnrecoverableError) && !/child .* failed/.test(error.message)) say(error.message);
  });
  await worker.waitUntilReady();
  return {
    async stop() {
      await worker.close();
      connection.disconnect();
    },
  };
}
