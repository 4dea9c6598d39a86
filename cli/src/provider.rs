//! The payment provider: which one takes the money, and where the sandbox is.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum as _;
use holdfast_saga::ports::ProviderAmounts;
use holdfast_saga::shop::checkout::PaymentRoute;
use holdfast_sandbox::SandboxControl;

use crate::assemble::{self, BreakerSettings};
use crate::exit::usage;
use crate::http_server::{HttpServer, listen_anywhere};
use crate::named_file::{NamedFile, named_file};

/// The sandbox's ledger beside a shop in a file.
const SHOP_LEDGER: &str = "sandbox.db";
/// The sandbox's ledger in this folder, for a shop on a server.
pub(crate) const DEFAULT_LEDGER: &str = "holdfast-sandbox.db";
/// An audit reads the ledger page by page, and no buyer waits for it.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The help of `--sandbox-url`.
pub(crate) const SANDBOX_URL: &str = "A sandbox provider that runs elsewhere (`holdfast sandbox`), such as http://127.0.0.1:9091; instead of a ledger";

/// Who takes the money of a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MethodProvider {
    /// The sandbox plays a provider, with a ledger of its own
    Sandbox,
    /// Nobody: the method is not offered
    Off,
}

impl MethodProvider {
    /// Where the money goes, if the method is offered.
    pub(crate) fn route(self) -> Option<PaymentRoute> {
        match self {
            Self::Sandbox => Some(PaymentRoute::new(holdfast_sandbox::NAME)),
            Self::Off => None,
        }
    }
}

/// No payment token is shown from now on.
pub(crate) fn redact_tokens() {
    holdfast_shared::redact_tokens([holdfast_sandbox::TOKEN_PREFIX]);
}

/// What the providers of this build can take and give back.
pub(crate) fn amounts() -> ProviderAmounts {
    let routes = MethodProvider::value_variants().iter().filter_map(|provider| provider.route());
    routes.map(|route| (route.provider, route.amounts)).collect()
}

/// How often those outside may be called.
#[derive(clap::Args)]
pub(crate) struct RateArgs {
    /// Calls to each payment provider a second, of all workers together; 0: no limit
    #[arg(long, value_name = "N", env = "HOLDFAST_PROVIDER_RATE", default_value_t = 0)]
    provider_rate: u32,

    /// Messages through each notification channel a second, of all workers together; 0: no limit
    #[arg(long, value_name = "N", env = "HOLDFAST_CHANNEL_RATE", default_value_t = 0)]
    channel_rate: u32,
}

impl RateArgs {
    /// The settings of the circuit breakers.
    pub(crate) fn breakers(&self) -> BreakerSettings {
        BreakerSettings {
            provider_rate: NonZeroU32::new(self.provider_rate),
            channel_rate: NonZeroU32::new(self.channel_rate),
        }
    }
}

/// Where the sandbox provider is: a ledger or a URL, not both.
#[derive(clap::Args)]
pub(crate) struct SandboxArgs {
    /// The file of the sandbox provider's own ledger
    ///
    /// Default: sandbox.db beside a shop in a file, holdfast-sandbox.db in this folder for a shop on a server.
    #[arg(long, value_name = "PATH", env = "HOLDFAST_SANDBOX_LEDGER", value_parser = named_file())]
    pub(crate) sandbox_ledger: Option<NamedFile>,

    #[arg(long, value_name = "URL", env = "HOLDFAST_SANDBOX_URL", hide_env_values = true, help = SANDBOX_URL)]
    pub(crate) sandbox_url: Option<String>,
}

/// A sandbox provider, ready for calls.
pub(crate) struct Provider {
    pub(crate) sandbox: Arc<dyn SandboxControl>,
    /// The server of its ledger, if this process serves one.
    server: Option<HttpServer>,
}

/// Where a sandbox is, according to the command line.
pub(crate) enum SandboxLocation {
    /// Its ledger is this file.
    Ledger(PathBuf),
    Remote(Arc<dyn SandboxControl>),
}

impl Provider {
    /// The sandbox to compare a shop with: the given one, or a ledger beside the shop's file. Never creates a ledger.
    pub(crate) async fn find(args: &SandboxArgs, shop: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let location = match SandboxLocation::given(args, AUDIT_TIMEOUT)? {
            Some(SandboxLocation::Ledger(path)) if !path.is_file() => {
                return Err(usage(format!("--sandbox-ledger: {} is not a file", path.display())));
            }
            Some(location) => location,
            None => match beside(shop).filter(|path| path.is_file()) {
                Some(path) => SandboxLocation::Ledger(path),
                None => return Ok(None),
            },
        };
        location.open().await.map(Some)
    }

    /// The URL of its server, if this process serves its ledger.
    pub(crate) fn url(&self) -> Option<&str> {
        self.server.as_ref().map(HttpServer::url)
    }

    /// Stops its server. Call it after the last call has ended.
    pub(crate) async fn close(self) {
        if let Some(server) = self.server {
            server.close().await;
        }
    }
}

impl SandboxLocation {
    /// The given location, or the ledger that belongs to the shop in the file `shop`. Opens nothing. An answer of a
    /// remote sandbox that takes longer than `timeout` counts as lost.
    pub(crate) fn of(args: &SandboxArgs, shop: Option<&Path>, timeout: Duration) -> anyhow::Result<Self> {
        let default = || Self::Ledger(beside(shop).unwrap_or_else(|| PathBuf::from(DEFAULT_LEDGER)));
        Ok(Self::given(args, timeout)?.unwrap_or_else(default))
    }

    fn given(args: &SandboxArgs, timeout: Duration) -> anyhow::Result<Option<Self>> {
        // An empty variable counts as unset.
        let url = args.sandbox_url.as_deref().filter(|url| !url.is_empty());
        match (url, args.sandbox_ledger.as_ref().and_then(NamedFile::path)) {
            (Some(_), Some(_)) => Err(usage(
                "--sandbox-url and --sandbox-ledger (or HOLDFAST_SANDBOX_URL and HOLDFAST_SANDBOX_LEDGER) are both \
                 set; give the ledger to the `holdfast sandbox` that serves it, and keep the URL here",
            )),
            (Some(url), None) => Ok(Some(Self::Remote(assemble::remote_sandbox(url, timeout)?))),
            (None, Some(ledger)) => Ok(Some(Self::Ledger(ledger.to_owned()))),
            (None, None) => Ok(None),
        }
    }

    /// Opens the sandbox. This process opens or creates a ledger itself.
    pub(crate) async fn open(self) -> anyhow::Result<Provider> {
        let sandbox = match self {
            Self::Ledger(ledger) => assemble::sandbox(&ledger).await?,
            Self::Remote(sandbox) => sandbox,
        };
        Ok(Provider { sandbox, server: None })
    }

    /// Opens the sandbox, and serves a ledger over HTTP: calls then time out and answers get lost as in production.
    pub(crate) async fn serve(self, timeout: Duration) -> anyhow::Result<Provider> {
        let Self::Ledger(ledger) = self else { return self.open().await };
        let server = assemble::serve_sandbox(listen_anywhere().await?, &ledger, Duration::ZERO).await?;
        let sandbox = assemble::remote_sandbox(server.url(), timeout)?;
        Ok(Provider { sandbox, server: Some(server) })
    }
}

fn beside(shop: Option<&Path>) -> Option<PathBuf> {
    shop.map(|path| path.with_file_name(SHOP_LEDGER))
}
