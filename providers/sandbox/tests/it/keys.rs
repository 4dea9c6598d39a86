//! One key, one movement of money, for as long as the key is remembered.

use std::time::Duration;

use holdfast_saga::ports::Fault;
use holdfast_sandbox::{ChargeState, KEY_TTL};
use holdfast_shared::{Currency, Money};

use crate::{captured, charge, declined, eur, line, on_each, refund, statement};

#[tokio::test]
async fn a_charge_repeated_under_its_key_moves_nothing() {
    on_each(async |sandbox, clock| {
        let state = captured(&charge(1), eur(100), 0);
        for token in ["tok_ok", "tok_ok", "tok_declined", "tok_down", "tok_timeout", "else"] {
            assert_eq!(sandbox.charge(&charge(1), eur(100), token).await, Ok(state.clone()), "{token}");
            clock.advance(Duration::from_hours(4));
        }
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 0)]);
    })
    .await;
}

#[tokio::test]
async fn a_key_used_for_another_amount_is_refused_and_moves_nothing() {
    on_each(async |sandbox, _| {
        for (order, token) in [(1, "tok_ok"), (2, "tok_declined"), (3, "tok_requires_action")] {
            let first = sandbox.charge(&charge(order), eur(100), token).await.expect("answered");
            for other in [eur(101), Money::new(100, Currency::USD)] {
                let answer = sandbox.charge(&charge(order), other, token).await;
                assert!(matches!(answer, Err(Fault::Refused(_))), "{answer:?}");
            }
            assert_eq!(sandbox.find(&charge(order)).await, Ok(Some(first)));
        }
        assert_eq!(
            statement(sandbox).await,
            [line(&charge(1), 100, 0), line(&charge(2), 0, 0), line(&charge(3), 0, 0)]
        );
    })
    .await;
}

#[tokio::test]
async fn a_charge_that_comes_after_its_void_moves_nothing() {
    on_each(async |sandbox, clock| {
        assert_eq!(sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
        for token in ["tok_ok", "tok_timeout", "tok_flaky", "tok_down"] {
            assert_eq!(sandbox.charge(&charge(1), eur(100), token).await, Ok(ChargeState::Voided), "{token}");
            // A void outlives the memory of keys: it was asked for so that nothing ever moves.
            clock.advance(KEY_TTL);
        }
        assert_eq!(sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
        assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(ChargeState::Voided)));
        assert_eq!(statement(sandbox).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_void_leaves_captured_money_and_reports_it() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("captured");
        sandbox.give_back(&refund(1), &charge(1), 30).await.expect("refunded");
        assert_eq!(sandbox.void(&charge(1)).await, Ok(captured(&charge(1), eur(100), 30)));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 30)]);
    })
    .await;
}

#[tokio::test]
async fn a_refund_repeated_under_its_key_moves_nothing() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("captured");
        sandbox.charge(&charge(2), eur(100), "tok_ok").await.expect("captured");
        for _ in 0..3 {
            assert_eq!(sandbox.give_back(&refund(1), &charge(1), 60).await, Ok(()));
        }
        for (of, amount_minor) in [(charge(1), 61), (charge(2), 60)] {
            let answer = sandbox.give_back(&refund(1), &of, amount_minor).await;
            assert!(matches!(answer, Err(Fault::Refused(_))), "{answer:?}");
        }
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 60), line(&charge(2), 100, 0)]);
    })
    .await;
}

#[tokio::test]
async fn a_refund_too_many_shows_in_the_ledger() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("captured");
        for order in 1..=2 {
            assert_eq!(sandbox.give_back(&refund(order), &charge(1), 100).await, Ok(()));
        }
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 200)]);
    })
    .await;
}

#[tokio::test]
async fn a_charge_without_money_gives_none_back() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(2), eur(100), "tok_declined").await.expect("declined");
        sandbox.charge(&charge(3), eur(100), "tok_requires_action").await.expect("waits");
        sandbox.void(&charge(4)).await.expect("voided");
        sandbox.charge(&charge(5), eur(100), "tok_ok").await.expect("captured");
        for (order, amount_minor) in [(1, 100), (2, 100), (3, 100), (4, 100), (5, 0), (5, -100)] {
            let answer = sandbox.give_back(&refund(order), &charge(order), amount_minor).await;
            assert!(matches!(answer, Err(Fault::Refused(_))), "order {order}: {answer:?}");
        }
        assert!(statement(sandbox).await.iter().all(|line| line.refunded_minor == 0));
    })
    .await;
}

#[tokio::test]
async fn amounts_that_cannot_be_taken_or_counted_are_refused() {
    on_each(async |sandbox, clock| {
        assert!(sandbox.charge(&charge(1), eur(-1), "tok_ok").await.is_err());
        assert!(sandbox.charge(&charge(2), eur(i64::MAX), "tok_ok").await.is_ok());
        assert!(sandbox.give_back(&refund(2), &charge(2), i64::MAX).await.is_ok());
        clock.advance(KEY_TTL);
        assert!(sandbox.charge(&charge(2), eur(i64::MAX), "tok_ok").await.is_err());
        assert!(sandbox.give_back(&refund(2), &charge(2), i64::MAX).await.is_err());
        assert_eq!(statement(sandbox).await, [line(&charge(2), i64::MAX, i64::MAX)]);
    })
    .await;
}

/// Rule E10: this is why a charge as old as the provider's memory is looked up and never sent again.
#[tokio::test]
async fn a_forgotten_key_takes_and_gives_again() {
    on_each(async |sandbox, clock| {
        assert_eq!(sandbox.key_ttl(), KEY_TTL);
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("captured");
        sandbox.give_back(&refund(1), &charge(1), 40).await.expect("refunded");

        clock.advance(KEY_TTL.saturating_sub(Duration::from_micros(1)));
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("remembered");
        sandbox.give_back(&refund(1), &charge(1), 40).await.expect("remembered");
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 40)]);

        clock.advance(Duration::from_micros(1));
        assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(captured(&charge(1), eur(100), 40))));
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("forgotten");
        sandbox.give_back(&refund(1), &charge(1), 40).await.expect("forgotten");
        assert_eq!(statement(sandbox).await, [line(&charge(1), 200, 80)]);

        // From here on both keys are known again.
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("remembered");
        sandbox.give_back(&refund(1), &charge(1), 40).await.expect("remembered");
        assert_eq!(statement(sandbox).await, [line(&charge(1), 200, 80)]);
    })
    .await;
}

#[tokio::test]
async fn money_taken_under_a_forgotten_key_stays_whatever_is_sent_under_it() {
    on_each(async |sandbox, clock| {
        sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect("captured");
        clock.advance(KEY_TTL);
        for token in ["tok_declined", "tok_requires_action", "else"] {
            let answer = sandbox.charge(&charge(1), eur(100), token).await;
            assert_eq!(answer, Ok(declined("it has been paid before")), "{token}");
        }
        assert!(sandbox.charge(&charge(1), Money::new(100, Currency::USD), "tok_ok").await.is_err());
        assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(captured(&charge(1), eur(100), 0))));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 0)]);
    })
    .await;
}
