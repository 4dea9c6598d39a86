// A database with a shop of its own in it: made, filled, verified, dropped.

import { readFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { now } from './clock.js';

// Counts and ids; none comes near 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// More than any run can sell.
const ON_HAND = 10_000_000;
const SKUS = 200;
// What is there in a flash sale, of its one SKU.
export const FLASH_SALE_UNITS = 1_000;
// Carts written in one statement.
const SEED_BATCH = 5_000;
// Whoever still holds a connection after this time is cut off.
const LEAVE_WITHIN_MS = 3_000;

export class Shop {
  constructor(adminUrl, name) {
    this.adminUrl = adminUrl;
    this.name = name;
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    this.url = url.toString();
    this.pool = new pg.Pool({ connectionString: this.url, max: 4 });
  }

  static async create(adminUrl) {
    const name = `holdfast_peers_${randomBytes(6).toString('hex')}`;
    await onServer(adminUrl, (client) => client.query(`create database ${name}`));
    const shop = new Shop(adminUrl, name);
    await shop.#insistOnDurability();
    await shop.pool.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'));
    return shop;
  }

  async #insistOnDurability() {
    for (const setting of ['fsync', 'synchronous_commit']) {
      const { rows } = await this.pool.query('select current_setting($1) as value', [setting]);
      if (rows[0].value !== 'on') throw new Error(`${setting} is ${rows[0].value}: figures without durability mean nothing`);
    }
  }

  // Stocks the shop and fills one cart an order; their ids are 1..=orders.
  async seed(orders) {
    await this.pool.query(
      `with sku as (select generate_series(0, $1 - 1) as sku), stocked as (
         insert into stock select sku, $2, 0 from sku
       )
       insert into products select sku, 'Product ' || sku, 1000 + sku from sku`,
      [SKUS, ON_HAND],
    );
    for (let start = 0; start < orders; start += SEED_BATCH) {
      const end = Math.min(orders, start + SEED_BATCH);
      const numbers = Array.from({ length: end - start }, (_, index) => start + index);
      const items = numbers.map((order) => JSON.stringify(cartItems(order)));
      await this.pool.query(
        `insert into carts select id, 'OPEN', null, items, now() from unnest($1::bigint[], $2::jsonb[]) as cart (id, items)`,
        [numbers.map((order) => order + 1), items],
      );
    }
    await this.#settleDown();
  }

  // One SKU and many orders of one piece, accepted; returns their numbers.
  async seedFlashSale(orders) {
    await this.pool.query(
      `with stocked as (insert into stock values (0, $1, 0)) insert into products values (0, 'Product 0', 1000)`,
      [FLASH_SALE_UNITS],
    );
    await this.pool.query(
      `with order_id as (select nextval('order_number') as id from generate_series(1, $1)), cart as (
         insert into carts
         select id, 'IN_CHECKOUT', id, '[{"sku": 0, "quantity": 1}]', now() from order_id
       ), line as (
         insert into order_lines select id, 0, 1, 1000 from order_id
       )
       insert into orders
       select id, 'PENDING', null, id, '{"email": "buyer@example.com"}', '{"city": "Springfield"}', 1000, now(), now()
       from order_id`,
      [orders],
    );
    await this.#settleDown();
    return Array.from({ length: orders }, (_, index) => index + 1);
  }

  // What seeding left behind is not the run's to pay for. Not the empty tables: then they count as empty for good, and
  // what is planned for them is wrong soon. The measured side does the same (`bench/src/database.rs`).
  async #settleDown() {
    const { rows } = await this.pool.query(
      'select relid::regclass::text as name from pg_stat_user_tables where pg_relation_size(relid) > 0',
    );
    await this.pool.query(`vacuum analyze ${rows.map(({ name }) => name).join(', ')}`);
    await this.pool.query('checkpoint');
  }

  // A figure counts only when every order is done, every message sent and every piece accounted for.
  async verify(orders) {
    await this.#expect(
      [
        ['orders that are CONFIRMED', `select count(*) from orders where status = 'CONFIRMED'`, orders],
        ['orders', 'select count(*) from orders', orders],
        [
          'payments CAPTURED in full',
          `select count(*) from payments where status = 'CAPTURED' and captured_minor = amount_minor
             and amount_minor = (select total_minor from orders where id = order_id)`,
          orders,
        ],
        ['reservations CONFIRMED', `select count(*) from reservations where status = 'CONFIRMED'`, orders],
        ['messages SENT', `select count(*) from notifications where status = 'SENT'`, orders],
        ['carts CLEARED', `select count(*) from carts where status = 'CLEARED'`, orders],
        ['pieces sold', 'select coalesce(sum(quantity), 0) from order_lines', 2 * orders],
        [
          'pieces of stock that are not accounted for',
          `select coalesce(sum(abs(on_hand + coalesce(sold, 0) - ${ON_HAND}) + reserved), 0)
           from stock left join (select sku, sum(quantity) as sold from order_lines group by sku) lines using (sku)`,
          0,
        ],
      ],
    );
  }

  async verifyFlashSale(orders) {
    const sold = Math.min(orders, FLASH_SALE_UNITS);
    await this.#expect([
      ['orders that are CONFIRMED', `select count(*) from orders where status = 'CONFIRMED'`, sold],
      [
        'orders CANCELLED for want of stock',
        `select count(*) from orders where status = 'CANCELLED' and cancel_reason = 'out_of_stock'`,
        orders - sold,
      ],
      ['payments CAPTURED', `select count(*) from payments where status = 'CAPTURED'`, sold],
      ['payments', 'select count(*) from payments', sold],
      ['messages SENT', `select count(*) from notifications where status = 'SENT'`, sold],
      ['pieces left', 'select on_hand from stock', FLASH_SALE_UNITS - sold],
      ['pieces reserved', 'select reserved from stock', 0],
    ]);
  }

  async #expect(facts) {
    for (const [what, text, expected] of facts) {
      const { rows } = await this.pool.query({ text, rowMode: 'array' });
      const found = Number(rows[0][0]);
      if (found !== expected) throw new Error(`not verified: ${what}: ${found} instead of ${expected}`);
    }
  }

  // Pools say that they have ended before their connections are gone, and some libraries do not survive a
  // connection that is cut; so those that are leaving are given the time to.
  async drop() {
    await this.pool.end();
    await onServer(this.adminUrl, async (client) => {
      const until = now() + LEAVE_WITHIN_MS;
      const left = async () => {
        const { rows } = await client.query('select from pg_stat_activity where datname = $1', [this.name]);
        return rows.length;
      };
      while (now() < until && (await left()) > 0) await new Promise((tick) => setTimeout(tick, 20));
      await client.query(`drop database if exists ${this.name} with (force)`);
    });
  }
}

// A cart of two different SKUs, spread so that neighbouring orders share few of them.
export function cartItems(order) {
  return [0, 1].map((line) => ({ sku: (order * 7_919 + line * 104_729) % SKUS, quantity: 1 }));
}

async function onServer(url, work) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
