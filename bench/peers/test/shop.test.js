// On a real Postgres: HOLDFAST_TEST_POSTGRES_URL names it; `scripts/with-servers npm test --prefix bench/peers`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLASH_SALE_UNITS, Shop, cartItems } from '../shop.js';
import { STEPS, Steps, accept } from '../steps.js';

const url = process.env.HOLDFAST_TEST_POSTGRES_URL;
const onPostgres = { skip: url ? false : 'HOLDFAST_TEST_POSTGRES_URL names no Postgres' };

async function inShop(work) {
  const shop = await Shop.create(url);
  try {
    const reports = [];
    await work(shop, new Steps(shop.pool, (what, order) => reports.push([what, order])), reports);
  } finally {
    await shop.drop();
  }
}

test('a cart has two different SKUs, and its neighbour others', () => {
  assert.deepEqual(cartItems(0), [
    { sku: 0, quantity: 1 },
    { sku: 129, quantity: 1 },
  ]);
  const skus = [0, 1].flatMap((order) => cartItems(order).map(({ sku }) => sku));
  assert.equal(new Set(skus).size, 4);
});

test('an order is settled however often its steps run', onPostgres, () =>
  inShop(async (shop, steps, reports) => {
    await shop.seed(2);
    const first = await accept(shop.pool, 1);
    for (const step of STEPS) {
      assert.equal(await steps.run(step, first), true);
      assert.equal(await steps.run(step, first), true);
    }
    const second = await accept(shop.pool, 2);
    for (const step of STEPS) {
      await steps.runAndSave(step, second);
      await steps.runAndSave(step, second);
      assert.equal(await steps.saved(second), step);
    }
    assert.deepEqual(reports.filter(([what]) => what === 'sent').map(([, order]) => order), [first, first, second, second]);
    await shop.verify(2);
    await assert.rejects(accept(shop.pool, 1), /cart 1 is not open/);
  }));

test('a step and what goes with it are committed together or not at all', onPostgres, () =>
  inShop(async (shop, steps, reports) => {
    await shop.seed(1);
    const order = await accept(shop.pool, 1);
    const broken = steps.runAnd('reserve_stock', order, () => Promise.reject(new Error('the next job was not added')));
    await assert.rejects(broken, /the next job was not added/);
    const { rows } = await shop.pool.query('select from reservations');
    assert.equal(rows.length, 0);
    assert.deepEqual(reports, []);
  }));

// Each way to lose an order, and the message that says so.
const LOSSES = [
  ['an order that is not confirmed', `update orders set status = 'PENDING' where id = 1`, /orders that are CONFIRMED: 1 instead of 2/],
  ['an order that is gone', 'delete from orders where id = 1', /orders that are CONFIRMED: 1 instead of 2/],
  ['a payment in part', 'update payments set captured_minor = captured_minor - 1 where order_id = 1', /payments CAPTURED in full: 1/],
  ['a message unsent', `update notifications set status = 'PENDING' where order_id = 1`, /messages SENT: 1/],
  ['a cart that is not cleared', `update carts set status = 'IN_CHECKOUT' where id = 1`, /carts CLEARED: 1/],
  ['a piece too many', 'update stock set on_hand = on_hand + 1 where sku = 7', /pieces of stock that are not accounted for: 1/],
  ['a piece still reserved', 'update stock set reserved = 1 where sku = 7', /pieces of stock that are not accounted for: 1/],
];
for (const [what, loss, message] of LOSSES) {
  test(`${what} is not verified`, onPostgres, () =>
    inShop(async (shop, steps) => {
      await shop.seed(2);
      for (const cart of [1, 2]) {
        const order = await accept(shop.pool, cart);
        for (const step of STEPS) await steps.run(step, order);
      }
      await shop.verify(2);
      await shop.pool.query(loss);
      await assert.rejects(shop.verify(2), message);
    }));
}

test('a flash sale sells what there is, once, to buyers who come at once', onPostgres, () =>
  inShop(async (shop, steps, reports) => {
    const orders = await shop.seedFlashSale(FLASH_SALE_UNITS + 20);
    await shop.pool.query('update stock set on_hand = 5');
    const few = orders.slice(0, 25);
    const goOn = await Promise.all(few.map((order) => steps.run('reserve_stock', order)));
    assert.equal(goOn.filter(Boolean).length, 5);
    // Asked again, the answer is the same.
    assert.deepEqual(await Promise.all(few.map((order) => steps.run('reserve_stock', order))), goOn);
    assert.equal(new Set(reports.filter(([what]) => what === 'cancelled').map(([, order]) => order)).size, 20);
    await assert.rejects(shop.verifyFlashSale(orders.length), /not verified/);
  }));
