// Tells its parent when each instant of a schedule has come. A thread that only sleeps is woken in time.

import { parentPort, workerData } from 'node:worker_threads';
import { now } from './clock.js';

const { start, rate, count } = workerData;
const never = new Int32Array(new SharedArrayBuffer(4));
for (let index = 0; index < count; index += 1) {
  const wait = start + (index * 1_000) / rate - now();
  if (wait > 0) Atomics.wait(never, 0, 0, wait);
  parentPort.postMessage(index);
}
