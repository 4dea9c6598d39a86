//! The catalogue by hand: who was first, what is kept, what is refused.

use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::records::{Product, Stock};
use holdfast_saga::shop::catalog::{Expect, NAME_MAX, PRICE_MAX, Put, Refused, put_product, version};
use holdfast_saga::shop::stock_adjustment::{self, Adjust, adjust};
use holdfast_shared::{Currency, Money};

use crate::shop::{Shop, sku};

fn product(name: &str, amount_minor: i64) -> Product {
    Product {
        sku: sku("lp-1"),
        name: name.to_owned(),
        price: Money::new(amount_minor, Currency::EUR),
        active: true,
    }
}

async fn put(shop: &Shop, product: Product, expect: Expect) -> Result<Put, Refused> {
    put_product(&*shop.store, product, expect, "otto").await.expect("the store answers")
}

async fn found(shop: &Shop) -> Option<Product> {
    let filter = ProductFilter { skus: vec![sku("lp-1")], limit: 1, ..ProductFilter::default() };
    shop.store.products(&filter).await.expect("reads").pop()
}

/// What the audit trail says of the catalogue.
async fn trail(shop: &Shop) -> Vec<String> {
    let tables = format!("{:#?}", shop.memory.snapshot().await);
    tables
        .lines()
        .filter(|line| line.contains("detail: \"created") || line.contains("; before: "))
        .map(str::trim)
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_product_comes_with_an_empty_stock_level_and_is_changed_by_whoever_saw_it_last() {
    let shop = Shop::open().await;
    let (first, second) = (product("Blue", 1_999), product("Kind of Blue", 2_499));
    let missing = put(&shop, first.clone(), Expect::Is(version(&first))).await;
    assert_eq!(missing, Err(Refused::Changed { sku: sku("lp-1"), found: None }));
    assert_eq!(found(&shop).await, None);

    assert_eq!(
        put(&shop, first.clone(), Expect::Absent).await,
        Ok(Put { product: first.clone(), created: true })
    );
    assert_eq!(found(&shop).await.as_ref(), Some(&first));
    assert_eq!(
        shop.store.stock(Some(&sku("lp-1")), 1).await.expect("reads"),
        [(sku("lp-1"), Stock::default())]
    );
    let taken = Err(Refused::Changed { sku: sku("lp-1"), found: Some(version(&first)) });
    assert_eq!(put(&shop, second.clone(), Expect::Absent).await, taken);

    let changed = put(&shop, second.clone(), Expect::Is(version(&first))).await;
    assert_eq!(changed, Ok(Put { product: second.clone(), created: false }));
    let late = Err(Refused::Changed { sku: sku("lp-1"), found: Some(version(&second)) });
    assert_eq!(put(&shop, first.clone(), Expect::Is(version(&first))).await, late);
    assert_eq!(found(&shop).await.as_ref(), Some(&second));

    let trail_before = trail(&shop).await;
    assert_eq!(trail_before.len(), 2, "{trail_before:?}");
    let same = put(&shop, second.clone(), Expect::Any).await;
    assert_eq!(same, Ok(Put { product: second, created: false }));
    assert_eq!(trail(&shop).await, trail_before, "nothing was done, so nothing is logged");
    shop.assert_clean("a new product").await;
}

#[tokio::test]
async fn putting_a_product_never_touches_what_is_on_its_shelf() {
    let mut shop = Shop::open().await;
    shop.stock("lp-1", 3).await;
    put(&shop, product("Blue", 1), Expect::Any).await.expect("is put");
    assert_eq!(shop.level("lp-1").await, (3, 0));
}

#[tokio::test]
async fn a_product_has_a_name_and_a_price_that_can_be_paid() {
    let shop = Shop::open().await;
    for (bad, code) in [
        (product("", 1), "invalid_name"),
        (product("  ", 1), "invalid_name"),
        (product(&"ü".repeat(NAME_MAX + 1), 1), "invalid_name"),
        (product("Blue", -1), "invalid_price"),
        (product("Blue", PRICE_MAX + 1), "invalid_price"),
    ] {
        let refused = put(&shop, bad.clone(), Expect::Any).await.expect_err("is refused");
        assert_eq!(refused.code(), code, "{bad:?}");
    }
    assert_eq!(found(&shop).await, None);
    for good in [product(&"ü".repeat(NAME_MAX), 0), product("B", PRICE_MAX)] {
        put(&shop, good, Expect::Any).await.expect("is put");
    }
    let (lines, pieces) = (holdfast_saga::shop::cart::LINES_MAX, holdfast_saga::shop::cart::QUANTITY_MAX);
    let fullest = i64::try_from(lines).expect("fits") * i64::from(pieces);
    assert!(PRICE_MAX.checked_mul(fullest).is_some(), "the fullest cart still adds up");
}

#[test]
fn a_version_changes_with_everything_a_product_says() {
    let plain = product("Blue", 1_999);
    let others = [
        Product { sku: sku("lp-2"), ..plain.clone() },
        Product { name: "Green".to_owned(), ..plain.clone() },
        Product { price: Money::new(2_000, Currency::EUR), ..plain.clone() },
        Product { price: Money::new(1_999, Currency::USD), ..plain.clone() },
        Product { active: false, ..plain.clone() },
    ];
    assert_eq!(version(&plain), version(&plain.clone()));
    for other in others {
        assert_ne!(version(&plain), version(&other), "{other:?}");
    }
}

#[tokio::test]
async fn a_level_is_adjusted_only_as_it_was_seen() {
    let mut shop = Shop::open().await;
    shop.stock("lp-1", 3).await;
    let seen = stock_adjustment::version(&Stock { on_hand: 3, reserved: 0 });
    let asked = Adjust {
        sku: sku("lp-1"),
        delta: 2,
        reason: "counted".to_owned(),
        actor: "otto".to_owned(),
        expect: Some(seen),
    };
    let first = adjust(&*shop.store, &asked).await.expect("the store answers");
    assert_eq!(first, Ok(Stock { on_hand: 5, reserved: 0 }));
    let second = adjust(&*shop.store, &asked).await.expect("the store answers");
    assert!(matches!(
        second,
        Err(stock_adjustment::Refused::Changed { level: Stock { on_hand: 5, .. }, .. })
    ));
    shop.assert_clean("adjusted once").await;
}
