// What is measured. Each scenario gets a peer that is ready, and answers with its figures.

import { atRate, now, percentiles } from './clock.js';
import { last } from './ledger.js';

// How many checkouts are on their way at once while orders come as fast as they are taken.
const IN_FLIGHT = 64;
// Orders that go first and are not measured: a shop's processes have run for hours, ours began a moment ago.
export const WARM_UP = 500;
// As many jobs as fit into one command.
const BULK = 1_000;

export const SCENARIOS = { 'checkout-online': checkoutOnline, steady, 'flash-sale': flashSale };

// Closed: as fast as they are taken; from the first submit to the last message sent.
async function checkoutOnline({ shop, submitter, crew, ledger, orders }) {
  await shop.seed(WARM_UP + orders);
  await crew.start();
  await warmUp({ submitter, ledger });

  const started = now();
  await submitAll(submitter, WARM_UP + 1, orders);
  await ledger.until(({ sent }) => sent.size === WARM_UP + orders);
  const elapsed = last(ledger.sent.values()) - started;
  await shop.verify(WARM_UP + orders);
  return { orders_per_s: (orders / elapsed) * 1_000, settled_ms: null };
}

// Open: by a schedule, whatever becomes of the earlier ones; from the scheduled instant to CONFIRMED.
async function steady({ shop, submitter, crew, ledger, orders, rate }) {
  await shop.seed(WARM_UP + orders);
  await crew.start();
  await warmUp({ submitter, ledger });

  const scheduledAt = new Map();
  const submitted = [];
  const started = now();
  await atRate(rate, orders, (index, scheduled) => {
    const submit = async () => scheduledAt.set(await submitter.submit(WARM_UP + 1 + index), scheduled);
    submitted.push(submit().catch((error) => ledger.fail(error)));
  });
  await Promise.all(submitted);
  await ledger.until(({ sent }) => sent.size === WARM_UP + orders);
  const elapsed = last(ledger.sent.values()) - started;
  await shop.verify(WARM_UP + orders);
  const samples = Array.from(scheduledAt, ([order, scheduled]) => ledger.confirmed.get(order) - scheduled);
  if (samples.length !== orders) throw new Error(`${samples.length} of ${orders} orders have a latency`);
  return { orders_per_s: (orders / elapsed) * 1_000, settled_ms: percentiles(samples) };
}

// A backlog of orders for one SKU waits while no worker runs; from the workers' start to the last verdict.
async function flashSale({ shop, submitter, crew, ledger, orders }) {
  const numbers = await shop.seedFlashSale(orders);
  for (let start = 0; start < orders; start += BULK) await submitter.enqueueAll(numbers.slice(start, start + BULK));

  const started = now();
  await crew.start();
  await ledger.until(({ confirmed, cancelled }) => confirmed.size + cancelled.size === orders);
  const elapsed = last([...ledger.confirmed.values(), ...ledger.cancelled.values()]) - started;
  await ledger.until(({ confirmed, sent }) => sent.size === confirmed.size);
  await shop.verifyFlashSale(orders);
  return { orders_per_s: (orders / elapsed) * 1_000, settled_ms: null };
}

async function warmUp({ submitter, ledger }) {
  await submitAll(submitter, 1, WARM_UP);
  await ledger.until(({ sent }) => sent.size === WARM_UP);
}

async function submitAll(submitter, first, count) {
  let next = first;
  const buyer = async () => {
    while (next < first + count) {
      const cart = next;
      next += 1;
      await submitter.submit(cart);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, buyer));
}
