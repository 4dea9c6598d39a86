//! What goes wrong between the shop and a sandbox: "it never began" is said only where that is proven.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast_saga::ports::Fault;
use holdfast_sandbox::http::HttpSandbox;
use holdfast_sandbox::{ChargeState, SandboxControl};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{PATIENCE, charge, eur, refund};

/// How a listener that is no sandbox treats whoever asks it.
#[derive(Clone, Copy)]
enum Manner {
    /// Reads the request and says this, then hangs up.
    Says(&'static str),
    /// Reads the request and says nothing for ever.
    Mute,
    /// Hangs up before it has read anything.
    HangsUp,
}

async fn listener(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream, manner));
        }
    });
    address
}

async fn treat(mut stream: TcpStream, manner: Manner) {
    if matches!(manner, Manner::HangsUp) {
        return;
    }
    let mut read = Vec::new();
    // The body of each request asked here ends with a brace; a look-up has none.
    while !(read.ends_with(b"}") || read.starts_with(b"GET") && read.ends_with(b"\r\n\r\n")) {
        let mut chunk = [0; 4_096];
        let bytes = stream.read(&mut chunk).await.expect("reads");
        read.extend(&chunk[..bytes]);
    }
    match manner {
        Manner::Says(message) => stream.write_all(message.as_bytes()).await.expect("answers"),
        Manner::Mute | Manner::HangsUp => std::future::pending().await,
    }
}

fn client(address: SocketAddr, timeout: Duration) -> HttpSandbox {
    HttpSandbox::new(&format!("http://ann:s3cret@{address}"), timeout).expect("a URL")
}

/// Each way of asking meets the same fault.
async fn fault(sandbox: &HttpSandbox) -> Fault {
    let charged = sandbox.charge(&charge(1), eur(100), "tok_ok").await.expect_err("no sandbox is there");
    let refunded = sandbox.give_back(&refund(1), &charge(1), 100).await.expect_err("no sandbox is there");
    let found = sandbox.find(&charge(1)).await.expect_err("no sandbox is there");
    let class = std::mem::discriminant(&charged);
    assert!([&refunded, &found].iter().all(|fault| std::mem::discriminant(*fault) == class), "{charged:?}");
    let text = format!("{charged} {refunded} {found}");
    assert!(!text.contains("s3cret") && text.contains(&sandbox.place()), "{text}");
    charged
}

#[tokio::test]
async fn a_refused_connection_never_began() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let fault = fault(&client(address, PATIENCE)).await;
    let place = format!("http://{address}");
    assert!(
        matches!(&fault, Fault::NotReached(message) if message.contains("Connection refused") && message.contains(&place)),
        "{fault:?}"
    );
}

/// The kernel takes no more connections for somebody who accepts none: the next one is never made.
#[tokio::test]
async fn a_connection_that_is_not_made_in_time_never_began() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("bound");
    let mut crowd = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        crowd.push(stream);
        assert!(crowd.len() < 100, "the kernel takes everybody");
    }
    let fault = fault(&client(address, PATIENCE)).await;
    assert!(matches!(fault, Fault::NotReached(_)), "{fault:?}");
}

#[tokio::test]
async fn what_cannot_be_put_into_a_request_never_began() {
    let sandbox = client(listener(Manner::Mute).await, PATIENCE);
    let key = holdfast_shared::StepKey::from_stored("a\nb");
    let answer = sandbox.charge(&key, eur(100), "tok_ok").await;
    assert!(matches!(answer, Err(Fault::Refused(_))), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_unclear() {
    let fault = fault(&client(listener(Manner::Mute).await, Duration::from_millis(200))).await;
    assert!(matches!(&fault, Fault::Unclear(message) if message.contains("within 200ms")), "{fault:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_unclear() {
    for manner in [Manner::HangsUp, Manner::Says(""), Manner::Says("HTTP/1.1 2")] {
        let fault = fault(&client(listener(manner).await, PATIENCE)).await;
        assert!(matches!(fault, Fault::Unclear(_)), "{fault:?}");
    }
}

/// A kept connection that the other side has closed meanwhile looks alive until it is written to.
#[tokio::test]
async fn a_kept_connection_that_breaks_under_a_request_is_unclear() {
    const VOIDED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"status\":\"voided\"}";
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let sandbox = client(listener.local_addr().expect("bound"), PATIENCE);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut chunk = [0; 4_096];
        let first = stream.read(&mut chunk).await.expect("reads");
        assert!(first > 0);
        stream.write_all(VOIDED.as_bytes()).await.expect("answers");
        let second = stream.read(&mut chunk).await.expect("reads");
        assert!(second > 0, "the second request comes on the same connection");
    });
    assert_eq!(sandbox.find(&charge(1)).await, Ok(Some(ChargeState::Voided)));
    let answer = sandbox.charge(&charge(2), eur(100), "tok_ok").await;
    assert!(matches!(answer, Err(Fault::Unclear(_))), "{answer:?}");
    serving.await.expect("it went as described");
}

/// An answer as it goes over the wire.
fn answer(status: &str, body: &str) -> &'static str {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).leak()
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_unclear() {
    for said in [
        answer("200 OK", "not JSON"),
        answer("200 OK", "{}"),
        "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"status\":",
        answer("302 Found\r\nlocation: http://127.0.0.1:1/", ""),
        answer("500 Internal Server Error", ""),
        answer("500 Internal Server Error", r#"{"code": "refused", "message": "none"}"#),
        // A proxy's or another server's refusal says nothing about what a sandbox behind it did.
        answer("503 Service Unavailable", "busy"),
        answer("404 Not Found", ""),
        answer("404 Not Found", r#"{"error": "not_known"}"#),
    ] {
        let fault = fault(&client(listener(Manner::Says(said)).await, PATIENCE)).await;
        assert!(matches!(fault, Fault::Unclear(_)), "{said}: {fault:?}");
    }
}

#[tokio::test]
async fn the_sandboxs_own_answers_say_whether_it_began() {
    let message = || "a reason".to_owned();
    let (refused, away) = (Fault::Refused(message()), Fault::NotNow { retry_in: None, why: message() });
    let unclear = Fault::Unclear(message());
    for (status, code, expected) in [
        ("409 Conflict", "refused", &refused),
        ("409 Conflict", "not_done", &refused),
        ("503 Service Unavailable", "unavailable", &away),
        ("422 Unprocessable Content", "invalid", &refused),
        ("500 Internal Server Error", "unclear", &unclear),
    ] {
        let said = answer(status, &format!(r#"{{"code": "{code}", "message": "a reason"}}"#));
        let sandbox = client(listener(Manner::Says(said)).await, PATIENCE);
        let answer = sandbox.charge(&charge(1), eur(100), "tok_ok").await;
        assert_eq!(answer.as_ref(), Err(expected), "{status}");
    }
}

#[test]
fn a_url_that_is_none_is_refused_without_being_repeated() {
    for (url, message) in [
        ("", "cannot be read"),
        ("127.0.0.1:9091", "cannot be read"),
        ("ann:s3cret@sandbox", "begins with ann"),
        ("https://ann:s3cret@sandbox", "begins with https"),
        ("http://", "cannot be read"),
        ("http://sandbox?s3cret", "has a query"),
    ] {
        let error = HttpSandbox::new(url, PATIENCE).expect_err(url).to_string();
        assert!(error.contains(message) && error.ends_with("http://HOST:PORT is expected"), "{url}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let place = HttpSandbox::new("http://ann:s3cret@sandbox:81/below/", PATIENCE).expect("a URL").place();
    assert_eq!(place, "http://sandbox:81");
}
