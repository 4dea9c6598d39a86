//! A database that is away when a process starts, and one that takes nothing while a process runs.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use holdfast_testkit::redis::free_port;
use serde_json::Value;

use crate::binary::{READS, Ran, holdfast, run_on};
use crate::fixture::{ServerDatabase, runtime, sql_on};
use crate::server::{SECRET, Server, api, client, signal, until};

/// Both processes that serve, each of which waits for `url`.
fn serving(url: &str, extra: &[&str]) -> [std::process::Command; 2] {
    let mut api = api(url);
    api.env("HOLDFAST_JWT_SECRET", SECRET).args(extra);
    let mut worker = holdfast();
    let ledger = std::env::temp_dir().join(format!("holdfast-{}-{}.db", std::process::id(), free_port()));
    worker.env("DATABASE_URL", url).env("HOLDFAST_SANDBOX_LEDGER", ledger);
    worker.args(["worker", "--worker-addr", "127.0.0.1:0"]).args(extra);
    [api, worker]
}

fn at_port(url: &str, port: u16) -> String {
    let (_, name) = url.rsplit_once('/').expect("names a database");
    format!("postgres://holdfast@127.0.0.1:{port}/{name}")
}

/// From now on `port` leads to the server of `url`.
fn open_port(port: u16, url: &str) {
    let server = url.rsplit_once('@').expect("names a user").1;
    let server = server.split_once('/').expect("names a database").0.to_owned();
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("binds");
    std::thread::spawn(move || {
        runtime().block_on(async move {
            listener.set_nonblocking(true).expect("is a socket");
            let listener = tokio::net::TcpListener::from_std(listener).expect("is a socket");
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(mut server) = tokio::net::TcpStream::connect(&server).await else { continue };
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        });
    });
}

fn ready(server: &Server) -> (u16, Value) {
    runtime().block_on(async {
        let answer = client().get(format!("{}/readyz", server.url)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("a document"))
    })
}

#[test]
fn f44_a_process_waits_for_its_database_and_says_so() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    for at in 0..2 {
        let port = free_port();
        let mut command =
            serving(&at_port(&database.url, port), &[]).into_iter().nth(at).expect("is one of two");
        let (url, since) = (database.url.clone(), Instant::now());
        let opens = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(3));
            open_port(port, &url);
        });
        let server = Server::start(&mut command);
        assert!(since.elapsed() >= Duration::from_secs(3), "{:?}", since.elapsed());
        opens.join().expect("opens");
        let said = server.stderr();
        assert_eq!(said.matches("trying again for").count(), 1, "{said}");
        assert!(said.contains("nothing listens there") && said.contains("the database is there"), "{said}");
        until("it is ready", || (ready(&server).0 == 200).then_some(()));
    }
}

#[test]
fn f44_the_wait_has_a_bound_and_ends_with_the_reason() {
    for wait in ["2s", "0s"] {
        let away = format!("postgres://shop@127.0.0.1:{}/shop", free_port());
        for mut command in serving(&away, &["--database-wait", wait]) {
            let since = Instant::now();
            let ran = Ran::of(command.output().expect("the binary runs"));
            ran.ends(1, "nothing listens there");
            assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
            assert_eq!(ran.stderr.contains("trying again"), wait == "2s", "{ran:#?}");
        }
    }
}

#[test]
fn f44_what_no_waiting_mends_ends_at_once() {
    let database = ServerDatabase::create();
    let place = database.url.rsplit_once('@').expect("names a user").1;
    for (url, reason) in [
        (format!("{}_missing", database.url), "there is no such database"),
        (format!("postgres://nobody_of_this_name@{place}"), "does not exist"),
        (format!("{}?sslmode=require", database.url), "sslmode"),
        (format!("{}?sslmod=require", database.url), "sslmod"),
        (database.url.clone(), "run `holdfast migrate`"),
    ] {
        for mut command in serving(&url, &[]) {
            let since = Instant::now();
            let ran = Ran::of(command.output().expect("the binary runs"));
            ran.ends(1, reason);
            assert!(!ran.stderr.contains("trying again"), "{ran:#?}");
            assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        }
    }
}

#[test]
fn f44_a_process_that_waits_stops_at_a_signal() {
    let away = format!("postgres://shop@127.0.0.1:{}/shop", free_port());
    for mut command in serving(&away, &[]) {
        let mut waiting = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut said = BufReader::new(waiting.stderr.take().expect("is piped")).lines();
        assert!(said.any(|line| line.is_ok_and(|line| line.contains("trying again for"))), "it never waited");
        assert!(signal(waiting.id(), "TERM"));
        let since = Instant::now();
        until("it ends", || waiting.try_wait().expect("it is ours"));
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    }
}

#[test]
fn f32_while_no_order_can_be_saved_a_process_is_not_ready_and_says_why() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let name = database.url.rsplit_once('/').expect("names a database").1.to_owned();
    let role = format!("shop_of_{name}");
    sql_on(
        &database.url,
        &format!(
            "create role {role} login; grant select, insert, update, delete on all tables in schema public to {role};
             grant all on all sequences in schema public to {role}"
        ),
    );
    let url = database.url.replace("holdfast@", &format!("{role}@"));
    let end = format!(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '{role}' and datname = '{name}'"
    );
    let servers = serving(&url, &[]).map(|mut command| Server::start(&mut command));
    for (breaks, mends, reason) in [
        (
            format!("alter role {role} connection limit 0; {end}"),
            format!("alter role {role} connection limit -1"),
            "(53300)",
        ),
        (
            format!("alter database {name} set default_transaction_read_only = on"),
            format!("alter database {name} reset default_transaction_read_only"),
            "read-only",
        ),
    ] {
        for server in &servers {
            until("it is ready", || (ready(server).0 == 200).then_some(()));
        }
        sql_on(&database.url, &breaks);
        for server in &servers {
            let why = until("it says that it is not", || {
                let (status, why) = ready(server);
                (status == 503 && why["detail"].to_string().contains(reason)).then_some(why)
            });
            assert_eq!(why["code"], "not_ready", "{why}");
        }
        // From a database beside it, which may be written.
        sql_on(&database.url.replace(&name, "postgres"), &mends);
    }
    for server in &servers {
        until("it is ready again", || (ready(server).0 == 200).then_some(()));
    }
    drop(servers);
    sql_on(&database.url, &end);
    sql_on(&database.url, &format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn f31_who_only_reads_needs_no_right_to_write_and_who_must_write_is_refused_by_name() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let name = database.url.rsplit_once('/').expect("names a database").1.to_owned();
    sql_on(&database.url, "insert into stock (sku, on_hand, reserved) values ('cd-1', 0, 0)");
    sql_on(&database.url, &format!("alter database {name} set default_transaction_read_only = on"));
    for command in READS.into_iter().chain([&["audit"][..]]) {
        run_on(&database.url, command).ends(0, "");
    }
    for command in [
        &["queue", "pause", "checkout", "--reason", "counting"][..],
        &["stock", "adjust", "cd-1", "--delta", "1", "--reason", "found"],
    ] {
        run_on(&database.url, command).ends(1, "the database is read-only");
    }
    for mut command in serving(&database.url, &[]) {
        let since = Instant::now();
        Ran::of(command.output().expect("the binary runs")).ends(1, "the database is read-only");
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    }
}
