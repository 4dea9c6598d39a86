//! The one writer: transactions that `SQLite` ends by itself, and turns.

use std::sync::Arc;

use holdfast_saga::ports::{Store as _, StoreError};
use holdfast_saga::records::StockMove;
use holdfast_saga::records::batch_rows::Writes;

use crate::shop::{NOW, Shop, cart, cart_id, saga, saga_id, sku, with_sagas};

#[tokio::test]
async fn a_transaction_that_sqlite_itself_rolls_back_does_not_jam_the_writer() {
    // A full disk does the same as this trigger: it ends the transaction behind the driver's back.
    let shop = Shop::open().await;
    shop.execute("create trigger t before insert on carts begin select raise(rollback, 'gone'); end").await;
    for _ in 0..3 {
        let writes = Writes { put_carts: [(cart_id(1), cart(1))].into(), ..with_sagas([saga(saga_id(1))]) };
        let error = shop.try_save(writes).await.expect_err("is rolled back");
        assert!(matches!(error, StoreError::Data(_)), "{error:?}");
    }
    assert_eq!(shop.number("select count(*) from sagas").await, 0);
    shop.save(with_sagas([saga(saga_id(1))])).await;
    assert_eq!(shop.number("select count(*) from sagas").await, 1);
}

#[tokio::test]
async fn writers_take_turns_and_none_is_lost() {
    let shop = Arc::new(Shop::open().await);
    let adding = (0..40).map(|_| {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            let tx = shop.store.begin().await.expect("begins");
            let stock = [(sku("cd-1"), StockMove { on_hand: 1, reserved: 0 })].into();
            tx.save(&Writes { at: NOW, stock, ..Writes::default() }).await.expect("saves");
        })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.expect("adds");
    }
    assert_eq!(shop.number("select on_hand from stock").await, 40);
}
