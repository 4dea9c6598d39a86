//! The ledger as a file: shared by many, surviving each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_saga::ports::Fault;
use holdfast_sandbox::{DurableSandbox, SandboxControl};
use sqlx::{Connection, SqliteConnection};
use tokio::task::JoinSet;

use crate::http::Desk;
use crate::{PATIENCE, captured, charge, clock, eur, folder, line, opened, refund, statement};

pub(crate) async fn raw(folder: &tempfile::TempDir) -> SqliteConnection {
    let url = format!("sqlite://{}", folder.path().join("sandbox.db").display());
    SqliteConnection::connect(&url).await.expect("connects")
}

#[tokio::test]
async fn a_ledger_that_is_opened_again_is_the_same() {
    let (folder, clock) = (folder(), clock());
    let first = opened(&folder, &clock).await;
    first.charge(&charge(1), eur(100), "tok_ok").await.expect("captured");
    first.give_back(&refund(1), &charge(1), 25).await.expect("refunded");
    assert!(first.charge(&charge(2), eur(100), "tok_flaky").await.is_err());
    drop(first);
    let second = opened(&folder, &clock).await;
    assert_eq!(second.find(&charge(1)).await, Ok(Some(captured(&charge(1), eur(100), 25))));
    second.give_back(&refund(1), &charge(1), 25).await.expect("known already");
    assert!(second.charge(&charge(2), eur(100), "tok_flaky").await.is_err(), "the first failure counts");
    assert!(second.charge(&charge(2), eur(100), "tok_flaky").await.is_ok());
    assert_eq!(statement(&second).await, [line(&charge(1), 100, 25), line(&charge(2), 100, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_share_a_file_and_a_key_take_the_money_once() {
    let (folder, clock) = (folder(), clock());
    take_the_money_once([Arc::new(opened(&folder, &clock).await), Arc::new(opened(&folder, &clock).await)])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_share_a_desk_and_a_key_take_the_money_once() {
    let (folder, clock) = (folder(), clock());
    let desk = Desk::open(opened(&folder, &clock).await, Duration::ZERO).await;
    take_the_money_once([Arc::new(desk.client(PATIENCE)), Arc::new(desk.client(PATIENCE))]).await;
}

/// Both charge and refund under the same keys at the same time.
async fn take_the_money_once(two: [Arc<dyn SandboxControl>; 2]) {
    const ORDERS: i64 = 200;
    let mut racing = JoinSet::new();
    for order in 1..=ORDERS {
        for sandbox in &two {
            let sandbox = Arc::clone(sandbox);
            racing.spawn(async move {
                sandbox.charge(&charge(order), eur(100), "tok_ok").await.expect("captured");
                sandbox.give_back(&refund(order), &charge(order), 40).await.expect("refunded");
            });
        }
    }
    racing.join_all().await;
    let mut expected: Vec<_> = (1..=ORDERS).map(|order| line(&charge(order), 100, 40)).collect();
    expected.sort_by(|a, b| a.charge.cmp(&b.charge));
    for sandbox in &two {
        assert_eq!(sandbox.statement().await, Ok(expected.clone()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_can_create_the_same_ledger_at_once() {
    let (folder, clock) = (folder(), clock());
    let path = folder.path().join("sandbox.db");
    let mut opening = JoinSet::new();
    for order in 1..=12 {
        let (path, clock) = (path.clone(), clock.clone());
        opening.spawn(async move {
            let sandbox = DurableSandbox::open(path, clock).await.expect("opens");
            sandbox.charge(&charge(order), eur(100), "tok_ok").await.expect("captured");
        });
    }
    opening.join_all().await;
    assert_eq!(statement(&opened(&folder, &clock).await).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_dropped_under_load_has_done_what_it_answered() {
    const ORDERS: i64 = 3_000;
    let (folder, clock) = (folder(), clock());
    let answered = Arc::new(Mutex::new(BTreeMap::new()));
    let sandbox = Arc::new(opened(&folder, &clock).await);
    let mut load = JoinSet::new();
    for order in 1..=ORDERS {
        let (sandbox, answered) = (Arc::clone(&sandbox), Arc::clone(&answered));
        load.spawn(async move {
            let state = sandbox.charge(&charge(order), eur(order), "tok_ok").await.expect("captured");
            answered.lock().expect("unpoisoned").insert(charge(order), state);
        });
    }
    while answered.lock().expect("unpoisoned").len() < 300 {
        tokio::task::yield_now().await;
    }
    load.shutdown().await;
    drop(sandbox);

    let sandbox = opened(&folder, &clock).await;
    let answered = answered.lock().expect("unpoisoned").clone();
    assert!(answered.len() < usize::try_from(ORDERS).expect("small"), "the load must be cut off");
    for (key, state) in &answered {
        assert_eq!(sandbox.find(key).await.as_ref(), Ok(&Some(state.clone())));
    }
    // What was not answered happened once or not at all, and asking again settles which.
    for order in 1..=ORDERS {
        let state = sandbox.charge(&charge(order), eur(order), "tok_ok").await;
        assert_eq!(state, Ok(captured(&charge(order), eur(order), 0)));
    }
}

#[tokio::test]
async fn a_neighbour_who_holds_the_lock_is_waited_for() {
    let (folder, clock) = (folder(), clock());
    let sandbox = opened(&folder, &clock).await;
    let mut neighbour = raw(&folder).await;
    sqlx::query("begin immediate").execute(&mut neighbour).await.expect("locks");
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::query("rollback").execute(&mut neighbour).await.expect("releases");
    };
    let key = charge(1);
    let (answer, ()) = tokio::join!(sandbox.charge(&key, eur(100), "tok_ok"), release);
    assert_eq!(answer, Ok(captured(&key, eur(100), 0)));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_takes_nothing_and_recovers() {
    let (folder, clock) = (folder(), clock());
    let sandbox = opened(&folder, &clock).await;
    let mut neighbour = raw(&folder).await;
    let broken = "create trigger broken before insert on charges begin select raise(abort, 'broken'); end";
    sqlx::query(broken).execute(&mut neighbour).await.expect("breaks");
    for _ in 0..2 {
        let answer = sandbox.charge(&charge(1), eur(100), "tok_ok").await;
        assert!(matches!(&answer, Err(Fault::NotNow { why, .. }) if why.contains("broken")), "{answer:?}");
    }
    sqlx::query("drop trigger broken").execute(&mut neighbour).await.expect("mends");
    assert_eq!(statement(&sandbox).await, []);
    assert!(sandbox.charge(&charge(1), eur(100), "tok_ok").await.is_ok());
}

#[tokio::test]
async fn a_commit_that_fails_leaves_it_unclear_and_recovers() {
    let (folder, clock) = (folder(), clock());
    let sandbox = opened(&folder, &clock).await;
    let mut neighbour = raw(&folder).await;
    let broken = "create table parent (id integer primary key);
        create table child (id references parent deferrable initially deferred);
        create trigger broken before insert on charges begin insert into child values (1); end";
    sqlx::raw_sql(broken).execute(&mut neighbour).await.expect("breaks");
    let answer = sandbox.charge(&charge(1), eur(100), "tok_ok").await;
    assert!(matches!(answer, Err(Fault::Unclear(_))), "{answer:?}");
    assert_eq!(sandbox.find(&charge(1)).await, Ok(None));
    sqlx::query("drop trigger broken").execute(&mut neighbour).await.expect("mends");
    assert!(sandbox.charge(&charge(1), eur(100), "tok_ok").await.is_ok());
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let path = folder().path().join("no/such/folder/sandbox.db");
    let error = DurableSandbox::open(&path, clock()).await.expect_err("there is no folder");
    assert!(error.to_string().contains("no/such/folder/sandbox.db"), "{error}");
}
