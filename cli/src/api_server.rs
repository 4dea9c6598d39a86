//! The server of the REST API, as `up`, `api` and `demo` run it.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use holdfast_api::auth::Verifier;
use holdfast_api::{ConnectionLimits, ForwardedHeader, Parts, Settings, TrustedProxies};
use holdfast_intake::CheckoutIntake;
use holdfast_saga::ports::{Dispatch, Store};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_shared::PaymentMethod;
use holdfast_telemetry::Metrics;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::exit::{say, usage};
use crate::http_server::{HttpServer, listen};
use crate::provider::{self, MethodProvider};
use crate::token_keys::TokenKeyArgs;
use crate::values::{Optional, duration, one_of, optional_address, window};

#[derive(clap::Args)]
pub(crate) struct ApiServerArgs {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http_addr: SocketAddr,

    /// The address for metrics, for Prometheus alone; without it they are not served
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_METRICS_ADDR", value_parser = optional_address)]
    metrics_addr: Option<Optional<SocketAddr>>,

    #[command(flatten)]
    pub(crate) token_keys: TokenKeyArgs,

    /// The provider that takes the money of card payments
    #[arg(long, value_name = "NAME", env = "HOLDFAST_METHOD_CARD", value_enum, default_value = "sandbox")]
    method_card: MethodProvider,

    /// The provider that takes the money of PayPal payments
    #[arg(long, value_name = "NAME", env = "HOLDFAST_METHOD_PAYPAL", value_enum, default_value = "sandbox")]
    method_paypal: MethodProvider,

    /// How long a buyer may take to pay
    #[arg(long, value_name = "TIME", env = "HOLDFAST_PAYMENT_WITHIN", default_value = "30m", value_parser = window)]
    payment_within: humantime::Duration,

    /// How long an admin may take to confirm a cash-on-delivery order
    #[arg(long, value_name = "TIME", env = "HOLDFAST_COD_CONFIRM_WITHIN", default_value = "48h", value_parser = window)]
    cod_confirm_within: humantime::Duration,

    /// Requests of one caller a second; 0: no limit
    #[arg(long, value_name = "N", env = "HOLDFAST_RATE_LIMIT", default_value_t = 100)]
    rate_limit: u32,

    /// Connections from one address at once, unless it is a trusted proxy; 0: no limit
    #[arg(long, value_name = "N", env = "HOLDFAST_CONNECTIONS_PER_ADDRESS", default_value_t = 1_024)]
    connections_per_address: usize,

    /// Event streams of one caller at once; 0: no limit
    #[arg(long, value_name = "N", env = "HOLDFAST_STREAMS_PER_CALLER", default_value_t = 256)]
    streams_per_caller: usize,

    /// Refuse checkouts while this many orders are undecided, and wait for nobody outside
    #[arg(long, value_name = "N", env = "HOLDFAST_PENDING_MAX", default_value_t = 200_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pending_max: u64,

    #[arg(long, value_name = "ORIGIN", env = "HOLDFAST_CORS_ORIGINS", value_delimiter = ',')]
    #[arg(help = "An origin whose pages may call the API, such as https://shop.example; may be repeated")]
    cors_origin: Vec<String>,

    /// The proxies that are believed when they name a caller's address: networks such as 10.0.0.0/8, addresses, `private`,
    /// `loopback` or `none`, separated by commas
    #[arg(long, value_name = "NETWORKS", env = "HOLDFAST_TRUSTED_PROXIES", default_value = "loopback")]
    trusted_proxies: TrustedProxies,

    /// The header in which they name it; have them overwrite it
    #[arg(long, value_name = "HEADER", env = "HOLDFAST_FORWARDED_HEADER", default_value_t)]
    #[arg(value_parser = one_of::<ForwardedHeader>())]
    forwarded_header: ForwardedHeader,

    /// How long requests in flight may take to end when the process stops
    #[arg(long, value_name = "TIME", env = "HOLDFAST_DRAIN_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub(crate) drain_timeout: humantime::Duration,
}

impl ApiServerArgs {
    /// The policy of checkouts whose saga is hinted to a worker.
    pub(crate) fn policy(&self) -> AcceptPolicy {
        let methods = [
            (PaymentMethod::Card, self.method_card.route()),
            (PaymentMethod::Paypal, self.method_paypal.route()),
        ];
        AcceptPolicy {
            payments: methods.into_iter().filter_map(|(method, route)| Some((method, route?))).collect(),
            payment_within: *self.payment_within,
            confirm_within: *self.cod_confirm_within,
            ..AcceptPolicy::default()
        }
    }

    /// Where metrics are served, bound before anything else is opened.
    pub(crate) async fn metrics_listener(&self) -> anyhow::Result<Option<TcpListener>> {
        match Optional::of(self.metrics_addr) {
            Some(address) => listen(address, "--metrics-addr").await.map(Some),
            None => Ok(None),
        }
    }

    /// How many connections it keeps open.
    pub(crate) fn limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            per_address: NonZeroUsize::new(self.connections_per_address),
            trusted_proxies: self.trusted_proxies.clone(),
            ..ConnectionLimits::default()
        }
    }

    /// The settings of an API whose store has so many connections for reads.
    pub(crate) fn settings(&self, connections: u32) -> anyhow::Result<Settings> {
        let mut cors_origins = Vec::new();
        // An empty variable counts as unset.
        for origin in self.cors_origin.iter().filter(|origin| !origin.is_empty()) {
            let parts = origin.split_once("://").filter(|(_, host)| !host.is_empty() && !host.contains('/'));
            let value = parts.and_then(|_| HeaderValue::from_str(origin).ok());
            let refuse =
                || usage(format!("--cors-origin {origin} is not an origin; expected https://shop.example"));
            cors_origins.push(value.ok_or_else(refuse)?);
        }
        Ok(Settings {
            requests_per_second: NonZeroU32::new(self.rate_limit),
            trusted_proxies: self.trusted_proxies.clone(),
            forwarded_header: self.forwarded_header,
            cors_origins,
            streams_per_caller: NonZeroUsize::new(self.streams_per_caller),
            pending_max: self.pending_max,
            connections,
        })
    }
}

/// What the API is made of.
pub(crate) struct ApiParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) verifier: Verifier,
    pub(crate) policy: AcceptPolicy,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Settings,
    pub(crate) limits: ConnectionLimits,
    /// Where metrics are served, if they are.
    pub(crate) metrics_listener: Option<TcpListener>,
    pub(crate) drain: Duration,
}

/// Starts the API. It answers no request before this returns.
pub(crate) async fn start(listener: TcpListener, parts: ApiParts) -> anyhow::Result<HttpServer> {
    let ApiParts { store, dispatch, verifier, policy, metrics, settings, limits, metrics_listener, drain } =
        parts;
    let stop = watch::Sender::new(false);
    let checkout_intake =
        CheckoutIntake::start(Arc::clone(&store), policy, Arc::clone(&dispatch), metrics.clone());
    if let Some(listener) = metrics_listener {
        say(&format!("metrics are served at {}/metrics", listener.local_addr()?));
        let routes = holdfast_api::metrics_routes(metrics.clone());
        // Until the process ends: its last figures are read while it drains.
        let never = watch::Sender::new(false);
        HttpServer::start(listener, routes, ConnectionLimits::default(), never, Duration::ZERO)?.detach();
    }
    let amounts = provider::amounts();
    let parts = Parts { store, checkout_intake, dispatch, verifier, amounts, metrics };
    let routes = holdfast_api::open(parts, settings, stop.subscribe()).await?;
    HttpServer::start(listener, routes, limits, stop, drain)
}
