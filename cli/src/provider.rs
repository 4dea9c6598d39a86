//! Who takes the money: the sandbox's books in a file, or a sandbox that runs elsewhere.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_sandbox::http::HttpSandbox;
use holdfast_sandbox::{DurableSandbox, SandboxControl};
use holdfast_shared::SystemClock;
use holdfast_worker::{CircuitBreaker, CircuitBreakerConfig, Metrics, Redis};

use crate::args::{GuardArgs, SandboxArgs};
use crate::door::{HttpServer, listen_anywhere};
use crate::exit::usage;
use crate::sandbox;

/// The sandbox's books beside a shop that is a file.
const SHOP_LEDGER: &str = "sandbox.db";
/// The same in this folder, for a shop on a server.
pub(crate) const DEFAULT_LEDGER: &str = "holdfast-sandbox.db";
/// An audit reads page by page, and nobody waits for it who would buy.
const AUDIT_PATIENCE: Duration = Duration::from_secs(30);

/// A payment provider, ready to be asked.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) sandbox: Arc<dyn SandboxControl>,
    /// Where this process serves its own books.
    door: Option<HttpServer>,
}

/// Where a sandbox is, as far as the command line says.
#[derive(Debug)]
pub(crate) enum SandboxLocation {
    /// Its books are this file.
    Ledger(PathBuf),
    /// Somebody else has the books.
    Remote(HttpSandbox),
}

impl Provider {
    /// The sandbox to hold a shop against: the one that was named, or books that lie beside the shop's file.
    /// New, empty ones are not begun.
    pub(crate) async fn find(args: &SandboxArgs, shop: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let place = match SandboxLocation::named(args, AUDIT_PATIENCE)? {
            Some(SandboxLocation::Ledger(path)) if !path.is_file() => {
                return Err(usage(format!("--sandbox-ledger: {} is no file", path.display())));
            }
            Some(place) => place,
            None => match beside(shop).filter(|path| path.is_file()) {
                Some(path) => SandboxLocation::Ledger(path),
                None => return Ok(None),
            },
        };
        place.open().await.map(Some)
    }

    /// Holds the calls of `worker` back while this provider is away. Workers with one Redis do it together.
    pub(crate) fn circuit_breaker(
        &self,
        args: &GuardArgs,
        worker: &str,
        redis: Option<Arc<Redis>>,
        metrics: &Metrics,
    ) -> CircuitBreaker {
        let config = CircuitBreakerConfig {
            rate: NonZeroU32::new(args.provider_rate),
            redis,
            ..CircuitBreakerConfig::new(self.sandbox.name(), worker)
        };
        CircuitBreaker::start(config, metrics.clone())
    }

    /// Where this process serves its own books, if it does.
    pub(crate) fn url(&self) -> Option<&str> {
        self.door.as_ref().map(|door| door.url.as_str())
    }

    /// Serves its own books no longer. Once the last call has ended, nobody needs them.
    pub(crate) async fn close(self) {
        if let Some(door) = self.door {
            door.close().await;
        }
    }
}

impl SandboxLocation {
    /// Where the sandbox is that was asked for, or that belongs to a shop in the file `shop`. Nothing is touched.
    /// An answer from elsewhere that takes longer than `timeout` is lost.
    pub(crate) fn of(args: &SandboxArgs, shop: Option<&Path>, timeout: Duration) -> anyhow::Result<Self> {
        let own = || Self::Ledger(beside(shop).unwrap_or_else(|| PathBuf::from(DEFAULT_LEDGER)));
        Ok(Self::named(args, timeout)?.unwrap_or_else(own))
    }

    fn named(args: &SandboxArgs, timeout: Duration) -> anyhow::Result<Option<Self>> {
        // A variable that is set to nothing is not set.
        let url = args.sandbox_url.as_deref().filter(|url| !url.is_empty());
        match (url, &args.sandbox_ledger) {
            (Some(_), Some(_)) => Err(usage(
                "--sandbox-url and --sandbox-ledger (or HOLDFAST_SANDBOX_URL and HOLDFAST_SANDBOX_LEDGER) are both \
                 set; give the ledger to the `holdfast sandbox` that serves it, and keep the URL here",
            )),
            (Some(url), None) => {
                let sandbox = HttpSandbox::new(url, timeout).map_err(|error| usage(error.to_string()))?;
                Ok(Some(Self::Remote(sandbox)))
            }
            (None, Some(ledger)) => Ok(Some(Self::Ledger(ledger.clone()))),
            (None, None) => Ok(None),
        }
    }

    /// Ready to be asked; books in a file are opened, or begun, by this very process.
    pub(crate) async fn open(self) -> anyhow::Result<Provider> {
        let sandbox: Arc<dyn SandboxControl> = match self {
            Self::Ledger(ledger) => Arc::new(books(&ledger).await?),
            Self::Remote(sandbox) => Arc::new(sandbox),
        };
        Ok(Provider { sandbox, door: None })
    }

    /// Books in a file, too, are asked over HTTP: calls then time out and answers get lost as they do in production.
    pub(crate) async fn serve(self, timeout: Duration) -> anyhow::Result<Provider> {
        let Self::Ledger(ledger) = self else { return self.open().await };
        let door = sandbox::open(listen_anywhere().await?, books(&ledger).await?, Duration::ZERO)?;
        let sandbox = HttpSandbox::new(&door.url, timeout)?;
        Ok(Provider { sandbox: Arc::new(sandbox), door: Some(door) })
    }
}

fn beside(shop: Option<&Path>) -> Option<PathBuf> {
    shop.map(|path| path.with_file_name(SHOP_LEDGER))
}

/// The books at `ledger`, or new ones.
pub(crate) async fn books(ledger: &Path) -> anyhow::Result<DurableSandbox> {
    Ok(DurableSandbox::open(ledger, Arc::new(SystemClock)).await?)
}
