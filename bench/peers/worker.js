// A worker process of a peer: started by run.js, which says over the channel between them when to begin and to end.

import { environment, load } from './peers.js';

// What was committed is reported in batches, so that it costs the measured process little.
const TELL_EVERY_MS = 20;

const options = JSON.parse(process.argv[2]);
const peer = await load(options.peer);

let batch = [];
let worker;
const env = environment(options, (what, order, at) => batch.push([what, order, at]));
setInterval(() => {
  if (batch.length === 0) return;
  process.send({ reports: batch });
  batch = [];
}, TELL_EVERY_MS);

process.on('message', async (message) => {
  if (message === 'start') {
    worker = await peer.startWorker(env);
    process.send({ started: true });
  }
  if (message === 'stop') {
    await worker?.stop();
    process.exit(0);
  }
});
// Whoever started us is gone, so nobody listens any more.
process.on('disconnect', () => process.exit(1));
process.send({ loaded: true });
