//! Following an order over server-sent events.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::fixture::{Shop, Who, card, cod, json_of, text};

/// One event as it came.
#[derive(Debug)]
struct Event {
    id: String,
    data: Value,
}

/// The events of a stream, until `enough` or nothing comes for a while.
async fn read(response: Response, enough: impl Fn(&Event) -> bool) -> Vec<Event> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Ok(Some(Ok(bytes))) = tokio::time::timeout(Duration::from_secs(3), stream.next()).await {
        text.push_str(std::str::from_utf8(&bytes).expect("text"));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                let value = event.lines().find_map(|line| line.strip_prefix(name));
                value.map(|value| value.trim_start_matches(':').trim().to_owned())
            };
            if let (Some(id), Some(data)) = (field("id"), field("data")) {
                assert_eq!(field("event").as_deref(), Some("order"));
                events.push(Event { id, data: serde_json::from_str(&data).expect("JSON") });
            }
            text = rest.to_owned();
        }
        if events.last().is_some_and(&enough) {
            break;
        }
    }
    events
}

fn happened(events: &[Event]) -> Vec<String> {
    let shown = events.iter().flat_map(|event| event.data["happened"].as_array().expect("a list").clone());
    shown.map(|line| text(&line["text"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_sends_each_change_once_also_across_a_reconnect() {
    let shop = Shop::open().await;
    let carla = Who::Customer("carla");
    let order = shop.order(cod(), carla).await;
    let id = text(&order["id"]);
    let path = format!("/v1/orders/{id}/events");
    let waits =
        |event: &Event| event.data["order"]["status"] == "PENDING_CONFIRMATION" && event.id.contains("0.");
    let first = read(shop.get(&path, carla).await, waits).await;
    let last = first.last().expect("how it stands").id.clone();
    // Only somebody else listens while it moves on.
    let other = tokio::spawn(read(shop.get(&path, Who::Admin).await, |event| {
        event.data["order"]["status"] == "CONFIRMED"
    }));
    json_of(shop.post(&format!("/v1/admin/orders/{id}/confirm"), Who::Admin).await, StatusCode::ACCEPTED)
        .await;
    shop.until(&id, "CONFIRMED").await;
    other.await.expect("no panic");
    let resumed = shop.ask(Method::GET, &path, carla).header("last-event-id", &last).send().await;
    let confirmed = |event: &Event| event.data["order"]["status"] == "CONFIRMED";
    let rest = read(resumed.expect("an answer"), |_| false).await;
    assert!(rest.iter().any(confirmed), "{rest:?}");
    // Together they are the timeline, nothing missed and nothing twice.
    let timeline = json_of(shop.get(&format!("/v1/orders/{id}/timeline"), carla).await, StatusCode::OK).await;
    let mut shown = [happened(&first), happened(&rest)].concat();
    let mut all: Vec<String> =
        timeline["items"].as_array().expect("items").iter().map(|line| text(&line["text"])).collect();
    shown.sort();
    all.sort();
    assert_eq!(shown, all);
    // Who has heard all hears nothing.
    let last = rest.last().expect("an event").id.clone();
    let again = shop.ask(Method::GET, &path, carla).header("last-event-id", &last).send().await;
    assert!(read(again.expect("an answer"), |_| true).await.is_empty());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_streams_events_and_reconnects_after_the_server_stops() {
    let shop = Shop::open().await;
    let order = shop.order(card("tok_ok"), Who::Nobody).await;
    let (id, token) = (text(&order["id"]), text(&order["order_token"]));
    let stream = shop.get(&format!("/v1/orders/{id}/events?order_token={token}"), Who::Nobody).await;
    let reading = tokio::spawn(read(stream, |_| false));
    shop.until(&id, "CONFIRMED").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    shop.stop.send(true).expect("a door");
    let events =
        tokio::time::timeout(Duration::from_secs(3), reading).await.expect("it ends").expect("no panic");
    assert_eq!(events.last().expect("events").data["order"]["status"], "CONFIRMED");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_sees_what_happened_and_nothing_internal() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Nobody).await;
    let (id, token) = (text(&order["id"]), text(&order["order_token"]));
    json_of(shop.post(&format!("/v1/admin/orders/{id}/confirm"), Who::Admin).await, StatusCode::ACCEPTED)
        .await;
    shop.until(&id, "CONFIRMED").await;
    json_of(shop.post(&format!("/v1/admin/orders/{id}/process"), Who::Admin).await, StatusCode::OK).await;
    let asked = shop.ask(Method::GET, &format!("/v1/orders/{id}/timeline"), Who::Nobody);
    let timeline =
        json_of(asked.header("x-order-token", &token).send().await.expect("an answer"), StatusCode::OK).await;
    let stream = shop.get(&format!("/v1/orders/{id}/events?order_token={token}"), Who::Nobody).await;
    let events = read(stream, |event| event.data["order"]["status"] == "PROCESSING").await;
    let shown: Vec<String> =
        timeline["items"].as_array().expect("items").iter().map(|line| text(&line["text"])).collect();
    assert_eq!(happened(&events), shown);
    for message in ["confirmed by the shop", "order confirmed", "being prepared"] {
        assert!(shown.contains(&message.to_owned()), "{message}: {shown:?}");
    }
    assert!(!shown.iter().any(|line| line.contains("ada") || line.contains("saga")), "{shown:?}");
    shop.close().await;
}
