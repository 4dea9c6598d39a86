//! What every store must do alike: the suite behind the `Store` port, one fact a case.
//!
//! A case knows nothing of the store but the port, and the clock that both go by. [`conformance!`] lists
//! them all and turns them into tests. Those of [`sql`] also speak SQL past the store, to do what the port
//! deliberately cannot; memory is excused from them.
//!
//! [`conformance!`]: crate::conformance!

pub mod all_or_nothing;
pub mod claiming;
pub mod keys;
pub mod listing;
pub mod loading;
pub mod messages;
pub mod operations;
pub mod operations_sql;
pub mod pruning;
pub mod reading;
pub mod saving;
pub mod shop;
pub mod shoppers;
pub mod signals;
pub mod sql;
pub mod storefront;

use std::sync::Arc;

use holdfast_saga::ports::{Claim, Claimed, StoreError};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::saga::{DefinitionId, Saga};
use holdfast_shared::{Clock as _, ManualClock, Queue, SagaId, Time};

use crate::database::{Database, noon_clock};
use crate::rows::flow;

/// The store under test.
#[derive(Debug)]
pub struct Subject {
    /// Where it is.
    pub database: Database,
    /// The present.
    pub clock: Arc<ManualClock>,
}

impl Subject {
    /// The store in memory.
    pub async fn memory() -> Self {
        let clock = noon_clock();
        Self { database: Database::memory(clock.clone()).await, clock }
    }

    /// The store in a file.
    pub async fn sqlite() -> Self {
        let clock = noon_clock();
        Self { database: Database::sqlite(clock.clone()).await, clock }
    }

    /// The store on Postgres.
    pub async fn postgres() -> Self {
        let clock = noon_clock();
        Self { database: Database::postgres_used_before(clock.clone()).await, clock }
    }

    /// The port.
    pub fn store(&self) -> &dyn holdfast_saga::ports::Store {
        &*self.database.store
    }

    /// Which of the two dialects it speaks.
    pub const fn is_on_postgres(&self) -> bool {
        self.database.is_on_postgres()
    }

    /// An instant, as a literal of its SQL.
    pub fn instant(&self, at: Time) -> String {
        if self.is_on_postgres() { format!("'{at}'::timestamptz") } else { at.as_micros().to_string() }
    }

    /// Saves `writes` at the present instant.
    pub async fn try_save(&self, writes: Writes) -> Result<(), StoreError> {
        let tx = self.store().begin().await.expect("begins");
        tx.save(&Writes { at: self.clock.now(), ..writes }).await
    }

    /// Saves what must be accepted.
    pub async fn save(&self, writes: Writes) {
        self.try_save(writes).await.expect("saves");
    }

    /// Loads in a transaction that is dropped.
    pub async fn load(&self, footprint: Footprint) -> World {
        let mut world = World::default();
        let mut tx = self.store().begin().await.expect("begins");
        tx.load(&footprint, &mut world).await.expect("loads");
        world
    }

    /// Claims what a checkout worker of [`flow`] gets, and lets it go again.
    pub async fn claim(&self, outcomes: &[SagaId], hints: &[SagaId], due_max: usize) -> Claimed {
        self.claim_as(&[Queue::Checkout], &[flow()], outcomes, hints, due_max).await
    }

    /// Claims, and lets go again.
    pub async fn claim_as(
        &self,
        queues: &[Queue],
        definitions: &[DefinitionId],
        outcomes: &[SagaId],
        hints: &[SagaId],
        due_max: usize,
    ) -> Claimed {
        let mut tx = self.store().begin().await.expect("begins");
        let claim = Claim { outcomes, contexts: &[], hints, due_max, queues, definitions };
        let claimed = tx.claim(&claim).await.expect("claims");
        // A transaction that is only dropped may hold its locks for a moment longer.
        tx.save(&Writes::default()).await.expect("saves nothing");
        claimed
    }

    /// A saga that exists.
    pub async fn saga(&self, id: SagaId) -> Saga {
        self.store().saga(id).await.expect("reads").expect("the saga exists")
    }
}

