//! Ten thousand random histories, each of them judged. A failure prints its seed.
//!
//! `HOLDFAST_SIM_SEED=n` plays one history and prints it; `HOLDFAST_SIM_HISTORIES=n` sets how many.

use std::env;
use std::thread;

use crate::history::{HistoryReport, Rules, play};

/// Enough to meet every pair of mishaps many times, and over in well under two minutes.
const HISTORIES: u64 = 10_000;
/// Histories share nothing, so they run beside each other.
const THREADS: u8 = 2;

/// Plays histories on this thread.
pub(crate) fn play_all(
    seeds: impl Iterator<Item = u64>,
    rules: &Rules,
) -> Result<(usize, usize), (u64, HistoryReport)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let mut orders = (0, 0);
    for seed in seeds {
        let report = runtime.block_on(play(seed, rules, false));
        if !report.wrong.is_empty() {
            return Err((seed, runtime.block_on(play(seed, rules, true))));
        }
        orders = (orders.0 + report.orders.0, orders.1 + report.orders.1);
    }
    Ok(orders)
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// How many are played.
pub(crate) fn histories() -> u64 {
    number("HOLDFAST_SIM_HISTORIES").unwrap_or(HISTORIES)
}

/// Plays `histories` of them and says how many orders were accepted, and how many came to stand.
pub(crate) fn play_many(histories: u64, rules: &Rules) -> (usize, usize) {
    let seeds = |part: u8| (u64::from(part)..histories).step_by(usize::from(THREADS));
    let played = thread::scope(|scope| {
        let parts: Vec<_> =
            (0..THREADS).map(|part| scope.spawn(move || play_all(seeds(part), rules))).collect();
        parts.into_iter().map(|part| part.join().expect("no history panics")).collect::<Vec<_>>()
    });
    let mut orders = (0, 0);
    for part in played {
        match part {
            Ok((accepted, standing)) => orders = (orders.0 + accepted, orders.1 + standing),
            Err((seed, report)) => {
                panic!(
                    "HOLDFAST_SIM_SEED={seed} reruns this:\n{}\n{:#?}",
                    report.log.join("\n"),
                    report.wrong
                )
            }
        }
    }
    orders
}

/// Plays the one history that was asked for, if one was.
pub(crate) fn rerun(rules: &Rules) -> bool {
    let Some(seed) = number("HOLDFAST_SIM_SEED") else { return false };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let report = runtime.block_on(play(seed, rules, true));
    assert!(report.wrong.is_empty(), "seed {seed}:\n{}\n{:#?}", report.log.join("\n"), report.wrong);
    true
}

#[test]
fn no_history_breaks_a_promise() {
    if rerun(&Rules::honest()) {
        return;
    }
    let (accepted, standing) = play_many(histories(), &Rules::honest());
    // A simulation in which nothing happens proves nothing.
    assert!(
        standing * 10 > accepted && standing * 10 < accepted * 9,
        "{standing} of {accepted} orders stand"
    );
}

// M1 to M12 and M15: the second provider, which must be opened, cannot be closed, and forgets.
#[test]
fn no_history_at_a_hostile_provider_breaks_a_promise() {
    if rerun(&Rules::at_the_bank()) {
        return;
    }
    let (accepted, standing) = play_many(histories() / 4, &Rules::at_the_bank());
    assert!(standing * 10 > accepted, "{standing} of {accepted} orders stand");
}

// E1: the provider breaks its word that a voided charge never moves money; what arrives late goes back.
#[test]
fn e1_no_late_money_is_kept_though_the_provider_forgets_its_voids() {
    if !rerun(&Rules::forgetful()) {
        play_many(histories() / 5, &Rules::forgetful());
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    for seed in 0..50 {
        let first = runtime.block_on(play(seed, &Rules::honest(), true));
        let second = runtime.block_on(play(seed, &Rules::honest(), true));
        assert!(first.log.len() > 10, "seed {seed}");
        assert_eq!(first.log, second.log, "seed {seed}");
    }
}

/// A simulation in which something never happens proves nothing about it.
#[test]
fn the_histories_meet_everything_that_can_be_met() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let mut unmet = vec![
        "Did(",
        "Refused {",
        "Started {",
        "ask: true",
        "Succeeded(",
        "Pending {",
        "Rejected {",
        "Failed {",
        "Unknown {",
        "NotSent(",
        "Held {",
        "TakenOver {",
        "RetryAt {",
        "Waiting {",
        "confirmed: true",
        "confirmed: false",
        "CancelAccepted(",
        "Ignored(\"payment_event\")",
        "Ignored(\"late_outcome\")",
        "Ignored(\"cancel\")",
        "PaymentEvent,",
        "Expired(\"confirmation\")",
        "Expired(\"take_payment\")",
        "Pivot",
        "Unwinding(OutOfStock)",
        "Undid(\"release_stock\")",
        "Did(\"restock\")",
        "Spawned {",
        "LateCapture(",
        "Dead {",
        "Revived(",
        "Discarded { step: \"refund_payment\"",
        "Discarded { step: \"give_back\"",
        "Completed",
        "Compensated",
        "dies after the commit",
        "dies with",
        "gives up on",
        "deadlock",
        "reset",
        "replayed: true",
        "is DELIVERED\"",
        "Succeeded(\"give_back\")",
        "Unknown { step: \"give_back\"",
        "Dead { step: \"give_back\"",
        "under this key",
        "asks Cancel of order 1: Ok(Err(Order(RefundUnderWay, \"a refund of",
    ];
    for seed in 0..2_000 {
        if unmet.is_empty() {
            return;
        }
        let report = runtime.block_on(play(seed, &Rules::honest(), true));
        unmet.retain(|sign| !report.log.iter().any(|line| line.contains(sign)));
    }
    panic!("never met: {unmet:?}");
}
