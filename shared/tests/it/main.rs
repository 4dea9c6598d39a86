//! Every state against every event: what it becomes, or `-` where the move is refused.

use std::fmt::Debug;

use holdfast_shared::{
    Actor, CancelReason, CartStatus, IllegalTransition, OrderStatus, PaymentMethod, PaymentStatus,
    ReservationStatus, SagaState,
};
use strum::IntoEnumIterator;

/// Holds the function against the grid: the first row names all events, the others all states.
fn check<S, E>(what: &str, grid: &str, after: fn(S, E) -> Result<S, IllegalTransition>)
where
    S: IntoEnumIterator + Into<&'static str> + Copy + Debug,
    E: IntoEnumIterator + Into<&'static str> + Copy + Debug,
{
    let mut rows =
        grid.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty());
    let events: Vec<&str> = E::iter().map(Into::into).collect();
    assert_eq!(rows.next(), Some(events.clone()), "{what}: the grid names every event");
    for state in S::iter() {
        let row = rows.next().unwrap_or_default();
        let from: &str = state.into();
        assert_eq!(row.first(), Some(&from), "{what}: the grid names every state");
        assert_eq!(row.len(), events.len() + 1, "{what} {from}: one cell for each event");
        for (event, expected) in E::iter().zip(&row[1..]) {
            let name: &str = event.into();
            match after(state, event) {
                Ok(to) => {
                    let to: &str = to.into();
                    assert_eq!(to, *expected, "{what} {from} {name}");
                }
                Err(refusal) => {
                    assert_eq!("-", *expected, "{what} {from} {name}");
                    assert_eq!((refusal.what, refusal.from, refusal.event), (what, from, name));
                }
            }
        }
    }
    assert_eq!(rows.next(), None, "{what}: the grid ends");
}

#[test]
fn an_order_moves_only_along_its_life() {
    let grid = "
                             confirm   process    ship    deliver   begin_cancel cancel
        PENDING_PAYMENT      CONFIRMED -          -       -         -            CANCELLED
        PENDING_CONFIRMATION CONFIRMED -          -       -         -            CANCELLED
        CONFIRMED            -         PROCESSING -       -         CANCELLING   -
        PROCESSING           -         -          SHIPPED -         CANCELLING   -
        SHIPPED              -         -          -       DELIVERED -            -
        DELIVERED            -         -          -       -         -            -
        CANCELLING           -         -          -       -         -            CANCELLED
        CANCELLED            -         -          -       -         -            -
    ";
    check("order", grid, OrderStatus::after);
}

#[test]
fn a_cart_belongs_to_one_checkout_at_a_time() {
    let grid = "
                    check_out   clear   reopen
        OPEN        IN_CHECKOUT -       -
        IN_CHECKOUT -           CLEARED OPEN
        CLEARED     -           -       -
    ";
    check("cart", grid, CartStatus::after);
}

// Pitfall 8: a release never touches goods that have left.
#[test]
fn a_reservation_is_given_back_once() {
    let grid = "
                  confirm   release  restock
        HELD      CONFIRMED RELEASED -
        CONFIRMED -         -        RESTOCKED
        RELEASED  -         -        -
        RESTOCKED -         -        -
    ";
    check("reservation", grid, ReservationStatus::after);
}

