//! Requests and answers that get lost on their way, as a simulation orders them.

use holdfast_saga::ports::Fault;
use holdfast_sandbox::{MemorySandbox, Operation, SandboxControl, Sky};

use crate::{captured, charge, clock, eur, line, statement};

#[tokio::test]
async fn weather_decides_what_is_done_and_what_is_heard() {
    let unavailable = |fault: &Fault| matches!(fault, Fault::NotReached(_));
    let unclear = |fault: &Fault| matches!(fault, Fault::Unclear(_));
    for (sky, heard, done) in [
        (Sky::Clear, None, true),
        (Sky::LoseAnswer, Some(&unclear as &dyn Fn(&Fault) -> bool), true),
        (Sky::LoseRequest, Some(&unclear), false),
        (Sky::Refuse, Some(&unavailable), false),
    ] {
        let sandbox = MemorySandbox::new(clock()).in_weather(move |operation| match operation {
            Operation::Charge { .. } => sky,
            Operation::LookUp { .. }
            | Operation::Void { .. }
            | Operation::Refund { .. }
            | Operation::CompleteAction { .. }
            | Operation::AllowRefunds { .. } => Sky::Clear,
        });
        let answer = sandbox.charge(&charge(1), eur(100), "tok_ok").await;
        match (&answer, heard) {
            (Ok(state), None) => assert_eq!(*state, captured(&charge(1), eur(100), 0)),
            (Err(fault), Some(expected)) => assert!(expected(fault), "{sky:?}: {fault:?}"),
            (Ok(_), Some(_)) | (Err(_), None) => panic!("{sky:?}: {answer:?}"),
        }
        let found = sandbox.find(&charge(1)).await.expect("clear");
        assert_eq!(found.is_some(), done, "{sky:?}");
        assert_eq!(statement(&sandbox).await, if done { vec![line(&charge(1), 100, 0)] } else { vec![] });
    }
}

#[tokio::test]
async fn weather_spares_the_buyer_and_the_operator() {
    let sandbox = MemorySandbox::new(clock()).in_weather(|_| Sky::LoseAnswer);
    for (order, token) in [(1, "tok_requires_action"), (2, "tok_refund_fails")] {
        assert!(sandbox.charge(&charge(order), eur(100), token).await.is_err());
    }
    assert_eq!(sandbox.waiting_actions().await, Ok(vec![charge(1)]));
    assert!(sandbox.complete_action(&charge(1), true).await.is_ok());
    assert!(sandbox.allow_refunds(&charge(2)).await.is_ok());
}
