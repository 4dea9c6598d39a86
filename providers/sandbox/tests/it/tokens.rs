//! What each token does.

use holdfast_saga::ports::Fault;
use holdfast_sandbox::{ChargeState, MemorySandbox, SandboxControl, Token};
use holdfast_shared::StepKey;

use crate::{
    NO_ANSWER, captured, charge, clock, declined, eur, key_prefix, line, on_durable, on_each, refund,
    statement,
};

#[tokio::test]
async fn a_token_is_known_by_its_exact_text() {
    for token in Token::ALL {
        assert_eq!(Token::named(token.as_str()), Some(token));
    }
    on_each(async |sandbox, _| {
        for (order, token) in (1..).zip(["", "tok_ok-17", "TOK_OK", " tok_ok", "4242"]) {
            let answer = sandbox.charge(&charge(order), eur(100), token).await;
            assert_eq!(answer, Ok(declined("unknown token")), "{token:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn tok_ok_is_captured() {
    on_each(async |sandbox, _| {
        let state = captured(&charge(1), eur(1_999), 0);
        assert_eq!(sandbox.charge(&charge(1), eur(1_999), "tok_ok").await, Ok(state.clone()));
        assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(state)));
        assert_eq!(sandbox.find(&charge(2)).await, Ok(None));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 1_999, 0)]);
    })
    .await;
}

#[tokio::test]
async fn tok_declined_is_declined_and_stored() {
    on_each(async |sandbox, _| {
        let state = declined("the card was declined");
        assert_eq!(sandbox.charge(&charge(1), eur(1_999), "tok_declined").await, Ok(state.clone()));
        assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(state.clone())));
        assert_eq!(sandbox.void(&charge(1)).await, Ok(state));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 0, 0)]);
    })
    .await;
}

#[tokio::test]
async fn tok_timeout_takes_the_money_and_loses_the_answer() {
    let memory = MemorySandbox::new(clock());
    let answer = memory.charge(&charge(1), eur(500), "tok_timeout").await;
    assert!(matches!(answer, Err(Fault::Unclear(_))), "{answer:?}");

    known_after_all(&memory).await;

    on_durable(async |sandbox, _| {
        let key = charge(1);
        let waiting = sandbox.charge(&key, eur(500), "tok_timeout");
        assert!(tokio::time::timeout(NO_ANSWER, waiting).await.is_err(), "it must never answer");
        known_after_all(sandbox).await;
    })
    .await;
}

async fn known_after_all(sandbox: &dyn SandboxControl) {
    let state = captured(&charge(1), eur(500), 0);
    assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(state.clone())));
    assert_eq!(sandbox.charge(&charge(1), eur(500), "tok_timeout").await, Ok(state), "a repeat answers");
}

#[tokio::test]
async fn tok_flaky_fails_twice_for_an_order_whatever_the_generation() {
    on_each(async |sandbox, _| {
        for generation in 1..=2 {
            let key = StepKey::new(&key_prefix(1), "pay", generation);
            let answer = sandbox.charge(&key, eur(100), "tok_flaky").await;
            assert!(matches!(answer, Err(Fault::Refused(_))), "{answer:?}");
            assert_eq!(sandbox.find(&key).await, Ok(None));
        }
        let another = sandbox.charge(&charge(2), eur(100), "tok_flaky").await;
        assert!(matches!(another, Err(Fault::Refused(_))), "another order counts for itself: {another:?}");
        assert_eq!(
            sandbox.charge(&charge(1), eur(100), "tok_flaky").await,
            Ok(captured(&charge(1), eur(100), 0))
        );
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 0)]);
    })
    .await;
}

#[tokio::test]
async fn tok_requires_action_sends_the_buyer_away_until_they_act() {
    on_each(async |sandbox, _| {
        let url = Some(format!("https://sandbox.invalid/act/{}", charge(1)));
        let state = ChargeState::RequiresAction { url };
        assert_eq!(sandbox.charge(&charge(1), eur(100), "tok_requires_action").await, Ok(state.clone()));
        assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(state)));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 0, 0)]);
    })
    .await;
}

#[tokio::test]
async fn tok_refund_fails_gives_nothing_back_until_an_operator_allows_it() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_refund_fails").await.expect("captured");
        let refused = Err(Fault::Refused("the sandbox refuses refunds for tok_refund_fails".to_owned()));
        for _ in 0..3 {
            assert_eq!(sandbox.give_back(&refund(1), &charge(1), 100).await, refused);
        }
        assert!(sandbox.allow_refunds(&charge(2)).await.is_err(), "there is no such charge");
        for _ in 0..2 {
            assert_eq!(sandbox.allow_refunds(&charge(1)).await, Ok(()));
            assert_eq!(sandbox.give_back(&refund(1), &charge(1), 100).await, Ok(()));
        }
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 100)]);
    })
    .await;
}

#[tokio::test]
async fn tok_down_stores_nothing() {
    on_each(async |sandbox, _| {
        for _ in 0..3 {
            let answer = sandbox.charge(&charge(1), eur(100), "tok_down").await;
            assert_eq!(answer, Err(Fault::Refused("the sandbox is down for this token".to_owned())));
        }
        assert_eq!(sandbox.find(&charge(1)).await, Ok(None));
        assert_eq!(statement(sandbox).await, []);
    })
    .await;
}
