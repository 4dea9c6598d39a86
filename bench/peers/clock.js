// One clock for all processes of a machine, and a schedule that keeps it.

import { Worker } from 'node:worker_threads';

// Milliseconds of the monotonic clock, which all processes share.
export function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

// Calls `fire(index, scheduled)` for each of `count` instants, `rate` a second, whatever becomes of the earlier
// ones; returns when the last was called. Timers of the event loop come up to a millisecond late, so a thread
// that does nothing else keeps the time.
export function atRate(rate, count, fire) {
  return new Promise((done, failed) => {
    const start = now() + 50;
    const ticker = new Worker(new URL('ticker.js', import.meta.url), { workerData: { start, rate, count } });
    ticker.on('error', failed);
    ticker.on('message', (index) => {
      fire(index, start + (index * 1_000) / rate);
      if (index === count - 1) done();
    });
  });
}

// A percentile is one of the samples: the smallest that so many in a hundred do not exceed.
export function percentiles(samples) {
  if (samples.length === 0) return null;
  const sorted = Float64Array.from(samples).sort();
  const at = (percent) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  return { p50: at(50), p95: at(95), p99: at(99), max: sorted[sorted.length - 1] };
}
