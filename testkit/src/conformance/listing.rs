//! Orders and sagas by their filters, in pages.

use std::time::Duration;

use holdfast_saga::records::Order;
use holdfast_saga::records::batch_rows::{OrderMove, Writes};
use holdfast_saga::records::saga::{Charge, DefinitionId, Phase, Progress, Saga, SagaData};
use holdfast_saga::records::view::{OrderFilter, RetryingGroup, SagaFilter, ShownState};
use holdfast_shared::{
    CancelReason, Clock as _, Contact, Currency, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus,
    Queue, SagaId, SagaState, StepKey,
};

use super::Subject;
use super::reading::ended;
use crate::database::NOON;
use crate::rows::{ADA, order, order_id, saga, saga_id, with_orders, with_sagas};

async fn orders(subject: &Subject, filter: OrderFilter) -> Vec<i64> {
    let views = subject.store().orders(&filter).await.expect("reads");
    views.iter().map(|view| view.order.id.number()).collect()
}

async fn sagas(subject: &Subject, filter: SagaFilter) -> Vec<SagaId> {
    subject.store().sagas(&filter).await.expect("reads").iter().map(|saga| saga.id).collect()
}

fn all() -> OrderFilter {
    OrderFilter { limit: 100, ..OrderFilter::default() }
}

/// The cursor is the last order of the page before.
pub async fn orders_are_listed_newest_first_in_pages(subject: &Subject) {
    assert_eq!(orders(subject, all()).await, [0; 0]);
    subject.save(with_orders((1..=5).map(order))).await;
    assert_eq!(orders(subject, all()).await, [5, 4, 3, 2, 1]);
    let page = |before: Option<i64>| OrderFilter { before: before.map(OrderId::new), limit: 2, ..all() };
    assert_eq!(orders(subject, page(None)).await, [5, 4]);
    assert_eq!(orders(subject, page(Some(4))).await, [3, 2]);
    assert_eq!(orders(subject, page(Some(2))).await, [1]);
    assert_eq!(orders(subject, page(Some(1))).await, [0; 0]);
    assert_eq!(orders(subject, OrderFilter { limit: 0, ..all() }).await, [0; 0]);
    let views = subject.store().orders(&all()).await.expect("reads");
    assert_eq!(views[4].order, order(1), "whole, with its lines");
}

/// Alone and together.
pub async fn orders_are_found_by_every_filter(subject: &Subject) {
    let cod = |number| Order {
        method: PaymentMethod::Cod,
        status: OrderStatus::PendingConfirmation,
        ..order(number)
    };
    let reason = Some(CancelReason::OutOfStock);
    let dead = ended(2, 0, SagaState::Dead);
    subject
        .save(Writes {
            new_sagas: with_sagas([dead, saga(saga_id(3))]).new_sagas,
            ..with_orders([order(1), order(2), cod(3), cod(4)])
        })
        .await;
    let cancel = |from| OrderMove { from, to: OrderStatus::Cancelled, reason };
    let moves = [
        (order_id(1), cancel(OrderStatus::PendingPayment)),
        (order_id(4), cancel(OrderStatus::PendingConfirmation)),
    ];
    subject.save(Writes { orders: moves.into(), ..Writes::default() }).await;
    let cancelled = || OrderFilter { statuses: vec![OrderStatus::Cancelled], ..all() };
    assert_eq!(orders(subject, cancelled()).await, [4, 1]);
    let by_card = OrderFilter { method: Some(PaymentMethod::Card), ..all() };
    assert_eq!(orders(subject, by_card).await, [2, 1]);
    assert_eq!(orders(subject, OrderFilter { reason, ..all() }).await, [4, 1]);
    let expired = OrderFilter { reason: Some(CancelReason::PaymentExpired), ..all() };
    assert_eq!(orders(subject, expired).await, [0; 0]);
    let needy = |needs| OrderFilter { needs_attention: Some(needs), ..all() };
    assert_eq!(orders(subject, needy(true)).await, [2]);
    assert_eq!(orders(subject, needy(false)).await, [4, 3, 1]);
    let before = Some(order_id(4));
    let together = OrderFilter { reason, before, needs_attention: Some(false), limit: 1, ..cancelled() };
    assert_eq!(orders(subject, together).await, [1]);
    let none = OrderFilter { before: Some(order_id(2)), ..needy(true) };
    assert_eq!(orders(subject, none).await, [0; 0]);
    let status = |status| OrderFilter { statuses: vec![status], limit: 1, ..needy(true) };
    assert_eq!(orders(subject, status(OrderStatus::PendingPayment)).await, [2]);
    assert_eq!(orders(subject, status(OrderStatus::Cancelled)).await, [0; 0]);
}

