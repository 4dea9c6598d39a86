//! A second notification channel, for tests: it keeps what it is sent, and can be away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, NotificationChannel};
use holdfast_saga::records::context::Notice;
use holdfast_shared::{SagaId, StepKey};

/// The channel.
#[derive(Debug)]
pub struct Postbox {
    name: String,
    is_away: AtomicBool,
    asked: AtomicUsize,
    pings: AtomicUsize,
    sent: Mutex<Vec<(StepKey, SagaId)>>,
}

impl Postbox {
    /// An empty one, under this name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            pings: AtomicUsize::new(0),
            sent: Mutex::default(),
        }
    }

    /// Whether it can be reached from now on.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// What it was sent: the key and the saga of each message.
    pub fn sent(&self) -> Vec<(StepKey, SagaId)> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it was asked to send a message.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How often it was pinged.
    pub fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    fn reach(&self) -> Result<(), Fault> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Fault::NotReached(format!("{} cannot be reached", self.name)));
        }
        Ok(())
    }
}

#[async_trait]
impl NotificationChannel for Postbox {
    fn name(&self) -> &str {
        &self.name
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.pings.fetch_add(1, Ordering::SeqCst);
        self.reach()
    }

    async fn send(&self, key: &StepKey, id: SagaId, _notice: &Notice) -> Result<(), Fault> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.reach()?;
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), id));
        Ok(())
    }
}
