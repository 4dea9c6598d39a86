//! The sandbox in memory: for simulations and the bench. It forgets everything on exit.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{ChargeState, Fault, NamedRefund, PaymentProvider, StatementLine};
use holdfast_shared::{Clock, Money, StepKey};

use crate::{KEY_TTL, Ledger, NAME, Operation, Reply, SandboxControl};

/// What becomes of one request on its way to the provider and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sky {
    /// It is carried out and answered.
    Clear,
    /// It is carried out; the answer is lost.
    LoseAnswer,
    /// It never arrives, and the shop cannot tell.
    LoseRequest,
    /// It is turned away at the door, and the shop knows.
    Refuse,
}

type Weather = dyn Fn(&Operation) -> Sky + Send + Sync;

/// A provider whose ledger is lost when it is dropped.
///
/// `tok_timeout` answers [`Fault::Unclear`] at once, where a real provider would not answer at all.
pub struct MemorySandbox {
    name: &'static str,
    clock: Arc<dyn Clock>,
    key_ttl: Duration,
    ledger: Mutex<Ledger>,
    weather: Box<Weather>,
}

impl MemorySandbox {
    /// An empty ledger, under a clear sky.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        tracing::warn!("the sandbox provider keeps its ledger in memory: they are lost on exit");
        Self {
            name: NAME,
            clock,
            key_ttl: KEY_TTL,
            ledger: Mutex::new(Ledger::new(KEY_TTL)),
            weather: Box::new(|_| Sky::Clear),
        }
    }

    /// The same provider under another name: one of several.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// An empty ledger that recognises a key for `key_ttl`.
    #[must_use]
    pub fn with_key_ttl(self, key_ttl: Duration) -> Self {
        Self { key_ttl, ledger: Mutex::new(Ledger::new(key_ttl)), ..self }
    }

    /// Asks `weather` about every charge, look-up, void and refund; what the buyer and operators do,
    /// and the statement, are spared.
    #[must_use]
    pub fn in_weather(self, weather: impl Fn(&Operation) -> Sky + Send + Sync + 'static) -> Self {
        Self { weather: Box::new(weather), ..self }
    }

    /// A copy of the ledger as they are.
    pub fn snapshot(&self) -> Ledger {
        self.ledger().clone()
    }

    fn ask(&self, operation: &Operation) -> Result<Reply, Fault> {
        match (self.weather)(operation) {
            Sky::Clear => Ok(self.carry_out(operation)),
            Sky::LoseAnswer => {
                self.carry_out(operation);
                Err(Fault::Unclear("the answer was lost on its way".to_owned()))
            }
            Sky::LoseRequest => Err(Fault::Unclear("the request was lost on its way".to_owned())),
            Sky::Refuse => Err(Fault::Unavailable("the provider takes no requests".to_owned())),
        }
    }

    fn carry_out(&self, operation: &Operation) -> Reply {
        // Read under the lock: the ledger never sees time run backwards between two requests.
        let mut ledger = self.ledger();
        ledger.handle(operation, self.clock.now()).0
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemorySandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySandbox").field("key_ttl", &self.key_ttl).finish_non_exhaustive()
    }
}

#[async_trait]
impl PaymentProvider for MemorySandbox {
    fn name(&self) -> &str {
        self.name
    }

    fn key_ttl(&self) -> Duration {
        self.key_ttl
    }

    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault> {
        self.ask(&Operation::Charge { key: key.clone(), amount, token: token.to_owned() })?.into_state()
    }

    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault> {
        self.ask(&Operation::LookUp { key: charge.clone() })?.into_found()
    }

    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.ask(&Operation::Void { key: charge.clone() })?.into_state()
    }

    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        let (key, charge) = (key.clone(), charge.clone());
        self.ask(&Operation::Refund { key, charge, amount_minor })?.into_done()
    }

    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        Ok(self.ledger().refunds(charge))
    }

    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        Ok(Some(self.ledger().statement()))
    }
}

#[async_trait]
impl SandboxControl for MemorySandbox {
    async fn complete_action(&self, charge: &StepKey, approved: bool) -> Result<ChargeState, Fault> {
        self.carry_out(&Operation::CompleteAction { key: charge.clone(), approved }).into_state()
    }

    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault> {
        Ok(self.ledger().waiting_actions())
    }

    async fn allow_refunds(&self, charge: &StepKey) -> Result<(), Fault> {
        self.carry_out(&Operation::AllowRefunds { charge: charge.clone() }).into_done()
    }
}
