//! `holdfast up`: one process, one file, and nothing forgotten.

use std::time::{Duration, Instant};

use holdfast_api::auth::Role;
use reqwest::StatusCode;

use crate::binary::{Ran, holdfast, run_on, sqlite_url};
use crate::fixture::{ServerDatabase, runtime};
use crate::server::{
    ANYWHERE, Server, cart, checkout, client, get, json_of, place_orders, stock, token, until,
};

/// A token of the shop in `folder`.
fn own_token(folder: &std::path::Path, arguments: &[&str]) -> String {
    let ran = holdfast().current_dir(folder).args(["token", "--sub", "ada"]).args(arguments).output();
    let ran = Ran::of(ran.expect("the binary runs"));
    ran.ends(0, "").stdout.trim().to_owned()
}

#[test]
fn an_address_in_use_is_reported_and_nothing_changes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Server::up(folder.path());
    let address = up.url.trim_start_matches("http://");
    let other = tempfile::tempdir().expect("a temporary folder");
    for command in ["up", "api"] {
        let ran = holdfast()
            .current_dir(other.path())
            .env("HOLDFAST_JWT_SECRET", crate::server::SECRET)
            .args([command, "--http-addr", address, "--database-url", "sqlite://shop.db"])
            .output();
        let message = format!("cannot listen on {address}; choose another --http-addr");
        Ran::of(ran.expect("the binary runs")).ends(1, &message);
    }
    assert_eq!(other.path().read_dir().expect("a folder").count(), 0, "nothing was made");
}

#[test]
fn after_a_crash_it_carries_on_and_old_tokens_are_still_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut up = Server::up(folder.path());
    let admin = own_token(folder.path(), &["--role", "admin"]);
    let runtime = runtime();
    let placed = runtime.block_on(async {
        let cart = cart(&up.url).await;
        json_of(checkout(&client(), &up.url, &cart, "k").send().await.expect("an answer"), 201).await
    });
    up.kill();
    let again = Server::up(folder.path());
    assert!(!again.stderr().contains("stocked"), "the shelf is as it was left");
    let order = format!("{}/v1/orders/{}", again.url, placed["id"].as_str().expect("an id"));
    until("the order is confirmed", || {
        let order = runtime.block_on(async { json_of(get(&order, &admin).await, 200).await });
        (order["status"] == "CONFIRMED").then_some(())
    });
    run_on(&sqlite_url(&folder.path().join("holdfast.db")), &["audit"]).ends(0, "");
}

#[test]
fn what_an_api_without_workers_accepts_is_carried_on_by_an_up_on_the_same_database() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let (api, admin) = (Server::api(&database.url), token(Role::Admin));
    let runtime = runtime();
    let placed = runtime.block_on(async {
        stock(&api.url, &admin).await;
        let cart = cart(&api.url).await;
        json_of(checkout(&client(), &api.url, &cart, "k").send().await.expect("an answer"), 201).await
    });
    let order = format!("{}/v1/orders/{}", api.url, placed["id"].as_str().expect("an id"));
    let standing =
        || runtime.block_on(async { json_of(get(&order, &admin).await, 200).await })["status"].clone();
    assert_eq!(standing(), "PENDING_PAYMENT");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut up = holdfast();
    let up = up.current_dir(folder.path()).env("DATABASE_URL", &database.url);
    let _up = Server::start(up.args(["up", "--http-addr", "127.0.0.1:0"]));
    until("the order is confirmed", || (standing() == "CONFIRMED").then_some(()));
}

#[test]
fn an_order_is_the_same_on_the_command_line_and_over_http() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Server::up(folder.path());
    let admin = own_token(folder.path(), &["--role", "admin"]);
    let runtime = runtime();
    let placed = runtime.block_on(async {
        let cart = cart(&up.url).await;
        json_of(checkout(&client(), &up.url, &cart, "k").send().await.expect("an answer"), 201).await
    });
    let url = format!("{}/v1/orders/{}", up.url, placed["id"].as_str().expect("an id"));
    let order = until("the order is confirmed", || {
        let order = runtime.block_on(async { json_of(get(&url, &admin).await, 200).await });
        (order["status"] == "CONFIRMED").then_some(order)
    });
    let listed =
        runtime.block_on(async { json_of(get(&format!("{}/v1/orders", up.url), &admin).await, 200).await });
    let shop = sqlite_url(&folder.path().join("holdfast.db"));
    let list = run_on(&shop, &["order", "list", "--output", "json"]).json();
    assert_eq!(list, listed);
    let shown = run_on(&shop, &["order", "show", "1", "--output", "json"]).json();
    for (name, value) in order.as_object().expect("an object") {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert_eq!(shown["provider"], "sandbox");
}

#[test]
fn its_own_token_is_valid_and_one_of_another_shop_is_not() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (up, _other) = (Server::up(folder.path()), Server::up(other.path()));
    let list = format!("{}/v1/orders", up.url);
    let status = |token: String| runtime().block_on(async { get(&list, &token).await.status() });
    assert_eq!(status(own_token(folder.path(), &["--role", "operator"])), StatusCode::OK);
    assert_eq!(status(own_token(other.path(), &["--role", "operator"])), StatusCode::UNAUTHORIZED);
    assert_eq!(status(token(Role::Operator)), StatusCode::UNAUTHORIZED);
    // A secret that is set makes them without a shop, and only those who know it believe them.
    let set = holdfast()
        .env("HOLDFAST_JWT_SECRET", crate::server::SECRET)
        .args(["token", "--role", "admin", "--sub", "ada", "--output", "json"])
        .output();
    let set = Ran::of(set.expect("the binary runs"));
    assert_eq!(set.ends(0, "").json()["role"], "admin");
    assert_eq!(status(set.json()["token"].as_str().expect("a token").to_owned()), StatusCode::UNAUTHORIZED);
}