/// F12. Several states at once, a buyer's address however it is written, and since when; with and without the other way
/// in, of a customer and of what needs attention.
pub async fn f12_orders_are_found_by_who_bought_and_when(subject: &Subject) {
    let order = |number: i64, email: &str, status| Order {
        contact: Contact {
            email: email.to_owned(),
            phone: (number < 3).then(|| format!("+49 (0)30/1234-5.{number}")),
        },
        status,
        total: Money::new(1_000 * number, Currency::EUR),
        ..order(number)
    };
    let (waits, stands) = (OrderStatus::PendingPayment, OrderStatus::Confirmed);
    let stored = [
        order(1, "Bob@Example.com", waits),
        order(2, "bob@example.com", stands),
        order(3, "bob@example.com.org", OrderStatus::Shipped),
        order(4, "b_b@example.com", stands),
    ];
    let dead = [1, 3].map(|number| ended(number, 0, SagaState::Dead));
    subject.save(with_sagas(dead)).await;
    // An order is accepted at the instant of its commit.
    for order in stored {
        let accepted_at = subject.clock.now();
        subject.save(with_orders([Order { accepted_at, ..order }])).await;
        subject.clock.advance(Duration::from_mins(1));
    }
    let email = |text: &str| Some(text.to_owned());
    let since = |minutes| Some(NOON + Duration::from_mins(minutes));
    for (filter, expected) in [
        (OrderFilter { statuses: vec![waits, stands], ..all() }, &[4, 2, 1][..]),
        (OrderFilter { statuses: vec![stands, stands], ..all() }, &[4, 2]),
        (OrderFilter { email: email("BOB@example.COM"), ..all() }, &[2, 1]),
        (OrderFilter { email: email("b%@example.com"), ..all() }, &[]),
        (OrderFilter { email: email(""), ..all() }, &[]),
        (OrderFilter { since: since(1), ..all() }, &[4, 3, 2]),
        (OrderFilter { since: since(9), ..all() }, &[]),
        (OrderFilter { until: since(0), ..all() }, &[]),
        (OrderFilter { until: since(2), ..all() }, &[2, 1]),
        (OrderFilter { since: since(1), until: since(3), ..all() }, &[3, 2]),
        (OrderFilter { phone: email("+49030123451"), ..all() }, &[1]),
        (OrderFilter { phone: email("+49 030 12345-2"), ..all() }, &[2]),
        (OrderFilter { phone: email("+4903012345"), ..all() }, &[]),
        (OrderFilter { phone: email(""), ..all() }, &[]),
        (OrderFilter { total_min: Some(2_000), ..all() }, &[4, 3, 2]),
        (OrderFilter { total_max: Some(2_000), ..all() }, &[2, 1]),
        (OrderFilter { total_min: Some(2_001), total_max: Some(2_999), ..all() }, &[]),
        (
            OrderFilter { since: since(1), email: email("bob@example.com"), statuses: vec![stands], ..all() },
            &[2],
        ),
    ] {
        assert_eq!(orders(subject, filter.clone()).await, expected, "{filter:?}");
        let theirs = OrderFilter { customer: Some(ADA), ..filter.clone() };
        assert_eq!(orders(subject, theirs.clone()).await, expected, "{theirs:?}");
        let needy: Vec<_> = expected.iter().copied().filter(|number| [1, 3].contains(number)).collect();
        let wanted = OrderFilter { needs_attention: Some(true), ..filter };
        assert_eq!(orders(subject, wanted.clone()).await, needy, "{wanted:?}");
    }
}

/// Alone and together.
pub async fn sagas_are_listed_newest_first_by_every_filter(subject: &Subject) {
    let other = DefinitionId { name: "other".to_owned(), version: 3 };
    subject
        .save(with_sagas([
            saga(saga_id(1)),
            Saga { definition: other.clone(), ..saga(order_id(1).saga(3)) },
            ended(2, 0, SagaState::Dead),
            Saga { definition: other, ..ended(3, 0, SagaState::Dead) },
        ]))
        .await;
    let all = || SagaFilter { limit: 100, ..SagaFilter::default() };
    let (one, one_three, two, three) = (saga_id(1), order_id(1).saga(3), saga_id(2), saga_id(3));
    assert_eq!(sagas(subject, all()).await, [three, two, one_three, one]);
    let dead = || SagaFilter { state: Some(ShownState::Dead), ..all() };
    assert_eq!(sagas(subject, dead()).await, [three, two]);
    let named = || Some("other".to_owned());
    assert_eq!(sagas(subject, SagaFilter { definition: named(), ..all() }).await, [three, one_three]);
    assert_eq!(sagas(subject, SagaFilter { definition: named(), ..dead() }).await, [three]);
    assert_eq!(sagas(subject, SagaFilter { limit: 1, before: Some(two), ..all() }).await, [one_three]);
    assert_eq!(sagas(subject, SagaFilter { before: Some(two), ..dead() }).await, []);
    let waiting = SagaFilter { state: Some(ShownState::Waiting), ..all() };
    assert_eq!(sagas(subject, waiting).await, []);
}