/// The ids that were claimed, sorted.
pub fn ids(claimed: &Claimed) -> Vec<SagaId> {
    let mut ids: Vec<_> = claimed.sagas.iter().map(|(saga, _)| saga.id).collect();
    ids.sort_unstable();
    ids
}

/// The table whose rows were not where they should have been.
#[track_caller]
pub fn mismatched(result: Result<(), StoreError>) -> &'static str {
    match result {
        Err(StoreError::Mismatch { table, .. }) => table,
        other => panic!("a mismatch is expected, not {other:?}"),
    }
}

/// Expects that the database refused a row.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads like a question at every call")]
pub fn refused(result: Result<(), StoreError>) {
    assert!(matches!(result, Err(StoreError::Data(_))), "a refusal is expected, not {result:?}");
}

/// Turns the suite into tests of the store that `$open` opens; with `sql`, also the cases that need SQL.
#[macro_export]
macro_rules! conformance {
    ($open:path, sql) => {
        $crate::conformance!($open);
        $crate::conformance!(@ $open, operations_sql: [
            an_unreadable_row_is_listed_and_refused_alone,
            no_more_is_settled_by_hand_than_was_taken,
        ]);
        $crate::conformance!(@ $open, sql: [
            a_paused_queue_is_claimed_from_by_outcomes_alone,
            a_row_that_cannot_be_read_is_named_and_hides_no_other,
            a_signal_that_cannot_be_read_blames_its_saga_alone,
            a_poisoned_row_can_be_listed_although_it_cannot_be_read,
            every_field_of_every_row_is_kept,
            checks_hold_whoever_writes,
            read_signals_are_kept_thirty_days_after_which_they_go_with_their_saga,
        ]);
    };
    ($open:path) => {
        $crate::conformance!(@ $open, claiming: [
            due_sagas_are_claimed_the_longest_due_first,
            a_claim_writes_nothing,
            a_hint_claims_a_saga_that_is_not_due,
            a_saga_hinted_and_due_is_claimed_once,
            a_saga_with_an_outcome_is_claimed_once,
            a_leased_saga_is_claimed_by_its_outcome_alone,
            a_lease_that_is_over_holds_nobody_back,
            only_the_queues_asked_for_are_claimed,
            only_known_definitions_are_claimed,
            unread_signals_come_with_their_saga_in_order,
            ids_that_do_not_exist_are_skipped,
            a_settled_saga_that_is_due_is_claimed,
        ]);
        $crate::conformance!(@ $open, loading: [
            every_table_is_loaded_as_it_was_saved,
            what_is_missing_is_left_out,
            the_present_is_read_even_for_nothing,
            a_second_load_adds_to_the_first,
        ]);
        $crate::conformance!(@ $open, all_or_nothing: [
            one_row_out_of_place_and_nothing_is_written,
            a_transaction_that_is_dropped_leaves_nothing,
            a_save_that_any_table_stops_writes_nothing,
        ]);
        $crate::conformance!(@ $open, saving: [
            a_saga_moves_only_from_its_fence,
            an_order_moves_only_from_its_status,
            a_payment_moves_only_from_its_status_and_is_written_whole,
            a_refund_moves_only_from_its_status,
            a_reservation_moves_only_from_its_status,
            a_message_moves_only_from_its_status,
            a_cart_moves_only_for_the_order_that_holds_it,
            a_row_born_twice_is_refused,
            one_unsettled_order_per_cart,
            stock_is_never_oversold,
            stock_moves_add_up,
            a_cancelled_order_says_why,
            poison_kills_and_touches_only_the_sagas_own_row,
            a_poisoned_saga_that_moves_again_is_cured,
            put_rows_are_replaced_whole,
            no_commit_is_logged_twice,
        ]);
        $crate::conformance!(@ $open, signals: [
            a_signal_makes_its_saga_due_and_never_touches_its_fence,
            a_signal_never_delays_what_is_due_already,
            a_repeated_signal_is_the_same_signal,
            a_signal_wakes_a_saga_that_moves_in_the_same_commit,
            a_signal_that_was_folded_is_not_read_again,
            a_signal_for_nobody_is_kept,
            signals_keep_the_order_they_were_given_in,
        ]);
        $crate::conformance!(@ $open, keys: [
            a_key_that_was_saved_is_found_ever_after,
            a_key_that_is_taken_refuses_the_whole_commit,
            no_number_is_drawn_twice,
            the_products_in_carts_are_read_with_them,
        ]);
        $crate::conformance!(@ $open, listing: [
            orders_are_listed_newest_first_in_pages,
            orders_are_found_by_every_filter,
            f12_orders_are_found_by_who_bought_and_when,
            sagas_are_listed_newest_first_by_every_filter,
            f9_sagas_that_try_again_are_listed_and_counted,
        ]);
        $crate::conformance!(@ $open, reading: [
            an_order_needs_attention_while_a_saga_of_it_is_dead,
            an_orders_sagas_are_listed_by_slot,
            a_saga_without_an_order_is_nobodys_orphan,
            history_is_read_oldest_first,
            stock_is_listed_by_sku,
            sagas_are_counted_by_definition_and_state,
            the_facts_are_what_the_rows_say,
        ]);
        $crate::conformance!(@ $open, shop: [
            a_new_database_is_at_home,
            f32_trying_whether_an_order_can_be_saved_changes_nothing,
            a_shop_is_written_only_from_its_epoch,
            a_used_number_is_not_given_again,
            calls_that_wait_for_settings_are_listed,
        ]);
        $crate::conformance!(@ $open, storefront: [
            a_cart_is_read_as_it_was_put,
            a_customers_open_cart_is_found,
            s10_an_identity_has_one_id,
            only_an_open_cart_is_discarded,
            a_shelf_is_empty_unless_it_is_there_already,
            f19_versions_only_grow,
            a_requests_key_is_used_once,
            the_catalogue_is_paged_by_sku_bytewise,
            a_customers_orders_are_theirs_alone,
            unsettled_orders_are_counted_up_to_a_bound,
            an_orders_version_changes_with_whatever_moves,
            a_secret_is_made_once_and_kept,
        ]);
        $crate::conformance!(@ $open, messages: [
            messages_are_listed_newest_first,
            a_message_is_read_once_by_whom_it_is_for,
            an_orders_trail_is_read_oldest_first,
            f11_every_act_can_be_read,
        ]);
        $crate::conformance!(@ $open, operations: [
            the_dead_are_listed_newest_first_in_pages,
            the_dead_come_with_the_token_of_their_order,
            queues_are_counted_by_how_their_sagas_stand,
            a_queue_is_paused_once_and_resumed_once,
            a_worker_is_known_by_what_it_said_last,
            workers_silent_for_a_day_are_forgotten,
            a_dead_cancellation_is_retried_and_then_settled_by_hand,
        ]);
        $crate::conformance!(@ $open, shoppers: [
            a_cart_lives_from_its_opening_to_its_end,
            items_put_in_at_the_same_instant_are_all_there,
            a_cart_merged_twice_at_once_is_counted_once,
            a_guests_cart_that_a_customer_checks_out_is_theirs,
            one_of_many_who_put_a_product_at_once_is_first,
        ]);
        $crate::conformance!(@ $open, pruning: [
            settled_sagas_go_when_they_are_old_with_their_history,
            what_lives_or_is_dead_stays,
            what_has_to_stay_hides_nothing,
            an_orders_other_sagas_go_after_its_checkout,
            a_saga_without_an_order_goes_when_it_is_old,
            a_saga_that_has_not_heard_everything_stays,
            keys_go_when_they_are_old,
            pruning_takes_small_bites_and_ends,
            orders_money_and_stock_are_never_pruned,
        ]);
    };
    (@ $open:path, $module:ident: [$($case:ident),* $(,)?]) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    let subject = $open().await;
                    $crate::conformance::$module::$case(&subject).await;
                }
            )*
        }
    };
}
