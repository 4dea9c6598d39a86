//! M13 and M14: which amounts are asked of a provider, and what becomes of one that it takes instead.

use holdfast_saga::ports::ProviderAmounts;
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout::{self, CheckoutRequest, Refused};
use holdfast_saga::shop::order::{self, Grant, Verb};
use holdfast_shared::{
    CancelReason, Currency, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, SagaState,
};
use holdfast_test_bank::AMOUNTS;

use crate::bank::{at, sums};
use crate::shop::{Shop, admin, bank};

fn currency(code: &str) -> Currency {
    code.parse().expect("a currency")
}

/// Checks a cart out with one piece at this price, by this method.
async fn buy(shop: &mut Shop, price: Money, method: PaymentMethod, token: &str) -> Result<OrderId, Refused> {
    let name = format!("at-{}-{}", price.amount_minor, price.currency.as_str().to_lowercase());
    shop.stock_at(&name, 5, price).await;
    let cart = shop.cart(&[(&name, 1)]).await;
    let request = CheckoutRequest { method, ..shop.request(cart, Some(token)) };
    let answers = checkout::accept(&*shop.store, &shop.policy, &[request]).await.expect("the store answers");
    answers[0].clone().map(|accepted| accepted.order)
}

/// How the order stands, and how much was taken for it.
async fn standing(shop: &Shop, order: OrderId) -> (OrderStatus, i64) {
    let view = shop.view(order).await;
    (view.order.status, view.payment.expect("has a payment").captured_minor)
}

#[tokio::test]
async fn m13_an_amount_that_the_provider_cannot_take_is_refused_at_the_door() {
    let (mut shop, wire, _) = at(bank()).await;
    for (minor, code, why) in [
        (49, "EUR", "0.49 EUR is less than 0.50 EUR, the least that can be taken"),
        (1_005, "KWD", "1.005 KWD is not a multiple of 0.010 KWD"),
        (1_000, "HUF", "HUF is not taken"),
    ] {
        let refused =
            buy(&mut shop, Money::new(minor, currency(code)), PaymentMethod::Card, "bank_pays").await;
        let refused = refused.expect_err("is refused");
        assert_eq!(refused.code(), "amount_not_payable");
        let message = format!("this cannot be paid by card: {why}; choose another payment method");
        assert_eq!(refused.to_string(), message);
    }
    assert_eq!((shop.sagas().await.len(), wire.bank().opened()), (0, 0), "nothing was changed");
    // What no provider is asked for, the courier may take.
    buy(&mut shop, Money::new(49, Currency::EUR), PaymentMethod::Cod, "").await.expect("is accepted");
}

#[tokio::test]
async fn m13_amounts_are_written_as_the_provider_writes_them_and_read_back() {
    let (mut shop, wire, _) = at(bank()).await;
    for (minor, code, at_the_bank) in [(500, "ISK", 50_000), (1_230, "KWD", 1_230), (50, "EUR", 50)] {
        let (taken, back) = sums(&wire);
        let price = Money::new(minor, currency(code));
        let order = buy(&mut shop, price, PaymentMethod::Card, "bank_pays").await.expect("is accepted");
        shop.rest().await;
        assert_eq!(standing(&shop, order).await, (OrderStatus::Confirmed, minor), "{code}");
        assert_eq!(sums(&wire), (taken + at_the_bank, back), "{code}");
        shop.accepted(order, Verb::Cancel, &admin()).await;
        shop.rest().await;
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled, "{code}");
        assert_eq!(sums(&wire), (taken + at_the_bank, back + at_the_bank), "{code}");
    }
    shop.assert_clean("all currencies").await;
}

#[tokio::test]
async fn m13_a_refund_that_the_provider_has_no_coin_for_is_refused_at_the_door() {
    let (mut shop, wire, _) = at(bank()).await;
    let price = Money::new(1_230, currency("KWD"));
    let order = buy(&mut shop, price, PaymentMethod::Card, "bank_pays").await.expect("is accepted");
    shop.rest().await;
    let amounts: ProviderAmounts = [(holdfast_test_bank::NAME.to_owned(), AMOUNTS)].into();
    let give_back = async |minor| {
        let amount = Some(Money::new(minor, price.currency));
        let grant = Grant { amount, reason: "scratched".to_owned(), dedupe: None };
        order::refund(&*shop.store, order, grant, &admin(), &amounts).await.expect("the store answers")
    };
    let refused = give_back(235).await.expect_err("is refused").to_string();
    assert_eq!(refused, "bank cannot give that back: 0.235 KWD is not a multiple of 0.010 KWD");
    // Less than it takes for an order can go back.
    give_back(30).await.expect("is accepted");
    shop.rest().await;
    assert_eq!(sums(&wire), (1_230, 30));
}

