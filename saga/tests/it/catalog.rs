//! The catalogue by hand: who was first, what is kept, what is refused.

use holdfast_saga::records::context::Dedupe;
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::records::{Product, Stock, Versions};
use holdfast_saga::shop::catalog::{
    Expect, NAME_MAX, PRICE_MAX, Put, PutProduct, Refused, put_product, version,
};
use holdfast_saga::shop::stock_adjustment::{self, Adjust, adjust};
use holdfast_shared::{Currency, Money};

use crate::shop::{Shop, sku};

/// The version of a product that was put `times` times.
fn p(times: i64) -> String {
    version(Versions { stock: 0, product: times })
}

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
    let missing = put(&shop, first.clone(), Expect::Is(p(1))).await;
    assert_eq!(missing, Err(Refused::Changed { sku: sku("lp-1"), found: None }));
    assert_eq!(found(&shop).await, None);

    assert_eq!(
        put(&shop, first.clone(), Expect::Absent).await,
        Ok(Put { product: first.clone(), version: p(1), created: true })
    );
    assert_eq!(found(&shop).await.as_ref(), Some(&first));
    assert_eq!(
        shop.store.stock(Some(&sku("lp-1")), 1).await.expect("reads"),
        [(sku("lp-1"), Stock::default())]
    );
    let taken = Err(Refused::Changed { sku: sku("lp-1"), found: Some(p(1)) });
    assert_eq!(put(&shop, second.clone(), Expect::Absent).await, taken);

    let changed = put(&shop, second.clone(), Expect::Is(p(1))).await;
    assert_eq!(changed, Ok(Put { product: second.clone(), version: p(2), created: false }));
    let late = Err(Refused::Changed { sku: sku("lp-1"), found: Some(p(2)) });
    assert_eq!(put(&shop, first.clone(), Expect::Is(p(1))).await, late);
    assert_eq!(found(&shop).await.as_ref(), Some(&second));

    let trail_before = trail(&shop).await;
    assert_eq!(trail_before.len(), 2, "{trail_before:?}");
    let same = put(&shop, second.clone(), Expect::Any).await;
    assert_eq!(same, Ok(Put { product: second, version: p(2), created: false }));
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

#[tokio::test]
async fn f19_a_version_never_returns() {
    let shop = Shop::open().await;
    let (blue, green) = (product("Blue", 1_999), product("Green", 1_999));
    for (number, next) in [&blue, &green, &blue, &green].into_iter().enumerate() {
        let put = put(&shop, next.clone(), Expect::Any).await.expect("is put");
        assert_eq!(put.version, p(i64::try_from(number).expect("fits") + 1));
    }
}

#[tokio::test]
async fn f19_a_product_is_put_on_sale_only_if_somebody_says_so() {
    let shop = Shop::open().await;
    let change = |active| PutProduct {
        sku: sku("lp-1"),
        name: "Blue".to_owned(),
        price: Money::new(1_999, Currency::EUR),
        active,
    };
    for (active, expected) in
        [(None, true), (Some(false), false), (None, false), (Some(true), true), (None, true)]
    {
        let put = put_product(&*shop.store, change(active), Expect::Any, "otto").await;
        assert_eq!(put.expect("the store answers").expect("is put").product.active, expected, "{active:?}");
    }
}

#[tokio::test]
async fn a_level_is_adjusted_only_as_it_was_seen() {
    let mut shop = Shop::open().await;
    shop.stock("lp-1", 3).await;
    let versions = shop.store.versions(&sku("lp-1")).await.expect("the store answers").expect("a level");
    let seen = stock_adjustment::version(versions);
    let asked = Adjust {
        sku: sku("lp-1"),
        delta: 2,
        reason: "counted".to_owned(),
        actor: "otto".to_owned(),
        expect: Some(seen),
        dedupe: None,
    };
    let first = adjust(&*shop.store, &asked).await.expect("the store answers");
    assert_eq!(first.map(|adjusted| adjusted.level), Ok(Stock { on_hand: 5, reserved: 0 }));
    let second = adjust(&*shop.store, &asked).await.expect("the store answers");
    assert!(matches!(
        second,
        Err(stock_adjustment::Refused::Changed { level: Stock { on_hand: 5, .. }, .. })
    ));
    shop.assert_clean("adjusted once").await;
}

#[tokio::test]
async fn f15_an_adjustment_under_one_key_is_booked_once() {
    let mut shop = Shop::open().await;
    shop.stock("lp-1", 3).await;
    let asked = |delta, key: u128, body: u128| Adjust {
        sku: sku("lp-1"),
        delta,
        reason: "counted".to_owned(),
        actor: "otto".to_owned(),
        expect: None,
        dedupe: Some(Dedupe { key: uuid::Uuid::from_u128(key), body: uuid::Uuid::from_u128(body) }),
    };
    let ask = async |asked: Adjust| adjust(&*shop.store, &asked).await.expect("the store answers");
    let first = ask(asked(5, 1, 1)).await.expect("adjusted");
    assert_eq!((first.level.on_hand, first.replayed), (8, false));
    // Five are sold in between: the same request again is still the same request.
    ask(asked(-5, 2, 2)).await.expect("adjusted");
    let again = ask(asked(5, 1, 1)).await.expect("known");
    assert_eq!((again.level.on_hand, again.replayed), (3, true));
    assert_eq!(ask(asked(7, 1, 3)).await, Err(stock_adjustment::Refused::KeyReused(sku("lp-1"))));
    // A refusal is not remembered.
    assert!(ask(asked(-9, 4, 4)).await.is_err());
    assert!(ask(asked(9, 4, 5)).await.is_ok());
    assert_eq!(shop.level("lp-1").await, (12, 0));
    shop.assert_clean("adjusted under keys").await;
}
