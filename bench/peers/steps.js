// What happens to an order, as SQL: the one set of steps that all peers run.
//
// A step is one statement wherever it can be one: one round trip, one commit. A shop behind an ORM makes
// several; that favours the peers. Every step may run twice: what is done already is not done again.

// In the order of their running.
export const STEPS = ['reserve_stock', 'take_payment', 'confirm_order', 'clear_cart', 'notify'];

const ACCEPT = `
with cart as (
    update carts set status = 'IN_CHECKOUT', order_id = nextval('order_number'), updated_at = now()
    where id = $1 and status = 'OPEN'
    returning order_id, items
), lines as (
    insert into order_lines
    select order_id, sku, quantity, price_minor
    from cart cross join lateral jsonb_to_recordset(items) as item (sku bigint, quantity integer)
    join products using (sku)
    returning order_id, quantity * unit_price_minor as amount
)
insert into orders (id, status, cart_id, contact, shipping_address, total_minor, accepted_at, updated_at)
select order_id, 'PENDING', $1, $2, $3, sum(amount), now(), now() from lines group by order_id
returning id`;

// Common table expressions, then the statement that uses them: so that a caller can add one of its own.
const SQL = {
  // Locked in the order of their SKUs, so that two orders never wait for each other. All lines or none.
  reserve_stock: [
    `locked as (
        select sku, quantity, on_hand - reserved >= quantity as enough
        from order_lines join stock using (sku)
        where order_id = $1 and not exists (select from reservations where order_id = $1)
        order by sku for no key update of stock
    ), verdict as (
        select bool_and(enough) as enough from locked
    ), moved as (
        update stock set reserved = reserved + quantity
        from locked, verdict where stock.sku = locked.sku and verdict.enough
    ), held as (
        insert into reservations select $1, 'HELD' from verdict where enough
    ), cancelled as (
        update orders set status = 'CANCELLED', cancel_reason = 'out_of_stock', updated_at = now()
        from verdict where id = $1 and status = 'PENDING' and not enough
    )`,
    `select coalesce(enough, status <> 'CANCELLED') as go_on from verdict, orders where id = $1`,
  ],
  intend_payment: [
    '',
    `insert into payments
     select id, 'PENDING', total_minor, 0, 'order-' || id, null, now() from orders where id = $1 and status = 'PENDING'
     on conflict (order_id) do nothing`,
  ],
  take_payment: [
    '',
    `update payments set status = 'CAPTURED', captured_minor = amount_minor, provider_ref = $2, updated_at = now()
     where order_id = $1 and status = 'PENDING'`,
  ],
  confirm_order: [
    `confirmed as (
        update orders set status = 'CONFIRMED', updated_at = now() where id = $1 and status = 'PENDING' returning *
    ), held as (
        update reservations set status = 'CONFIRMED' from confirmed where order_id = confirmed.id
    ), locked as (
        select sku, quantity
        from confirmed join order_lines on order_id = confirmed.id join stock using (sku)
        order by sku for no key update of stock
    ), moved as (
        update stock set on_hand = on_hand - quantity, reserved = reserved - quantity
        from locked where stock.sku = locked.sku
    )`,
    `insert into notifications
     select id, 'order_confirmed', contact ->> 'email', 'PENDING', now(), now() from confirmed`,
  ],
  clear_cart: [
    '',
    `update carts set status = 'CLEARED', updated_at = now()
     where id = (select cart_id from orders where id = $1) and status = 'IN_CHECKOUT'`,
  ],
  notify: ['', `update notifications set status = 'SENT', updated_at = now() where order_id = $1 and status = 'PENDING'`],
};

const CONTACT = JSON.stringify({ email: 'buyer@example.com' });
const ADDRESS = JSON.stringify({
  name: 'A. Buyer',
  line1: '1 High Street',
  line2: null,
  city: 'Springfield',
  region: null,
  postal_code: '12345',
  country: 'US',
});

// Puts a cart's order into the shop, and returns the order's number.
export async function accept(db, cart) {
  const { rows } = await db.query({ name: 'accept', text: ACCEPT, values: [cart, CONTACT, ADDRESS] });
  if (rows.length !== 1) throw new Error(`cart ${cart} is not open`);
  return rows[0].id;
}

// The steps of one process on one pool of connections. `report(what, order)` takes an order once the
// commit that says so is answered: 'confirmed', 'cancelled', 'sent'.
export class Steps {
  #pool;
  #report;

  constructor(pool, report) {
    this.#pool = pool;
    this.#report = report;
  }

  // Runs a step in a transaction of its own. False: the order is cancelled, nothing else is left to do.
  async run(step, order) {
    const reference = await this.#charge(step, order);
    return this.#reported(step, order, await query(this.#pool, step, order, reference));
  }

  // Runs a step, and `also(connection)` in the same transaction unless the order is cancelled.
  async runAnd(step, order, also) {
    const reference = await this.#charge(step, order);
    const goOn = await transaction(this.#pool, async (connection) => {
      const goOn = await query(connection, step, order, reference);
      if (goOn) await also(connection);
      return goOn;
    });
    return this.#reported(step, order, goOn);
  }

  // Runs a step, and says in the same transaction that the order has come so far.
  async runAndSave(step, order) {
    const reference = await this.#charge(step, order);
    return this.#reported(step, order, await query(this.#pool, step, order, reference, true));
  }

  // The last step that was saved, if any.
  async saved(order) {
    const text = 'select step from order_steps where order_id = $1';
    const { rows } = await this.#pool.query({ name: 'saved', text, values: [order] });
    return rows[0]?.step;
  }

  // The intent is durable before the money moves, and no transaction is open while it does.
  async #charge(step, order) {
    if (step !== 'take_payment') return undefined;
    await query(this.#pool, 'intend_payment', order);
    return charge(order);
  }

  #reported(step, order, goOn) {
    if (!goOn) this.#report('cancelled', order);
    else if (step === 'confirm_order') this.#report('confirmed', order);
    else if (step === 'notify') this.#report('sent', order);
    return goOn;
  }
}

// Runs `work(connection)` in one transaction.
export async function transaction(pool, work) {
  const connection = await pool.connect();
  let broken;
  try {
    await connection.query('begin');
    const done = await work(connection);
    await connection.query('commit');
    return done;
  } catch (error) {
    await connection.query('rollback').catch((lost) => (broken = lost));
    throw error;
  } finally {
    connection.release(broken);
  }
}

// A payment provider in the process: it always says yes, and knows the order by its key.
async function charge(order) {
  return `ch_order-${order}`;
}

async function query(db, step, order, reference, save = false) {
  const [expressions, statement] = SQL[step];
  const values = reference === undefined ? [order] : [order, reference];
  const saved = `saved as (
        insert into order_steps values ($1, '${step}') on conflict (order_id) do update set step = excluded.step
    )`;
  const all = [save && saved, expressions].filter(Boolean);
  const text = (all.length ? `with ${all.join(', ')}\n` : '') + statement;
  const { rows } = await db.query({ name: save ? `${step}_and_save` : step, text, values });
  return rows[0]?.go_on ?? true;
}
