import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const RUN = fileURLToPath(new URL('../run.js', import.meta.url));
const SERVERS = ['--postgres-url', 'postgres://nobody@127.0.0.1:1/none', '--redis-url', 'redis://127.0.0.1:1'];

function refused(args, message) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...args, ...SERVERS], { encoding: 'utf8' });
  assert.match(stderr, message);
  assert.equal(status, 2);
  assert.equal(stdout, '');
}

test('an unknown peer is answered with the list', () => {
  refused(['--peer', 'sidekiq', '--scenario', 'steady'], /no peer is called sidekiq; there are bullmq_flow, .*restate/);
});

test('an unknown scenario is answered with the list', () => {
  refused(['--peer', 'dbos', '--scenario', 'x'], /no scenario is called x; there are checkout-online, steady, flash-sale/);
  refused(['--peer', 'dbos', '--scenario', 'toString'], /no scenario is called toString/);
});

test('a peer says which scenarios it does not run', () => {
  refused(['--peer', 'restate', '--scenario', 'flash-sale'], /restate does not run flash-sale/);
});

test('numbers are numbers', () => {
  refused(['--peer', 'dbos', '--scenario', 'steady', '--orders', 'many'], /--orders many is not a positive number/);
});
