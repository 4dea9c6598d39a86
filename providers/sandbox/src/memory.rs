//! The sandbox in memory: for simulations and the bench. It forgets everything on exit.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, Movement, NamedRefund};
use holdfast_shared::{Clock, StepKey};

use crate::{KEY_TTL, Ledger, NAME, Operation, Part, Reply, SandboxControl};

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
        let sky = match operation {
            // Nobody travels for that.
            Operation::CompleteAction { .. } | Operation::AllowRefunds { .. } => Sky::Clear,
            asked @ (Operation::Charge { .. }
            | Operation::LookUp { .. }
            | Operation::Void { .. }
            | Operation::Refund { .. }) => (self.weather)(asked),
        };
        match sky {
            Sky::Clear => Ok(self.carry_out(operation)),
            Sky::LoseAnswer => {
                self.carry_out(operation);
                Err(Fault::Unclear("the answer was lost on its way".to_owned()))
            }
            Sky::LoseRequest => Err(Fault::Unclear("the request was lost on its way".to_owned())),
            Sky::Refuse => Err(Fault::NotReached("the provider takes no requests".to_owned())),
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

crate::port::payment_provider!(MemorySandbox);

#[async_trait]
impl SandboxControl for MemorySandbox {
    fn registered_as(&self) -> &str {
        self.name
    }

    fn key_ttl(&self) -> Duration {
        self.key_ttl
    }

    async fn request(&self, operation: Operation) -> Result<Reply, Fault> {
        self.ask(&operation)
    }

    async fn refunds_of(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        Ok(self.ledger().refunds(charge))
    }

    async fn statement_after(&self, _: &str) -> Result<Part<Movement>, Fault> {
        Ok((self.ledger().statement(), None))
    }

    async fn waiting_actions(&self) -> Result<Vec<StepKey>, Fault> {
        Ok(self.ledger().waiting_actions())
    }
}
