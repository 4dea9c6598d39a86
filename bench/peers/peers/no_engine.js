// No peer, but the floor under all of them: the same steps one after another, nothing that survives a crash.
// What a peer is slower than this is the price of its engine.

export const tuning = { processes: 1, concurrency: 32, connections: 32 };
export const scenarios = ['checkout-online', 'steady'];

const orders = [];
let wake = () => {};

export async function openSubmitter({ accept, pool }) {
  return {
    async submit(cart) {
      const order = await accept(pool, cart);
      orders.push(order);
      wake();
      return order;
    },
    async close() {},
  };
}

export async function startWorker({ steps, names, concurrency }) {
  let running = 0;
  wake = () => {
    while (running < concurrency && orders.length) {
      running += 1;
      settle(orders.shift()).finally(() => {
        running -= 1;
        wake();
      });
    }
  };
  async function settle(order) {
    for (const step of names) await steps.run(step, order);
  }
  return { async stop() {} };
}
