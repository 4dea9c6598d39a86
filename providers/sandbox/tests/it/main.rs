//! The sandbox provider, in memory, in its file and over HTTP: what it says of one, a test says of all.

mod actions;
mod faults;
mod file;
mod http;
mod keys;
mod replay;
mod tokens;
mod weather;

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::Movement;
use holdfast_sandbox::{ChargeState, DurableSandbox, MemorySandbox, SandboxControl};
use holdfast_shared::{Currency, KeyPrefix, ManualClock, Money, OrderId, StepKey, Time};

use crate::http::Desk;

/// Runs `check` on each kind of sandbox, with an empty ledger and a clock of its own.
async fn on_each(check: impl AsyncFn(&dyn SandboxControl, &ManualClock)) {
    let clock = clock();
    check(&MemorySandbox::new(clock.clone()), &clock).await;
    on_durable(check).await;
}

/// The same on those that keep their ledger in a file: their own, and one that is asked over HTTP.
async fn on_durable(check: impl AsyncFn(&dyn SandboxControl, &ManualClock)) {
    let (folder, clock) = (folder(), clock());
    check(&opened(&folder, &clock).await, &clock).await;
    let (folder, clock) = (self::folder(), self::clock());
    let desk = Desk::open(opened(&folder, &clock).await, Duration::ZERO).await;
    check(&desk.client(PATIENCE), &clock).await;
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

async fn opened(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> DurableSandbox {
    DurableSandbox::open(folder.path().join("sandbox.db"), clock.clone()).await.expect("opens")
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Time::from_micros(1_700_000_000_000_000)))
}

/// The key of an order's charge, in its first generation.
fn charge(order: i64) -> StepKey {
    StepKey::new(&key_prefix(order), "take_payment", 1)
}

/// The key of an order's refund.
fn refund(order: i64) -> StepKey {
    StepKey::new(&key_prefix(order), "refund_payment", 1)
}

fn key_prefix(order: i64) -> KeyPrefix {
    KeyPrefix::new("00c0ffee42".parse().expect("a shop id"), OrderId::new(order), 7)
}

const fn eur(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::EUR)
}

fn captured(key: &StepKey, amount: Money, refunded_minor: i64) -> ChargeState {
    ChargeState::Captured { amount, refunded_minor, provider_ref: format!("sbx_{key}") }
}

fn declined(reason: &str) -> ChargeState {
    ChargeState::Declined { reason: reason.to_owned() }
}

fn line(charge: &StepKey, captured_minor: i64, refunded_minor: i64) -> Movement {
    Movement { charge: charge.clone(), currency: Currency::EUR, captured_minor, refunded_minor }
}

async fn statement(sandbox: &dyn SandboxControl) -> Vec<Movement> {
    sandbox.statement().await.expect("readable")
}

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for an answer that comes, short enough to wait for one that does not.
const NO_ANSWER: Duration = Duration::from_millis(500);
