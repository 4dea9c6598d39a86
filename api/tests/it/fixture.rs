//! A shop with its door open: `SQLite` in a temporary folder, a worker or none, and people who ask.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use holdfast_api::auth::{Role, TokenSettings, Verifier, sign};
use holdfast_api::{ConnectionLimits, Parts, Settings, serve};
use holdfast_contract::problem::Code;
use holdfast_intake::CheckoutIntake;
use holdfast_log_channel::LogChannel;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{
    Channels, Dispatch, Gateways, Hint, PaymentProvider as _, ProviderAmounts, Providers, Store,
};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_sandbox::MemorySandbox;
use holdfast_shared::SystemClock;
use holdfast_store_sqlite::SqliteStore;
use holdfast_telemetry::Metrics;
use holdfast_worker::{Runtime, WorkerConfig};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const SECRET: &str = "a secret for tests, long enough for HS256";
/// Longer than anything here takes on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Hints for nobody.
#[derive(Debug)]
struct NoHints;

impl Dispatch for NoHints {
    fn wake(&self, _: &[Hint]) {}
}

pub(crate) struct Shop {
    pub(crate) url: String,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) store: Arc<dyn Store>,
    client: reqwest::Client,
    runtime: Option<Runtime>,
    metrics: Metrics,
    _folder: TempDir,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Nobody,
    Customer(&'static str),
    Admin,
    Operator,
}

impl Who {
    fn token(self) -> Option<String> {
        let (sub, role) = match self {
            Self::Nobody => return None,
            Self::Customer(sub) => (sub, Role::Customer),
            Self::Admin => ("ada", Role::Admin),
            Self::Operator => ("otto", Role::Operator),
        };
        let token = sign(SECRET, &TokenSettings::default(), sub, role, Duration::from_hours(1));
        Some(token.expect("a long enough secret"))
    }
}

impl Shop {
    /// A shop that carries its orders on.
    pub(crate) async fn open() -> Self {
        Self::with(Settings { requests_per_second: None, ..Settings::default() }, true).await
    }

    /// A shop whose orders stay as they were accepted.
    pub(crate) async fn asleep() -> Self {
        Self::with(Settings { requests_per_second: None, ..Settings::default() }, false).await
    }

    pub(crate) async fn limited(requests_per_second: u32) -> Self {
        let requests_per_second = NonZeroU32::new(requests_per_second);
        Self::with(Settings { requests_per_second, ..Settings::default() }, false).await
    }

    pub(crate) async fn with(settings: Settings, works: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = format!("sqlite://{}", folder.path().join("shop.db").display());
        let sqlite = SqliteStore::open(&file, Arc::new(SystemClock)).await.expect("a new database");
        sqlite.migrate().await.expect("a schema");
        let store: Arc<dyn Store> = Arc::new(sqlite);
        let sandbox = Arc::new(MemorySandbox::new(Arc::new(SystemClock)));
        let policy = AcceptPolicy::new(sandbox.name());
        let metrics = Metrics::default();
        let outside = Gateways::new(Providers::of(sandbox), Channels::of(Arc::new(LogChannel)));
        let config = WorkerConfig::default();
        let runtime = works.then(|| {
            let registry = REGISTRY.with_backoff_divided_by(25);
            Runtime::start(Arc::clone(&store), registry, outside, config, metrics.clone()).expect("a worker")
        });
        let dispatch: Arc<dyn Dispatch> = match &runtime {
            Some(runtime) => runtime.dispatch(),
            None => Arc::new(NoHints),
        };
        let checkout_intake =
            CheckoutIntake::start(Arc::clone(&store), policy, Arc::clone(&dispatch), metrics.clone());
        let verifier = Verifier::with_secret(SECRET, TokenSettings::default()).expect("a long enough secret");
        let amounts = ProviderAmounts::new();
        let parts = Parts {
            store: Arc::clone(&store),
            checkout_intake,
            dispatch,
            verifier,
            amounts,
            metrics: metrics.clone(),
        };
        let (stop, stopping) = watch::channel(false);
        let routes = holdfast_api::open(parts, settings, stopping.clone()).await.expect("an API");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(serve(listener, routes, ConnectionLimits::default(), stopping, Duration::from_secs(5)));
        let opened =
            Self { url, stop, store, client: reqwest::Client::new(), runtime, metrics, _folder: folder };
        opened.stock("mug-01", 1_299, 100).await;
        opened
    }

    /// What Prometheus gets to see.
    pub(crate) fn metrics(&self) -> String {
        String::from_utf8(self.metrics.text().expect("a page").1).expect("a text")
    }

    /// Puts a product on the shelf, as an admin does.
    pub(crate) async fn stock(&self, sku: &str, price_minor: i64, pieces: i64) {
        let price = json!({"amount_minor": price_minor, "currency": "EUR"});
        let product = json!({"name": format!("The {sku}"), "price": price, "active": true});
        let put = self.send(Method::PUT, &format!("/v1/admin/products/{sku}"), Who::Admin, product).await;
        assert!(put.status().is_success(), "{put:?}");
        if pieces != 0 {
            let body = json!({"delta": pieces, "reason": "delivery"});
            let adjusted =
                self.send(Method::POST, &format!("/v1/admin/stock/{sku}/adjust"), Who::Admin, body).await;
            assert_eq!(adjusted.status(), StatusCode::OK, "{adjusted:?}");
        }
    }

