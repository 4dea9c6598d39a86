//! The products of a new shop.

use holdfast_saga::ports::Store;
use holdfast_saga::records::Product;
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::shop::catalog::{Expect, put_product};
use holdfast_saga::shop::stock_adjustment::{Adjust, adjust};
use holdfast_shared::{Actor, Currency, Money};

/// SKU, name, price in euro cents, and pieces. The print is there to run out.
const SHELF: [(&str, &str, i64, i64); 4] = [
    ("mug-01", "Mug, blue", 1_299, 100),
    ("mug-02", "Mug, white", 1_199, 100),
    ("tee-01", "T-shirt, black", 2_490, 50),
    ("print-01", "Limited print", 4_900, 3),
];

/// Stocks an empty shop, and returns the number of products. A shop with any product stays as it is.
pub(super) async fn stock(store: &dyn Store) -> anyhow::Result<usize> {
    let any = ProductFilter { limit: 1, ..ProductFilter::default() };
    if !store.products(&any).await?.is_empty() {
        return Ok(0);
    }
    let by = Actor::Operator("holdfast up".to_owned());
    for (sku, name, price, pieces) in SHELF {
        let sku: holdfast_shared::Sku = sku.parse()?;
        let price = Money::new(price, Currency::EUR);
        let product = Product { sku: sku.clone(), name: name.to_owned(), price, active: true };
        put_product(store, product, Expect::Any, &by.to_string()).await??;
        let adjustment = Adjust {
            sku,
            delta: pieces,
            reason: "opening stock".to_owned(),
            actor: by.to_string(),
            expect: None,
            dedupe: None,
        };
        adjust(store, &adjustment).await??;
    }
    Ok(SHELF.len())
}
