//! The oracle can fail: ten rules are broken on purpose, from the outside, and each is caught.

mod provider;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use holdfast_saga::engine::definition::{CallSpec, Definition, Kind, Phrases, Stage, Undo};
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows::{self, checkout_cod, checkout_online};
use holdfast_saga::ports::{
    Account, At, Attempt, Caps, Charge, Claimed, Closed, Fault, Movement, NamedRefund, Page, PaymentProvider,
    RefundState,
};
use holdfast_shared::{Money, StepKey};

use crate::history::Rules;
use crate::simulation::play_all;

/// A broken rule that this many histories do not notice would go unnoticed.
const HISTORIES: u64 = 3_000;

/// Plays by broken rules until the oracle notices, and checks that it does for the right reason.
fn check(rules: &Rules, signs: &[&str]) {
    let Err((seed, report)) = play_all(0..HISTORIES, rules) else {
        panic!("{HISTORIES} histories did not notice");
    };
    let wrong = report.wrong.join("\n");
    assert!(signs.iter().any(|sign| wrong.contains(sign)), "seed {seed}: {wrong}");
}

#[test]
fn outcomes_without_a_fence_are_noticed() {
    let rules = Rules { forge_fences: true, ..Rules::honest() };
    check(&rules, &["provider", "Provider", "Money", "of its money", "refused a row"]);
}

#[test]
fn a_refund_key_for_each_attempt_is_noticed() {
    let payments: fn(Arc<dyn PaymentProvider>) -> Arc<dyn PaymentProvider> =
        |provider| Arc::new(NewKeyEachTime { provider, attempts: AtomicU32::new(0) });
    check(&Rules { payments, ..Rules::honest() }, &["captured", "Provider"]);
}

#[test]
fn stock_released_after_the_pivot_is_noticed() {
    // Pitfall 4: a paid order whose goods are given away.
    let registry = registry_with(|stages, release| {
        let at = stages.iter().position(|stage| stage.name == "confirm_reservation").expect("it confirms");
        stages[at] = Stage { name: "release_stock", phrases: Phrases::default(), kind: release, undo: None };
    });
    check(&Rules { registry, ..Rules::honest() }, &["Reservation"]);
}

#[test]
fn a_double_reserve_is_noticed() {
    let registry = registry_with(|stages, _| {
        let at = stages.iter().position(|stage| stage.name == "reserve_stock").expect("it reserves");
        let again = copy(&stages[at]);
        stages.insert(at, Stage { name: "reserve_again", undo: None, ..again });
    });
    check(&Rules { registry, ..Rules::honest() }, &["StockReserved"]);
}

#[test]
fn lost_signals_are_noticed() {
    // A lost event or late outcome is no loss here: the provider is asked anyway, or made to void the charge.
    for lost in ["cancel", "confirmation", "retry"] {
        // Nobody hands it over, as if it had been marked as read.
        let on_claim = move |claimed: &mut Claimed| {
            for (_, signals) in &mut claimed.sagas {
                signals.retain(|signal| signal.body.name() != lost);
            }
        };
        let signs =
            ["was promised", "the dead do not stay alive", "nothing wakes it to read", "signals to read"];
        check(&Rules { on_claim: Arc::new(on_claim), ..Rules::honest() }, &signs);
    }
}

/// The registry, with both checkouts changed. The stages are a checkout's own; the kind releases its stock.
fn registry_with(change: impl Fn(&mut Vec<Stage>, Kind)) -> Registry {
    let changed = |definition: &Definition| -> &'static Definition {
        let mut stages: Vec<Stage> = definition.forward.iter().map(copy).collect();
        let reserve = stages.iter().find(|stage| stage.name == "reserve_stock").expect("it reserves");
        let Some(Undo::Local { changes, .. }) = &reserve.undo else { panic!("reserving is undone") };
        let release = Kind::Local(*changes);
        change(&mut stages, release);
        Box::leak(Box::new(Definition { forward: Vec::leak(stages), ..*definition }))
    };
    let mut all: Vec<&'static Definition> = vec![changed(&checkout_online::V2), changed(&checkout_cod::V1)];
    all.extend(flows::REGISTRY.all().filter(|definition| !definition.name.starts_with("checkout")));
    Registry::new(Vec::leak(all))
}

/// The registry, with one definition replaced by this one.
pub(crate) fn registry_of(definition: Definition) -> Registry {
    let others = flows::REGISTRY.all().filter(|known| known.name != definition.name);
    let mut all: Vec<&'static Definition> = others.collect();
    all.push(Box::leak(Box::new(definition)));
    Registry::new(Vec::leak(all))
}

pub(crate) fn copy(stage: &Stage) -> Stage {
    let kind = match &stage.kind {
        Kind::Local(changes) => Kind::Local(*changes),
        Kind::Call(call) => Kind::Call(CallSpec { ..*call }),
        Kind::Confirmation => Kind::Confirmation,
        Kind::Spawn(child) => Kind::Spawn(*child),
        Kind::Pivot => Kind::Pivot,
    };
    let undo = stage.undo.as_ref().map(|undo| match undo {
        Undo::Local { name, phrases, changes } => Undo::Local { name, phrases: *phrases, changes: *changes },
        Undo::Call { name, phrases, call } => {
            Undo::Call { name, phrases: *phrases, call: CallSpec { ..*call } }
        }
    });
    Stage { name: stage.name, phrases: stage.phrases, kind, undo }
}

/// Makes every refund look like a new one to the provider.
#[derive(Debug)]
struct NewKeyEachTime {
    provider: Arc<dyn PaymentProvider>,
    attempts: AtomicU32,
}

#[async_trait]
impl PaymentProvider for NewKeyEachTime {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn caps(&self) -> Caps {
        self.provider.caps()
    }

    async fn ping(&self) -> Result<Account, Fault> {
        self.provider.ping().await
    }

    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        self.provider.drive(at, attempt).await
    }

    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        self.provider.look_up(at).await
    }

    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        self.provider.close(at).await
    }

    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        let attempt = self.attempts.fetch_add(1, Ordering::SeqCst);
        let key = StepKey::from_stored(format!("{key}:attempt-{attempt}"));
        self.provider.refund(at, &key, amount).await
    }

    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        self.provider.refunds(at).await
    }

    async fn movements(&self, cursor: &str) -> Result<Option<Page<Movement>>, Fault> {
        self.provider.movements(cursor).await
    }
}