    pub(crate) fn ask(&self, method: Method, path: &str, who: Who) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match who.token() {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str, who: Who) -> Response {
        self.ask(Method::GET, path, who).send().await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str, who: Who) -> Response {
        self.ask(Method::POST, path, who).send().await.expect("an answer")
    }

    pub(crate) async fn send(&self, method: Method, path: &str, who: Who, body: Value) -> Response {
        self.ask(method, path, who).json(&body).send().await.expect("an answer")
    }

    /// A cart with one mug in it; its id.
    pub(crate) async fn cart(&self, who: Who) -> String {
        let cart = json_of(self.post("/v1/carts", who).await, StatusCode::CREATED).await;
        let id = text(&cart["id"]);
        let path = format!("/v1/carts/{id}/items/mug-01");
        json_of(self.send(Method::PUT, &path, who, json!({"quantity": 1})).await, StatusCode::OK).await;
        id
    }

    pub(crate) async fn check_out(&self, cart: &str, key: &str, payment: Value, who: Who) -> Response {
        let request = self.ask(Method::POST, "/v1/checkout", who).header("idempotency-key", key);
        request.json(&checkout(cart, &payment)).send().await.expect("an answer")
    }

    /// An order by card or in cash, as it was accepted.
    pub(crate) async fn order(&self, payment: Value, who: Who) -> Value {
        let cart = self.cart(who).await;
        json_of(self.check_out(&cart, &cart, payment, who).await, StatusCode::CREATED).await
    }

    /// Waits until the admin sees the order in `status`.
    pub(crate) async fn until(&self, id: &str, status: &str) -> Value {
        let since = Instant::now();
        loop {
            let order =
                json_of(self.get(&format!("/v1/orders/{id}"), Who::Admin).await, StatusCode::OK).await;
            if order["status"] == status {
                return order;
            }
            assert!(since.elapsed() < MAX_WAIT, "order {id} is not {status}: {order}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn close(self) {
        let _ = self.stop.send(true);
        if let Some(runtime) = self.runtime {
            runtime.stop().await;
        }
    }
}

pub(crate) fn card(token: &str) -> Value {
    json!({"method": "card", "token": token})
}

pub(crate) fn cod() -> Value {
    json!({"method": "cod"})
}

pub(crate) fn checkout(cart: &str, payment: &Value) -> Value {
    json!({
        "cart_id": cart,
        "payment": payment,
        "contact": {"email": "buyer@example.com"},
        "shipping_address": {
            "name": "A. Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
        }
    })
}

/// The answer's document, if its status is the expected one.
pub(crate) async fn json_of(response: Response, expected: StatusCode) -> Value {
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await.expect("a body");
    assert_eq!(status, expected, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

/// The answer's problem, if it is one of this status and code.
pub(crate) async fn problem_of(response: Response, status: u16, code: &str) -> Value {
    let url = response.url().clone();
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{url}");
    let id = response.headers()["x-request-id"].to_str().expect("an id").to_owned();
    let problem = json_of(response, StatusCode::from_u16(status).expect("a status")).await;
    assert_eq!(problem["code"], code, "{url}: {problem}");
    assert_eq!(problem["type"], format!("urn:holdfast:problem:{code}"));
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], id, "{problem}");
    assert!(!text(&problem["detail"]).is_empty());
    assert_documented(&url, status, code);
    // Whatever is wrong with a request is listed, each fault with a code and a place.
    if status == 400 || status == 422 {
        for fault in problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}")) {
            assert!(is_known(&text(&fault["code"])) && !text(&fault["detail"]).is_empty(), "{problem}");
            let places = ["pointer", "parameter", "header"].map(|place| fault[place].is_string());
            assert_eq!(places.iter().filter(|is_there| **is_there).count(), 1, "{problem}");
        }
    }
    problem
}

/// Whether the catalogue has this code.
fn is_known(code: &str) -> bool {
    Code::ALL.iter().any(|known| known.as_str() == code)
}

/// The document, as it is served.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&holdfast_api::document()).expect("JSON"))
}

/// F45: an operation of this path names the problem among those it can give.
fn assert_documented(url: &reqwest::Url, status: u16, code: &str) {
    let found: Vec<&str> = url.path().split('/').collect();
    let fits = |path: &str| {
        let parts: Vec<&str> = path.split('/').collect();
        parts.len() == found.len()
            && parts.iter().zip(&found).all(|(part, found)| part.starts_with('{') || part == found)
    };
    let items = document()["paths"].as_object().expect("paths").iter();
    let mut operations =
        items.filter(|(path, _)| fits(path)).filter_map(|(_, item)| item.as_object()).flatten();
    // A path or a method that does not exist has no operation.
    if code == "route_not_found" || code == "method_not_allowed" {
        return;
    }
    let names = |operation: &Value| {
        let content = &operation["responses"][status.to_string()]["content"]["application/problem+json"];
        content["examples"].get(code).is_some()
    };
    assert!(operations.any(|(_, operation)| names(operation)), "{url} does not name {status} {code}");
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
