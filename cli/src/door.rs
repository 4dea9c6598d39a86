//! The doors of a process as they are set up on the command line: `up`, `api` and `sandbox` share this.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::HeaderValue;
use holdfast_api::auth::{TokenSettings, Verifier};
use holdfast_api::{Parts, Settings, serve};
use holdfast_saga::ports::{Dispatch, Hint, Store};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_worker::{CheckoutIntake, Metrics};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::args::{ApiServerArgs, TrustArgs};
use crate::exit::{Exit, say, usage};

/// An open door of this process, such as the API's.
#[derive(Debug)]
pub(crate) struct HttpServer {
    /// Where it can be reached.
    pub(crate) url: String,
    serving: JoinHandle<usize>,
    stop: watch::Sender<bool>,
}

/// Hints for nobody: the workers live elsewhere and find what is due by themselves.
#[derive(Debug)]
pub(crate) struct NoHints;

impl Dispatch for NoHints {
    fn wake(&self, _: &[Hint]) {}
}

/// Whose tokens are believed, as asked for; `None` when nothing was said about it.
pub(crate) fn verifier(args: &TrustArgs) -> anyhow::Result<Option<Verifier>> {
    let trust = trust(args);
    match (args.secret(), args.jwks()) {
        (Some(_), Some(_)) => Err(usage(
            "HOLDFAST_JWT_SECRET and HOLDFAST_JWKS_FILE are both set; keep the one your tokens are signed with",
        )),
        (Some(secret), None) => {
            Verifier::with_secret(secret, trust).map(Some).map_err(|error| usage(error.to_string()))
        }
        (None, Some(file)) => {
            Verifier::with_jwks(file, trust).map(Some).map_err(|error| usage(error.to_string()))
        }
        (None, None) => Ok(None),
    }
}

/// The issuer and audience that tokens must name.
pub(crate) fn trust(args: &TrustArgs) -> TokenSettings {
    TokenSettings { issuer: args.jwt_issuer.clone(), audience: args.jwt_audience.clone() }
}

/// Asks the system for as many open files as it gives: each connection is one, and a shell's default of 1,024 is
/// less than the door takes.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
}

/// Takes the address that `flag` names, before anything else is touched: a second process on it changes nothing.
pub(crate) async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    raise_open_files();
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}; choose another {flag}"))
}

/// Takes a port that is free, for callers on this machine.
pub(crate) async fn listen_anywhere() -> anyhow::Result<TcpListener> {
    listen(([127, 0, 0, 1], 0).into(), "port").await
}

/// What a door needs to be opened.
pub(crate) struct ApiParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) verifier: Verifier,
    pub(crate) policy: AcceptPolicy,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Settings,
    pub(crate) drain: Duration,
}

impl HttpServer {
    /// Opens the front door. Nothing is answered before this returns.
    pub(crate) async fn open(listener: TcpListener, open: ApiParts) -> anyhow::Result<Self> {
        let ApiParts { store, dispatch, verifier, policy, metrics, settings, drain } = open;
        let stop = watch::Sender::new(false);
        let checkout_intake =
            CheckoutIntake::start(Arc::clone(&store), policy, Arc::clone(&dispatch), metrics.clone());
        let parts = Parts { store, checkout_intake, dispatch, verifier, metrics };
        let routes = holdfast_api::open(parts, settings, stop.subscribe()).await?;
        Self::to(listener, routes, stop, drain)
    }

    /// Opens a door to `routes`, which hear from `stop` when it closes. Requests under way then get `drain` to end.
    pub(crate) fn to(
        listener: TcpListener,
        routes: Router,
        stop: watch::Sender<bool>,
        drain: Duration,
    ) -> anyhow::Result<Self> {
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(serve(listener, routes, stop.subscribe(), drain));
        Ok(Self { url, serving, stop })
    }

    /// Says where it is, and stays open until somebody wants this process to end.
    pub(crate) async fn stay_open(self, about: &str) -> anyhow::Result<Exit> {
        let mut stop = Stop::listen()?;
        say(&format!("listening on {}; {about}", self.url));
        stop.told().await;
        say("stopping: requests under way may end, new ones are refused; Ctrl-C again stops at once");
        let cut_off = tokio::select! {
            cut_off = self.close() => cut_off,
            () = stop.told() => return Ok(Exit::Error),
        };
        if cut_off > 0 {
            say(&format!("connections cut off: {cut_off}"));
        }
        Ok(Exit::Ok)
    }

    /// Takes no more requests, lets those under way end, and says how many were cut off.
    pub(crate) async fn close(self) -> usize {
        let _ = self.stop.send(true);
        self.serving.await.unwrap_or_default()
    }
}

/// The windows that checkouts of this door get; their workers are hinted at.
pub(crate) fn policy(args: &ApiServerArgs) -> AcceptPolicy {
    AcceptPolicy {
        payment_within: *args.payment_within,
        confirm_within: *args.cod_confirm_within,
        ..AcceptPolicy::new(args.payment_provider.name())
    }
}

/// Limits and origins, as asked for.
pub(crate) fn settings(args: &ApiServerArgs) -> anyhow::Result<Settings> {
    let mut cors_origins = Vec::new();
    // A variable that is set to nothing is not set.
    for origin in args.cors_origin.iter().filter(|origin| !origin.is_empty()) {
        let named = origin.split_once("://").filter(|(_, host)| !host.is_empty() && !host.contains('/'));
        let value = named.and_then(|_| HeaderValue::from_str(origin).ok());
        let refuse =
            || usage(format!("--cors-origin {origin} is no origin; https://shop.example is expected"));
        cors_origins.push(value.ok_or_else(refuse)?);
    }
    Ok(Settings {
        requests_per_second: NonZeroU32::new(args.rate_limit),
        behind_proxy: args.behind_proxy,
        cors_origins,
        pending_max: args.pending_max,
    })
}

/// Hears SIGTERM and Ctrl-C. From the moment it listens neither ends the process by itself.
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
}

impl Stop {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { signals: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?] })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits until somebody wants this process to end; the next time, until they want it again.
    pub(crate) async fn told(&mut self) {
        #[cfg(unix)]
        {
            let [terminate, interrupt] = &mut self.signals;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Where `up` keeps a shop that nobody named.
pub(crate) fn default_shop() -> PathBuf {
    PathBuf::from("holdfast.db")
}
