import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger, last } from '../ledger.js';

test('a step that ran twice counts from its first commit', () => {
  const ledger = new Ledger();
  ledger.record('confirmed', 1, 10);
  ledger.record('confirmed', 1, 20);
  assert.equal(ledger.confirmed.get(1), 10);
  assert.equal(ledger.confirmed.size, 1);
});

test('the end is the latest instant, in whatever order it was reported', () => {
  assert.equal(last([3, 9, 4]), 9);
});

test('a worker that died ends the wait', async () => {
  const ledger = new Ledger();
  ledger.fail(new Error('a worker ended with 1'));
  await assert.rejects(
    ledger.until(() => false),
    /a worker ended with 1/,
  );
});
