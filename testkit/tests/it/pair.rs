//! Two engines on one Postgres, each with connections of its own, under one clock that the test owns.

use std::sync::Arc;

use holdfast_saga::engine::batch::Engine;
use holdfast_saga::ports::{Gateways, Store};
use holdfast_sandbox::MemorySandbox;
use holdfast_shared::{ManualClock, OrderId};
use holdfast_testkit::database::{Database, noon_clock};
use holdfast_testkit::driver::{self, LEASE, batch, engine, outside, sweep};
use holdfast_testkit::shop::Shop;

pub(crate) struct Pair {
    pub(crate) database: Database,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) shop: Shop,
    /// The same shop, through the second engine's connections.
    pub(crate) other: Shop,
    pub(crate) one: Engine,
    pub(crate) two: Engine,
    pub(crate) sandbox: Arc<MemorySandbox>,
    pub(crate) outside: Gateways,
}

impl Pair {
    /// A shop with a thousand of `cd-1`.
    pub(crate) async fn open() -> Self {
        let clock = noon_clock();
        let database = Database::postgres_used_before(clock.clone()).await;
        let second: Arc<dyn Store> = Arc::new(database.on_postgres().store().await.with_clock(clock.clone()));
        let (sandbox, outside) = outside();
        let shop = Shop::new(Arc::clone(&database.store));
        shop.stock("cd-1", 1_000).await;
        Self {
            one: engine(&shop.store, "one"),
            two: engine(&second, "two"),
            other: Shop::new(second),
            shop,
            database,
            clock,
            sandbox,
            outside,
        }
    }

    /// Orders of one `cd-1` each.
    pub(crate) async fn orders(&self, count: usize, token: Option<&str>) -> Vec<OrderId> {
        self.shop.orders(count, &[("cd-1", 1)], token).await
    }

    /// One of them, and the call that the first engine has leased it for.
    pub(crate) async fn order_before_its_charge(&self) -> (OrderId, holdfast_saga::records::call::Call) {
        let order = self.orders(1, Some("tok_ok")).await[0];
        let mut calls = batch(&self.one, sweep(vec![])).await.calls;
        assert_eq!(calls.len(), 1);
        (order, calls.remove(0))
    }

    /// Moves the clock past every lease.
    pub(crate) fn after_the_lease(&self) {
        self.clock.advance(LEASE);
    }

    /// Runs everything to its end.
    pub(crate) async fn rest(&self) {
        driver::rest(&self.two, &self.other, &self.clock, &self.outside).await;
    }

    /// Every promise holds.
    pub(crate) async fn assert_clean(&self) {
        self.shop.assert_clean(&self.outside).await;
    }
}
