// The peers by name, and what each process of a run has to know.

import pg from 'pg';
import { now } from './clock.js';
import { STEPS, Steps, accept } from './steps.js';

// `no_engine` is not a peer: it shows what the steps cost without one.
export const PEERS = ['bullmq_flow', 'bullmq_job', 'graphile_worker', 'pg_boss', 'dbos', 'restate', 'no_engine'];

export function load(peer) {
  return import(`./peers/${peer}.js`);
}

export function say(message) {
  console.error(`  ${message}`);
}

// What a peer's submitter and its workers are given. `report(what, order, instant)` takes what was committed.
export function environment(options, report) {
  const { postgresUrl, connections } = options;
  const pool = new pg.Pool({ connectionString: postgresUrl, max: connections, min: connections, idleTimeoutMillis: 0 });
  // One that breaks while it is in use fails its query; some libraries insist on hearing of it here, too.
  pool.on('connect', (connection) => connection.on('error', () => {}));
  // A connection that is cut while its pool ends is nobody's loss.
  pool.on('error', (error) => pool.ending || say(error.message));
  return {
    ...options,
    pool,
    accept,
    say,
    names: STEPS,
    steps: new Steps(pool, (what, order) => report(what, order, now())),
  };
}