/// Two at first, then two a second: the last of eight messages goes out after three seconds. No order waits for it.
#[test]
fn it_sends_no_more_messages_than_its_channel_may() {
    const ORDERS: usize = 8;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut up = holdfast();
    let up = up.current_dir(folder.path()).args(["up", "--http-addr", ANYWHERE, "--channel-rate", "2"]);
    let up = Server::start(up);
    let admin = own_token(folder.path(), &["--role", "admin"]);
    let runtime = runtime();
    let since = Instant::now();
    runtime.block_on(place_orders(&up.url, ORDERS));
    let shop = sqlite_url(&folder.path().join("holdfast.db"));
    until("all are confirmed", || {
        let listed = run_on(&shop, &["order", "list", "--status", "CONFIRMED", "--output", "json"]).json();
        (listed["items"].as_array().map(Vec::len) == Some(ORDERS)).then_some(())
    });
    let confirmed = since.elapsed();
    until("the explanation names the reason", || {
        let shown = run_on(&shop, &["order", "explain", &ORDERS.to_string()]);
        shown.stdout.contains("limited to 2 calls a second").then_some(())
    });
    until("all messages are sent", || {
        let listed = runtime.block_on(async {
            json_of(get(&format!("{}/v1/notifications?limit=100", up.url), &admin).await, 200).await
        });
        let items = listed["items"].as_array().expect("a list");
        let sent = items.iter().filter(|item| item["status"] == "SENT").count();
        (sent == ORDERS).then_some(())
    });
    let sent = since.elapsed();
    assert!(sent >= Duration::from_secs(3), "eight messages took {sent:?}");
    assert!(confirmed < sent, "orders wait for no message: {confirmed:?}, {sent:?}");
    run_on(&shop, &["audit"]).ends(0, "");
}

#[cfg(unix)]
#[test]
fn f29_secrets_rest_in_files_that_nobody_else_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mode = |name: &str| {
        let found = std::fs::metadata(folder.path().join(name));
        found.map_or(0, |found| found.permissions().mode() & 0o777)
    };
    let open = |name: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path().join(name), permissions).expect("it is ours");
    };
    let mut up = Server::up(folder.path());
    let files = ["holdfast.db", "holdfast.db-wal", "sandbox.db", "sandbox.db-wal"];
    assert_eq!(files.map(mode), [0o600; 4]);
    // What is printed where nobody sits before a terminal makes tokens, and is none.
    let printed = up.stdout();
    assert!(printed.contains("ADMIN=$('") && !printed.contains("eyJ"), "{printed}");
    up.signal("TERM");
    up.ended();
    // Files from before are made private, and a group's rights stay.
    open("holdfast.db", 0o644);
    open("sandbox.db", 0o666);
    let up = Server::up(folder.path());
    assert_eq!(["holdfast.db", "sandbox.db"].map(mode), [0o640, 0o660]);
    assert!(up.stderr().contains("could be read by everybody"), "{}", up.stderr());
}

#[test]
fn f29_secrets_come_from_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it is written");
    let (old, new) = ("an old secret, which is long enough", "a new secret, which is long enough");
    write("old", &format!("{old}\n"));
    write("new", &format!("{new}\r\n"));
    write("url", "sqlite://named.db\n");
    write("empty", "\n");
    let command = |arguments: &[&str]| {
        let mut command = holdfast();
        command.current_dir(folder.path()).args(arguments);
        command
    };
    let run = |arguments: &[&str]| Ran::of(command(arguments).output().expect("the binary runs"));
    run(&["migrate", "--database-url-file", "url"]).ends(0, "applied");
    assert!(folder.path().join("named.db").exists());
    run(&["order", "list", "--database-url-file", "url"]).ends(0, "shop at named.db");
    run(&["order", "list", "--database-url-file", "nowhere"]).ends(1, "nowhere cannot be read");
    run(&["order", "list", "--database-url-file", "empty"]).ends(2, "empty is empty");
    run(&["order", "list", "--database-url-file", "url", "--database-url", "sqlite://x.db"])
        .ends(2, "cannot be used with");
    let token = |file: &str| {
        let ran = run(&["token", "--role", "operator", "--sub", "otto", "--jwt-secret-file", file]);
        ran.ends(0, "").stdout.trim().to_owned()
    };
    let api = Server::start(
        command(&["api", "--http-addr", "127.0.0.1:0", "--database-url-file", "url"])
            .env("HOLDFAST_JWT_SECRET_FILE", "new")
            .env("HOLDFAST_JWT_PREVIOUS_SECRET_FILE", "old"),
    );
    runtime().block_on(async {
        for file in ["new", "old"] {
            let answer = get(&format!("{}/v1/ops/queues", api.url), &token(file)).await;
            assert_eq!(answer.status().as_u16(), 200, "{file}");
        }
    });
    run(&["token", "--role", "operator", "--sub", "otto", "--jwt-secret-file", "url"]).ends(2, "at least 32");
}
