//! `holdfast up`, `api` and `sandbox` as processes, and people who ask them over HTTP.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use holdfast_api::auth::{Role, TokenSettings, sign};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::binary::holdfast;
use crate::fixture::MAX_WAIT;

/// An address that is free.
pub(crate) const ANYWHERE: &str = "127.0.0.1:0";
pub(crate) const SECRET: &str = "a secret for tests, long enough for HS256";

/// A process that serves, on a free port. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Server {
    /// `holdfast up` on the shop in `folder`.
    pub(crate) fn up(folder: &Path) -> Self {
        Self::start(holdfast().current_dir(folder).args(["up", "--http-addr", "127.0.0.1:0"]))
    }

    /// `holdfast api` on the database at `url`, as many requests as anybody likes.
    pub(crate) fn api(url: &str) -> Self {
        Self::start(api(url).env("HOLDFAST_JWT_SECRET", SECRET))
    }

    /// `holdfast sandbox` with the ledger at `ledger`, at `address`.
    pub(crate) fn sandbox(ledger: &Path, address: &str, arguments: &[&str]) -> Self {
        let mut sandbox = holdfast();
        sandbox.args(["sandbox", "--sandbox-addr", address, "--sandbox-ledger"]).arg(ledger);
        Self::start(sandbox.args(arguments))
    }

    /// Starts `command` and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stdout = collect(child.stdout.take().expect("a pipe"));
        let stderr = collect(child.stderr.take().expect("a pipe"));
        let mut server = Self { child, url: String::new(), stdout, stderr };
        server.url = until("it says where it listens", || {
            let shown = server.stderr();
            let from = shown.find("http://")?;
            Some(shown[from..].split([' ', ';']).next()?.to_owned())
        });
        server
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(signal(self.child.id(), name), "kill -{name}");
    }

    /// The memory it uses, where the system reports it.
    pub(crate) fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// Its exit code, once it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("the process ends", || self.child.try_wait().expect("it is ours")).code()
    }

    /// As `kill -9` does it: nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("{} said: {}", self.url, self.stderr());
        }
    }
}

/// Sends a signal to a process; says whether it was there.
pub(crate) fn signal(pid: u32, name: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null());
    kill.status().is_ok_and(|status| status.success())
}

/// `holdfast api` on a free port, without a word on whose tokens it believes.
pub(crate) fn api(url: &str) -> Command {
    let mut command = holdfast();
    command.env("DATABASE_URL", url).args(["api", "--http-addr", "127.0.0.1:0", "--rate-limit", "0"]);
    command
}

fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let collected = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&collected);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = into.lock().unwrap_or_else(PoisonError::into_inner);
            *text += &line;
            *text += "\n";
        }
    });
    collected
}

/// Looks again and again until there is something to see.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(since.elapsed() < MAX_WAIT, "{what}: not within {MAX_WAIT:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn token(role: Role) -> String {
    sign(SECRET, &TokenSettings::default(), "ada", role, Duration::from_hours(1))
        .expect("a long enough secret")
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(MAX_WAIT).build().expect("a client")
}

/// The answer's document, if its status is the expected one.
pub(crate) async fn json_of(response: Response, expected: u16) -> Value {
    let (status, url) = (response.status(), response.url().clone());
    let text = response.text().await.expect("a body");
    assert_eq!(status.as_u16(), expected, "{url}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

pub(crate) async fn get(url: &str, token: &str) -> Response {
    client().get(url).bearer_auth(token).send().await.expect("an answer")
}

/// Puts more mugs on the shelf of a shop that nobody stocked than a test can sell.
pub(crate) async fn stock(url: &str, token: &str) {
    let price = json!({"amount_minor": 1_299, "currency": "EUR"});
    let put = client().put(format!("{url}/v1/admin/products/mug-01")).bearer_auth(token);
    let put = put.json(&json!({"name": "Mug", "price": price})).send().await.expect("an answer");
    assert!(put.status().is_success(), "{put:?}");
    let adjust = client().post(format!("{url}/v1/admin/stock/mug-01/adjust")).bearer_auth(token);
    let adjust =
        adjust.json(&json!({"delta": 1_000_000, "reason": "delivery"})).send().await.expect("an answer");
    assert_eq!(adjust.status(), StatusCode::OK, "{adjust:?}");
}

/// A guest's cart with a mug in it: its id.
pub(crate) async fn cart(url: &str) -> String {
    let made = client().post(format!("{url}/v1/carts")).send().await.expect("an answer");
    let cart = json_of(made, 201).await["id"].as_str().expect("an id").to_owned();
    let item = client().put(format!("{url}/v1/carts/{cart}/items/mug-01")).json(&json!({"quantity": 1}));
    json_of(item.send().await.expect("an answer"), 200).await;
    cart
}

/// A guest's checkout by a card that works.
pub(crate) fn checkout(client: &reqwest::Client, url: &str, cart: &str, key: &str) -> RequestBuilder {
    client.post(format!("{url}/v1/checkout")).header("idempotency-key", key).json(&json!({
        "cart_id": cart,
        "payment": {"method": "card", "token": "tok_ok"},
        "contact": {"email": "buyer@example.com"},
        "shipping_address": {
            "name": "A. Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
        }
    }))
}

/// Places so many of them, one after the other.
pub(crate) async fn place_orders(url: &str, orders: usize) {
    for order in 0..orders {
        let cart = cart(url).await;
        let placed = checkout(&client(), url, &cart, &order.to_string()).send().await;
        json_of(placed.expect("an answer"), 201).await;
    }
}
