// The workers of a run: processes of their own, or the process that submits.

import { fork } from 'node:child_process';
import { environment } from './peers.js';

const STOP_WITHIN_MS = 10_000;

export class Crew {
  #processes = [];
  #own;
  #stopping = false;

  // Loads `processes - 1` worker processes; with one process for all, the workers live in this one.
  static async load(peer, options, ledger) {
    const crew = new Crew();
    crew.peer = peer;
    crew.ledger = ledger;
    crew.options = options;
    for (let number = 1; number < options.processes; number += 1) {
      const child = fork(new URL('worker.js', import.meta.url), [JSON.stringify(options)], {
        stdio: ['ignore', 2, 2, 'ipc'],
      });
      crew.#processes.push(child);
      child.on('message', ({ reports = [] }) => {
        for (const [what, order, at] of reports) ledger.record(what, order, at);
      });
      child.on('exit', (code, signal) => {
        if (!crew.#stopping) ledger.fail(new Error(`a worker ended with ${signal ?? code}`));
      });
    }
    await Promise.all(crew.#processes.map((child) => heard(child, 'loaded')));
    return crew;
  }

  async start() {
    if (this.#processes.length === 0) {
      const env = environment(this.options, (what, order, at) => this.ledger.record(what, order, at));
      this.#own = { env, worker: await this.peer.startWorker(env) };
    }
    await Promise.all(
      this.#processes.map((child) => {
        const started = heard(child, 'started');
        child.send('start');
        return started;
      }),
    );
  }

  async stop() {
    this.#stopping = true;
    await this.#own?.worker.stop();
    await this.#own?.env.pool.end();
    await Promise.all(
      this.#processes.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        if (child.connected) child.send('stop');
        const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
        await gone;
        clearTimeout(impatience);
      }),
    );
  }
}

function heard(child, what) {
  return new Promise((resolve, reject) => {
    child.on('message', (message) => message[what] && resolve());
    child.once('exit', (code, signal) => reject(new Error(`a worker ended with ${signal ?? code} before it had ${what}`)));
  });
}
