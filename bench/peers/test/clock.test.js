import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atRate, now, percentiles } from '../clock.js';

test('a percentile is a sample that so many in a hundred do not exceed', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual(percentiles(hundred), { p50: 50, p95: 95, p99: 99, max: 100 });
  assert.deepEqual(percentiles([7]), { p50: 7, p95: 7, p99: 7, max: 7 });
  assert.deepEqual(percentiles([3, 1]), { p50: 1, p95: 3, p99: 3, max: 3 });
});

test('no samples have no percentiles', () => {
  assert.equal(percentiles([]), null);
});

test('a schedule goes on while nobody answers', async () => {
  const scheduled = [];
  const started = now();
  await atRate(200, 20, (index, at) => scheduled.push(at));
  assert.equal(scheduled.length, 20);
  // The instants are the schedule's, whenever their call came.
  scheduled.slice(1).forEach((at, index) => assert.ok(Math.abs(at - scheduled[index] - 5) < 1e-3));
  assert.ok(now() - started >= 19 * 5);
});
