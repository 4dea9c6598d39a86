//! No password and no payment token gets out, whatever is asked and whatever goes wrong.

use std::time::Duration;

use crate::binary::{Ran, holdfast, run_on};
use crate::on_both;

const URL: &str = "postgres://ann:s3cret@127.0.0.1:1/shop";

#[test]
fn a_password_is_never_shown() {
    let given = format!("--database-url={URL}");
    let asked: [(&str, &[&str]); 12] = [
        (URL, &["--help"]),
        (URL, &["order", "list", "--help"]),
        (URL, &["order", "list"]),
        (URL, &["migrate"]),
        ("mysql://ann:s3cret@db/shop", &["order", "list"]),
        ("ann:s3cret@db/shop", &["order", "list"]),
        ("postgres://ann:s3cret@db:notaport/shop", &["order", "list"]),
        ("postgres://ann@127.0.0.1:1/shop?password=s3cret", &["order", "list"]),
        ("", &["order", "list", URL]),
        ("", &["order", "show", URL]),
        ("", &["order", "list", "--database-url", URL, "--nonsense"]),
        ("", &[&given, "order", "list", "--output", URL]),
    ];
    // Each server that does not answer is waited for.
    std::thread::scope(|scope| {
        for (url, arguments) in asked {
            scope.spawn(move || {
                let ran = run_on(url, arguments);
                assert!(!format!("{ran:?}").contains("s3cret"), "{ran:#?}");
            });
        }
    });
}

#[test]
fn a_password_is_not_even_in_the_log() {
    let mut command = holdfast();
    let command = command.env("RUST_LOG", "trace").env("DATABASE_URL", URL).args(["order", "list"]);
    let ran = Ran::of(command.output().expect("the binary runs"));
    assert_eq!(ran.code, Some(1));
    assert!(!ran.stderr.contains("s3cret"), "{ran:#?}");
}

on_both! {
    fn a_payment_token_is_never_shown(shop) {
        shop.stock("cd-1", 10);
        let (order, saga) = shop.dead_order();
        let flaky = shop.order("cd-1", 1, Some("tok_down"));
        shop.work(Duration::from_mins(5));
        let waiting = shop.order("cd-1", 1, Some("tok_requires_action"));
        shop.work(Duration::from_secs(1));
        let mut asked = vec![vec!["order".to_owned(), "list".to_owned()], vec!["saga".to_owned(), "list".to_owned()]];
        asked.push(vec!["audit".to_owned()]);
        asked.push(vec!["saga".to_owned(), "show".to_owned(), saga.to_string()]);
        for id in [order, flaky, waiting] {
            asked.push(vec!["saga".to_owned(), "show".to_owned(), id.saga(0).to_string()]);
            asked.push(vec!["order".to_owned(), "show".to_owned(), id.to_string()]);
            asked.push(vec!["order".to_owned(), "explain".to_owned(), id.to_string()]);
        }
        for arguments in asked {
            for format in ["table", "json", "jsonl"] {
                let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                arguments.extend(["--output", format]);
                let mut command = holdfast();
                let command = command.env("RUST_LOG", "trace").env("DATABASE_URL", &shop.url).args(&arguments);
                let ran = Ran::of(command.output().expect("the binary runs"));
                assert_eq!(ran.code, Some(0), "{arguments:?} {ran:#?}");
                let shown = format!("{}{}", ran.stdout, ran.stderr);
                let hidden = ["refund_fails", "tok_down", "requires_action\""];
                assert!(hidden.iter().all(|token| !shown.contains(token)), "{arguments:?} {shown}");
            }
        }
        // What a transaction reads and writes, names and addresses among it, is no business of the log.
        let mut cancel = holdfast();
        let cancel = cancel.env("RUST_LOG", "trace").env("DATABASE_URL", &shop.url);
        let cancel = cancel.args(["order", "cancel", &waiting.to_string(), "--actor", "maria"]);
        let ran = Ran::of(cancel.output().expect("the binary runs"));
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(!ran.stderr.contains("with parameters"), "{}", ran.stderr);
    }
}
