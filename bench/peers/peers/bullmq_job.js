// BullMQ, one job an order: its handler does all steps and saves with each how far it has come.

import { Queue, Worker } from 'bullmq';
import { connect } from '../redis.js';

export const tuning = { processes: 1, concurrency: 32, connections: 32 };
export const scenarios = ['checkout-online', 'steady', 'flash-sale'];

const QUEUE = 'checkout';
const RETRIES = { attempts: 5, backoff: { type: 'exponential', delay: 100 }, removeOnComplete: true, removeOnFail: true };

export async function openSubmitter({ accept, pool, redisUrl, prefix }) {
  const connection = connect(redisUrl);
  const queue = new Queue(QUEUE, { connection, prefix, defaultJobOptions: RETRIES });
  return {
    async submit(cart) {
      const order = await accept(pool, cart);
      await queue.add('settle', { order });
      return order;
    },
    async enqueueAll(orders) {
      await queue.addBulk(orders.map((order) => ({ name: 'settle', data: { order } })));
    },
    async close() {
      await queue.close();
      connection.disconnect();
    },
  };
}

export async function startWorker({ steps, names, redisUrl, prefix, concurrency, say }) {
  const connection = connect(redisUrl);
  const worker = new Worker(
    QUEUE,
    async (job) => {
      const { order } = job.data;
      // Whoever starts a job for the first time need not ask how far it has come.
      const saved = job.attemptsStarted > 1 ? await steps.saved(order) : undefined;
      for (const step of names.slice(names.indexOf(saved) + 1)) {
        if (!(await steps.runAndSave(step, order))) return;
      }
    },
    { connection, prefix, concurrency },
  );
  worker.on('error', (error) => say(error.message));
  worker.on('failed', (_, error) => say(error.message));
  await worker.waitUntilReady();
  return {
    async stop() {
      await worker.close();
      connection.disconnect();
    },
  };
}