#[test]
fn money_that_was_taken_is_never_forgotten() {
    let grid = "
        require_action   process    capture  decline  lose_answer try_again cancel    refund_part        refund_all collect   settle_manually
        PENDING            REQUIRES_ACTION PROCESSING CAPTURED DECLINED UNKNOWN    PENDING CANCELLED -                  REFUNDED -          CAPTURED
        REQUIRES_ACTION    REQUIRES_ACTION PROCESSING CAPTURED DECLINED UNKNOWN    PENDING CANCELLED -                  REFUNDED -          CAPTURED
        PROCESSING         REQUIRES_ACTION PROCESSING CAPTURED DECLINED PROCESSING PENDING CANCELLED -                  REFUNDED -          CAPTURED
        CAPTURED           -               -          -        -        -          -       -         PARTIALLY_REFUNDED REFUNDED -          CAPTURED
        DECLINED           -               -          -        -        -          -       -         -                  -        -          -
        UNKNOWN            REQUIRES_ACTION PROCESSING CAPTURED DECLINED UNKNOWN    PENDING CANCELLED -                  REFUNDED -          CAPTURED
        CANCELLED          -               -          -        -        -          -       -         -                  -        -          -
        REFUNDED           -               -          -        -        -          -       -         -                  -        -          -
        PARTIALLY_REFUNDED -               -          -        -        -          -       -         PARTIALLY_REFUNDED REFUNDED -          PARTIALLY_REFUNDED
        DUE_ON_DELIVERY    -               -          -        -        -          -       CANCELLED -                  -        COLLECTED  -
        COLLECTED          -               -          -        -        -          -       -         -                  -        -          -
    ";
    check("payment", grid, PaymentStatus::after);
}

// Pitfall 14: nothing leads out of an end.
#[test]
fn a_saga_that_has_ended_stays_ended() {
    let grid = "
                     wait    resume  unwind       complete  finish_unwind die
        RUNNING      WAITING -       COMPENSATING COMPLETED -             DEAD
        WAITING      -       RUNNING COMPENSATING -         -             DEAD
        COMPENSATING -       -       -            -         COMPENSATED   DEAD
        COMPLETED    -       -       -            -         -             -
        COMPENSATED  -       -       -            -         -             -
        DEAD         -       RUNNING COMPENSATING -         -             -
    ";
    check("saga", grid, SagaState::after);
}

#[test]
fn an_order_is_pending_then_stands_then_neither() {
    use OrderStatus::{
        Cancelled, Cancelling, Confirmed, Delivered, PendingConfirmation, PendingPayment, Processing, Shipped,
    };
    let all = |says: fn(OrderStatus) -> bool| OrderStatus::iter().filter(move |status| says(*status));
    assert_eq!(all(OrderStatus::is_pending).collect::<Vec<_>>(), [PendingPayment, PendingConfirmation]);
    assert_eq!(all(OrderStatus::stands).collect::<Vec<_>>(), [Confirmed, Processing, Shipped, Delivered]);
    let neither = all(|status| !status.is_pending() && !status.stands());
    assert_eq!(neither.collect::<Vec<_>>(), [Cancelling, Cancelled]);
}

#[test]
fn an_order_paid_online_begins_with_its_payment_and_one_paid_in_cash_with_its_confirmation() {
    for (method, is_online, first) in [
        (PaymentMethod::Card, true, OrderStatus::PendingPayment),
        (PaymentMethod::Paypal, true, OrderStatus::PendingPayment),
        (PaymentMethod::Cod, false, OrderStatus::PendingConfirmation),
        (PaymentMethod::None, false, OrderStatus::PendingPayment),
    ] {
        assert_eq!((method.is_online(), method.first_status()), (is_online, first), "{method}");
    }
}

#[test]
fn a_saga_is_settled_when_it_is_done_or_undone_and_not_when_it_is_dead() {
    let settled: Vec<_> = SagaState::iter().filter(|state| state.is_settled()).collect();
    assert_eq!(settled, [SagaState::Completed, SagaState::Compensated]);
}

#[test]
fn who_cancels_is_named_and_files_the_reason() {
    for (actor, name, reason) in [
        (Actor::Customer, "the customer", CancelReason::CustomerRequest),
        (Actor::Admin("ada".to_owned()), "admin ada", CancelReason::AdminRequest),
        (Actor::Operator("ole".to_owned()), "operator ole", CancelReason::AdminRequest),
    ] {
        assert_eq!((actor.to_string().as_str(), actor.cancel_reason()), (name, reason));
    }
}
