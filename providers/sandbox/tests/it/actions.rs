//! The buyer acts, in time or too late.

use holdfast_saga::ports::Fault;
use holdfast_sandbox::ChargeState;

use crate::{captured, charge, declined, eur, line, on_each, refund, statement};

#[tokio::test]
async fn a_buyer_who_agrees_has_paid_once() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_requires_action").await.expect("waits");
        assert_eq!(sandbox.waiting_actions().await, Ok(vec![charge(1)]));
        let paid = captured(&charge(1), eur(100), 0);
        assert_eq!(sandbox.complete_action(&charge(1), true).await, Ok(paid.clone()));
        assert_eq!(sandbox.waiting_actions().await, Ok(vec![]));
        // Whoever acts again, or changes their mind, gets the same answer.
        assert_eq!(sandbox.complete_action(&charge(1), true).await, Ok(paid.clone()));
        assert_eq!(sandbox.complete_action(&charge(1), false).await, Ok(paid.clone()));
        assert_eq!(sandbox.charge(&charge(1), eur(100), "tok_requires_action").await, Ok(paid));
        assert_eq!(sandbox.give_back(&refund(1), &charge(1), 100).await, Ok(()));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 100, 100)]);
    })
    .await;
}

#[tokio::test]
async fn a_buyer_who_refuses_has_paid_nothing() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_requires_action").await.expect("waits");
        let refused = declined("the buyer refused to pay");
        assert_eq!(sandbox.complete_action(&charge(1), false).await, Ok(refused.clone()));
        assert_eq!(sandbox.complete_action(&charge(1), true).await, Ok(refused));
        assert_eq!(statement(sandbox).await, [line(&charge(1), 0, 0)]);
    })
    .await;
}

#[tokio::test]
async fn a_buyer_who_acts_after_the_void_pays_nothing() {
    on_each(async |sandbox, _| {
        sandbox.charge(&charge(1), eur(100), "tok_requires_action").await.expect("waits");
        assert_eq!(sandbox.void(&charge(1)).await, Ok(ChargeState::Voided));
        assert_eq!(sandbox.waiting_actions().await, Ok(vec![]));
        assert_eq!(sandbox.complete_action(&charge(1), true).await, Ok(ChargeState::Voided));
        assert_eq!(statement(sandbox).await, []);
    })
    .await;
}

#[tokio::test]
async fn nobody_can_act_on_a_charge_that_is_not_there() {
    on_each(async |sandbox, _| {
        let answer = sandbox.complete_action(&charge(1), true).await;
        assert!(matches!(answer, Err(Fault::Refused(_))), "{answer:?}");
        assert_eq!(statement(sandbox).await, []);
    })
    .await;
}
