//! What goes to the bank and back, and what can become of it on the way.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_shared::Clock;

use crate::Bank;
use crate::message::{Asked, Said};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// It was never sent.
    NotReached(String),
    /// It may have arrived.
    Lost(String),
}

/// The way to the bank.
#[async_trait]
pub trait Wire: Send + Sync + fmt::Debug {
    /// Asks, and waits for the answer.
    async fn ask(&self, asked: Asked) -> Result<Said, NoAnswer>;
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// It is carried out and answered.
    Clear,
    /// Nobody is reached.
    Away,
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// It never arrives, and nobody can tell.
    LoseRequest,
    /// Its sender gives up, and it arrives so much later.
    ArriveLate(Duration),
    /// It is answered with a 500, which is repeated under its key; what was asked was done, or not.
    ServerError {
        /// Whether it was done.
        done: bool,
    },
    /// It is answered with a 429, which is not repeated.
    TooMany,
    /// It is answered with a 422, which is not repeated.
    Refused,
}

type Forecast = dyn Fn(&Asked) -> Weather + Send + Sync;

/// A bank in this process.
pub struct LocalWire {
    bank: Mutex<Bank>,
    clock: Arc<dyn Clock>,
    weather: Box<Forecast>,
}

impl LocalWire {
    /// A bank under a clear sky.
    pub fn new(bank: Bank, clock: Arc<dyn Clock>) -> Self {
        Self { bank: Mutex::new(bank), clock, weather: Box::new(|_| Weather::Clear) }
    }

    /// Asks `weather` about every request.
    #[must_use]
    pub fn in_weather(self, weather: impl Fn(&Asked) -> Weather + Send + Sync + 'static) -> Self {
        Self { weather: Box::new(weather), ..self }
    }

    /// The bank, for what happens there without the shop.
    pub fn bank(&self) -> MutexGuard<'_, Bank> {
        self.bank.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LocalWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalWire").finish_non_exhaustive()
    }
}

#[async_trait]
impl Wire for LocalWire {
    async fn ask(&self, asked: Asked) -> Result<Said, NoAnswer> {
        let weather = (self.weather)(&asked);
        let now = self.clock.now();
        let mut bank = self.bank();
        match weather {
            Weather::Clear => Ok(bank.handle(&asked, now)),
            Weather::Away => Err(NoAnswer::NotReached("connection refused".to_owned())),
            Weather::LoseAnswer => {
                bank.handle(&asked, now);
                Err(NoAnswer::Lost("the connection was closed".to_owned()))
            }
            Weather::LoseRequest => Err(NoAnswer::Lost("no answer in time".to_owned())),
            Weather::ArriveLate(after) => {
                bank.arrives_later(asked, now + after);
                Err(NoAnswer::Lost("no answer in time".to_owned()))
            }
            Weather::ServerError { done } => Ok(bank.fail(&asked, done, now)),
            Weather::Refused => {
                Ok(Said { status: 422, body: serde_json::json!({"error": "a rule says no"}) })
            }
            Weather::TooMany => {
                Ok(Said { status: 429, body: serde_json::json!({"error": "too many requests"}) })
            }
        }
    }
}
