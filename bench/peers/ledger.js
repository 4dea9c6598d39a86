// What became of the orders of a run, as reported by the processes that settled them.

import { now } from './clock.js';

// No report for so long: something hangs.
const PATIENCE_MS = 60_000;

export class Ledger {
  // The instants at which the commit was answered, by order.
  confirmed = new Map();
  cancelled = new Map();
  sent = new Map();
  #toldAt = now();
  #failed;

  record(what, order, at) {
    this.#toldAt = now();
    // A step that ran twice is reported twice; the first time counts.
    if (!this[what].has(order)) this[what].set(order, at);
  }

  fail(error) {
    this.#failed ??= error;
  }

  async until(done) {
    this.#toldAt = now();
    while (!done(this)) {
      if (this.#failed) throw this.#failed;
      if (now() - this.#toldAt > PATIENCE_MS) {
        const { confirmed, cancelled, sent } = this;
        throw new Error(
          `nothing happened for ${PATIENCE_MS / 1_000} s: ${confirmed.size} orders confirmed, ${cancelled.size} cancelled, ${sent.size} messages sent`,
        );
      }
      await new Promise((tick) => setTimeout(tick, 5));
    }
  }
}

export function last(instants) {
  let latest = -Infinity;
  for (const instant of instants) latest = Math.max(latest, instant);
  return latest;
}
