//! A checkout with a step more, which a service of the shop's takes: its warehouse puts the goods aside.

use std::sync::{Arc, LazyLock};

use holdfast_saga::engine::definition::{Definition, Phrases, Stage, call};
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows::{REGISTRY, checkout_online, participant};
use holdfast_saga::ports::Participants;
use holdfast_saga::records::saga::Saga;
use holdfast_shared::{CancelReason, OrderId, PaymentStatus, SagaState};
use holdfast_test_warehouse::{NAME, Warehouse};

use crate::flows::{Ending, check, one_call};
use crate::history::{JudgedParticipant, Rules};
use crate::shop::{Parts, Shop};
use crate::simulation::{histories, play_many, rerun};

const PUT_ASIDE: &str = "put_aside";

const PUT_GOODS_ASIDE: Stage = call(
    PUT_ASIDE,
    participant::act(
        |_, key| Some(participant::to_act(NAME, key)),
        CancelReason::OutOfStock,
        CancelReason::PaymentExpired,
    ),
)
.reads(Phrases::new("the goods at the warehouse", "goods put aside"))
.undo_call(
    "put_back",
    participant::undo(|saga, key| Some(participant::to_undo(saga, NAME, PUT_ASIDE, key))),
    Phrases::new("putting the goods back", "goods put back"),
);

/// The definitions there are, and the online checkout with its step behind the reservation.
static WITH_WAREHOUSE: LazyLock<Registry> = LazyLock::new(|| {
    let mut forward = checkout_online::V2.forward.to_vec();
    forward.insert(2, PUT_GOODS_ASIDE);
    let checkout = Definition { forward: forward.leak(), ..checkout_online::V2 };
    let others = REGISTRY.all().filter(|definition| definition.name != checkout.name);
    let definitions: Vec<&Definition> = [&*Box::leak(Box::new(checkout))].into_iter().chain(others).collect();
    Registry::new(definitions.leak())
});

async fn shop_with(warehouse: &Arc<Warehouse>) -> Shop {
    let mut parts = Parts::honest();
    parts.registry = *WITH_WAREHOUSE;
    parts.outside.participants = configured(warehouse);
    Shop::of(parts).await
}

fn configured(warehouse: &Arc<Warehouse>) -> Participants {
    Participants::of(Arc::clone(warehouse) as _)
}

#[tokio::test]
async fn goods_are_put_aside_before_money_is_taken_and_put_back_when_it_is_not() {
    let declined = CancelReason::PaymentDeclined;
    for (empty_every, token, aside, ending) in [
        (0, "tok_ok", 1, Ending::Stands(PaymentStatus::Captured)),
        (0, "tok_declined", 0, Ending::Undone(declined, Some(PaymentStatus::Declined))),
        (1, "tok_ok", 0, Ending::Undone(CancelReason::OutOfStock, None)),
    ] {
        let warehouse = Arc::new(Warehouse::empty_every(empty_every));
        let mut shop = shop_with(&warehouse).await;
        let order = shop.card(token).await;
        shop.rest().await;
        let context = format!("{token}, empty every {empty_every}");
        check(&shop, order, ending, &context).await;
        assert_eq!(warehouse.aside_for(order), aside, "{context}");
    }
}

#[tokio::test]
async fn a_warehouse_that_is_taken_out_of_the_settings_holds_its_orders_until_it_is_back() {
    let warehouse = Arc::new(Warehouse::default());
    let mut shop = shop_with(&warehouse).await;
    shop.outside.participants = Participants::default();
    let order = shop.card("tok_ok").await;
    let call = one_call(&shop).await;
    let outcome = shop.execute(&call).await;
    shop.batch(vec![outcome]).await;
    let saga = shop.checkout(order).await;
    assert_eq!((saga.state, saga.progress.parked), (SagaState::Running, true));
    let why = saga.progress.error.expect("says what is missing");
    assert_eq!(why, "no participant warehouse is configured here; configure it again, and the call is sent");
    shop.outside.participants = configured(&warehouse);
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "put back").await;
    assert_eq!(warehouse.aside_for(order), 1);
}

impl JudgedParticipant for Warehouse {
    fn wrong(&self, order: OrderId, checkout: &Saga) -> Option<String> {
        let takes_part = checkout.definition.name == checkout_online::V2.name;
        let expected = usize::from(takes_part && checkout.state == SagaState::Completed);
        let aside = self.aside_for(order);
        (aside != expected).then(|| format!("goods are put aside {aside} times, {expected} would be right; "))
    }
}

// Lost answers and requests, dead workers, late sends, cancellations, and an operator: the goods are put aside once for
// each checkout that goes through, and for no other. A cancellation after the pivot has no step for them.
#[test]
fn no_history_with_a_participant_breaks_a_promise() {
    let rules = Rules {
        registry: *WITH_WAREHOUSE,
        participant: Some(|| Arc::new(Warehouse::empty_every(7))),
        ..Rules::honest()
    };
    if !rerun(&rules) {
        let (accepted, standing) = play_many(histories() / 5, &rules);
        assert!(standing * 10 > accepted, "{standing} of {accepted} orders stand");
    }
}
