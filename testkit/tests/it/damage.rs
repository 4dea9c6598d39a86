//! What the tables allow and no commit writes: every such state is noticed by the audit, or written down as legal.
//!
//! A shop is brought into every state that an order can be in. Then each value of each row is changed to others that the
//! tables accept, each row is taken out, and the audit is run: it must notice, unless [`legal::LEGAL`] says why not.

mod generate;
mod legal;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_saga::flows;
use holdfast_saga::operations::audit::Report;
use holdfast_saga::operations::audit_run;
use holdfast_shared::ManualClock;
use holdfast_testkit::database::{Database, noon_clock};

use self::generate::{Damage, tables};
use self::world::World;

/// Fewer would not deserve the name.
const KINDS_MIN: usize = 40;

async fn audit(world: &World) -> Report {
    let audit = audit_run::read(&*world.shop.store, flows::REGISTRY).await.expect("reads");
    let statements =
        audit_run::statements(&audit, &world.outside.payments).await.expect("the sandbox answers");
    audit.finish(&statements)
}

/// Does up to `each` damages of every kind, one after the other, and says what nobody noticed.
async fn damaged(database: Database, clock: Arc<ManualClock>, each: usize) {
    let each = if std::env::var("HOLDFAST_TEST_DAMAGE").as_deref() == Ok("all") { usize::MAX } else { each };
    let world = World::build(database, clock).await;
    let clean = audit(&world).await;
    assert!(clean.is_clean(), "{:#?}", clean.violations);
    let (mut noticed, mut legal, mut refused) = (BTreeMap::<String, usize>::new(), 0, 0);
    let mut missed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for table in tables(&world.database).await {
        table.save(&world.database).await;
        let mut kinds: BTreeMap<String, Vec<Damage>> = BTreeMap::new();
        for damage in table.damages(&world.database).await {
            if legal::why(&damage).is_some() {
                legal += 1;
            } else {
                kinds.entry(damage.kind()).or_default().push(damage);
            }
        }
        for (kind, damages) in kinds {
            let stride = damages.len().div_ceil(each).max(1);
            for damage in damages.iter().step_by(stride) {
                if world.database.try_execute(&damage.sql).await.is_err() {
                    refused += 1;
                    continue;
                }
                let report = audit(&world).await;
                table.restore(&world.database).await;
                if report.is_clean() && report.unverifiable == clean.unverifiable {
                    missed.entry(kind.clone()).or_default().push(damage.to_string());
                } else {
                    *noticed.entry(kind.clone()).or_default() += 1;
                }
            }
        }
    }
    let again = audit(&world).await;
    assert!(again.is_clean(), "restored: {:#?}", again.violations);
    println!(
        "{} damages of {} kinds noticed, {legal} legal, {refused} refused by the tables",
        noticed.values().sum::<usize>(),
        noticed.len()
    );
    let few: Vec<_> = missed
        .iter()
        .map(|(kind, all)| format!("{kind}: {} missed, such as {:#?}", all.len(), &all[..all.len().min(4)]))
        .collect();
    assert!(missed.is_empty(), "nobody noticed:\n{}", few.join("\n"));
    assert!(noticed.len() >= KINDS_MIN, "{} kinds", noticed.len());
}

#[tokio::test]
async fn f42_every_state_that_sqlite_allows_is_legal_or_noticed() {
    let clock = noon_clock();
    damaged(Database::sqlite(clock.clone()).await, clock, 12).await;
}

#[tokio::test]
async fn f42_every_state_that_postgres_allows_is_legal_or_noticed() {
    let clock = noon_clock();
    damaged(Database::postgres(clock.clone()).await, clock, 3).await;
}

/// A restored counter gives numbers again that orders have.
async fn numbers_given_again(database: Database, clock: Arc<ManualClock>) {
    let is_on_postgres = database.is_on_postgres();
    let world = World::build(database, clock).await;
    let back =
        if is_on_postgres { "select setval('order_number', 7)" } else { "update order_numbers set last = 7" };
    world.database.execute(back).await;
    let report = audit(&world).await;
    let found: Vec<_> = report.violations.iter().map(|violation| violation.detail.as_str()).collect();
    assert_eq!(found, ["the last number that was given out is 7: its own will be given again"]);
}

#[tokio::test]
async fn f42_numbers_that_would_be_given_again_are_noticed() {
    let clock = noon_clock();
    numbers_given_again(Database::sqlite(clock.clone()).await, clock).await;
    let clock = noon_clock();
    numbers_given_again(Database::postgres(clock.clone()).await, clock).await;
}

/// The tables that hold nothing a promise rests on, and why.
#[tokio::test]
async fn every_table_is_damaged_or_none_of_the_audits_business() {
    let database = Database::sqlite(noon_clock()).await;
    let known: Vec<&str> = generate::KEYS.iter().map(|(table, _)| *table).collect();
    for table in database.texts("select name from sqlite_master where type = 'table' order by name").await {
        let name = table[0].clone().expect("has a name");
        let apart = legal::TABLES.iter().any(|(table, _)| *table == name);
        assert!(known.contains(&name.as_str()) != apart, "{name} is neither damaged nor left alone, or both");
    }
}