#[tokio::test]
async fn m13_another_amount_than_the_orders_is_given_back_whole_and_the_order_is_undone() {
    for (token, taken) in
        [("bank_takes_less", 2_999), ("bank_takes_more", 3_001), ("bank_takes_dollars", 3_000)]
    {
        let (mut shop, wire, _) = at(bank()).await;
        let order = shop.card(token).await;
        shop.rest().await;
        let view = shop.view(order).await;
        assert_eq!(view.order.status, OrderStatus::Cancelled, "{token}");
        assert_eq!(sums(&wire), (taken, taken), "{token}");
        let saga = shop.saga(order.saga(slot::CHECKOUT)).await;
        assert_eq!(saga.state, SagaState::Compensated, "{token}");
        let why = saga.progress.error.expect("says why");
        assert!(why.contains("the order costs 30.00 EUR"), "{token}: {why}");
        assert_eq!(view.payment.expect("was taken").status, PaymentStatus::Refunded, "{token}");
    }
}

#[tokio::test]
async fn m14_an_order_that_costs_nothing_is_confirmed_without_a_payment_or_a_call() {
    let free = Money::new(0, Currency::EUR);
    for (method, token) in [
        (PaymentMethod::Card, "tok_declined"),
        (PaymentMethod::Card, ""),
        (PaymentMethod::Paypal, "tok_requires_action"),
        (PaymentMethod::Cod, ""),
        (PaymentMethod::None, ""),
    ] {
        let mut shop = Shop::open().await;
        // Whoever takes money is not needed.
        shop.policy.payments.clear();
        let order = buy(&mut shop, free, method, token).await.expect("is accepted");
        let placed = shop.view(order).await.order;
        assert_eq!((placed.method, placed.status), (PaymentMethod::None, OrderStatus::PendingPayment));
        let done = shop.batch(Vec::new()).await;
        assert!(done.calls.iter().all(|call| call.request.payment().is_none()), "{method}");
        shop.rest().await;
        let view = shop.view(order).await;
        assert_eq!((view.order.status, view.payment), (OrderStatus::Confirmed, None), "{method}");
        let saga = shop.saga(order.saga(slot::CHECKOUT)).await;
        assert_eq!((&*saga.definition.name, saga.context.token()), ("checkout_free", None), "{method}");
        assert!(shop.statement().await.is_empty(), "{method}");
        shop.assert_clean("a free order").await;
    }
}

#[tokio::test]
async fn m14_undoing_an_order_that_cost_nothing_asks_nobody_for_money() {
    let mut shop = Shop::open().await;
    let free = Money::new(0, Currency::EUR);
    let order = buy(&mut shop, free, PaymentMethod::Card, "tok_ok").await.expect("is accepted");
    shop.rest().await;
    let grant = Grant { amount: None, reason: "a gift".to_owned(), dedupe: None };
    let refused = order::refund(&*shop.store, order, grant, &admin(), &ProviderAmounts::new()).await;
    let refused = refused.expect("the store answers").expect_err("is refused").to_string();
    assert_eq!(refused, format!("order {order} cost nothing; there is nothing to give back"));
    shop.outside.payments = holdfast_saga::ports::Providers::default();
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.rest().await;
    let view = shop.view(order).await;
    assert_eq!((view.order.status, view.payment), (OrderStatus::Cancelled, None));
    assert_eq!(view.order.cancel_reason, Some(CancelReason::AdminRequest));
    shop.assert_clean("a free order undone").await;
}

#[tokio::test]
async fn m14_a_buyer_cannot_choose_to_pay_nothing() {
    let mut shop = Shop::open().await;
    let price = Money::new(1_000, Currency::EUR);
    let refused = buy(&mut shop, price, PaymentMethod::None, "").await.expect_err("is refused");
    assert_eq!(refused, Refused::NotFree(price));
    assert_eq!(refused.code(), "payment_method_missing");
}

#[tokio::test]
async fn m14_a_line_that_costs_nothing_moves_goods_and_no_money() {
    let mut shop = Shop::open().await;
    shop.stock_at("gift", 5, Money::new(0, Currency::EUR)).await;
    let order = shop.order_of(&[("cd-1", 1), ("gift", 1)], Some("tok_ok")).await;
    shop.rest().await;
    assert_eq!(standing(&shop, order).await, (OrderStatus::Confirmed, 1_000));
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.rest().await;
    let moved: Vec<_> =
        shop.statement().await.iter().map(|line| (line.captured_minor, line.refunded_minor)).collect();
    assert_eq!(moved, [(1_000, 1_000)]);
    shop.assert_clean("with a gift").await;
}