/// F9. Whatever failed and will be retried automatically, however it came to wait, and nothing else: the statements of the
/// databases say the same as the rule.
pub async fn f9_sagas_that_try_again_are_listed_and_counted(subject: &Subject) {
    let charged = |status| {
        let charge =
            Some(Charge::begun(StepKey::new(&saga(saga_id(1)).key_prefix, "take_payment", 1), status));
        SagaData { charge, ..SagaData::default() }
    };
    let soon = Some(NOON + Duration::from_secs(5));
    let fresh = Progress::default;
    let cases = [
        (SagaState::Running, fresh(), false),
        (SagaState::Running, Progress { failures: 2, error: Some("no".to_owned()), ..fresh() }, true),
        (
            SagaState::Compensating,
            Progress { unanswered: 5, failures: 1, phase: Phase::Undo, ..fresh() },
            true,
        ),
        (SagaState::Compensating, Progress { unanswered: 3, phase: Phase::Undo, stage: 1, ..fresh() }, true),
        (SagaState::Running, Progress { parked: true, ..fresh() }, true),
        (SagaState::Waiting, Progress { failures: 1, stage: 2, ..fresh() }, true),
        // Held back by a circuit breaker.
        (SagaState::Running, Progress { not_before: soon, ..fresh() }, true),
        (
            SagaState::Running,
            Progress { not_before: soon, data: charged(PaymentStatus::Pending), ..fresh() },
            true,
        ),
        // In the provider's hands.
        (SagaState::Running, Progress { not_before: soon, accepted: true, ..fresh() }, false),
        (
            SagaState::Running,
            Progress { not_before: soon, data: charged(PaymentStatus::Processing), ..fresh() },
            false,
        ),
        (
            SagaState::Running,
            Progress { failures: 1, data: charged(PaymentStatus::Processing), ..fresh() },
            true,
        ),
        (SagaState::Waiting, Progress { deadline: soon, ..fresh() }, false),
        (SagaState::Dead, Progress { failures: 8, ..fresh() }, false),
        (SagaState::Completed, Progress { failures: 1, ..fresh() }, false),
    ];
    let at = |number| NOON + Duration::from_secs(number);
    let stored: Vec<Saga> = (1..)
        .zip(&cases)
        .map(|(number, (state, progress, _))| Saga {
            state: *state,
            progress: progress.clone(),
            wake_at: Some(at(number)),
            ..saga(saga_id(i64::try_from(number).expect("few")))
        })
        .collect();
    let expected: Vec<SagaId> =
        stored.iter().zip(&cases).filter(|(_, case)| case.2).map(|(saga, _)| saga.id).rev().collect();
    for (saga, (.., is_retrying)) in stored.iter().zip(&cases) {
        assert_eq!(saga.is_retrying(), *is_retrying, "{saga:?}");
    }
    subject.save(with_sagas(stored)).await;
    let retrying = || SagaFilter { state: Some(ShownState::Retrying), limit: 100, ..SagaFilter::default() };
    assert_eq!(sagas(subject, retrying()).await, expected);
    assert_eq!(sagas(subject, SagaFilter { limit: 2, ..retrying() }).await, expected[..2]);
    assert_eq!(sagas(subject, SagaFilter { before: Some(expected[1]), ..retrying() }).await, expected[2..]);
    let other = SagaFilter { definition: Some("other".to_owned()), ..retrying() };
    assert_eq!(sagas(subject, other).await, []);

    let groups = subject.store().retrying().await.expect("reads");
    let group = |phase, stage, sagas, tries_max, worst, next| RetryingGroup {
        queue: Queue::Checkout,
        definition: saga(saga_id(1)).definition,
        phase,
        stage,
        sagas,
        tries_max,
        worst: saga_id(worst),
        next_try: at(next),
    };
    let expected = [
        group(Phase::Forward, 0, 5, 2, 2, 2),
        group(Phase::Forward, 2, 1, 1, 6, 6),
        group(Phase::Undo, 0, 1, 6, 3, 3),
        group(Phase::Undo, 1, 1, 3, 4, 4),
    ];
    assert_eq!(groups, expected);
}
