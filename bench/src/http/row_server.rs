//! What one would write by hand to take orders in: a request is parsed, one row is inserted in a commit of
//! its own over a pool of connections, and 201 is the answer. It keeps no promise about the row.

use anyhow::Result;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

/// Its only table: the columns of an order, and the key that the request came with.
pub(crate) const TABLE: &str = "create table row_orders (
    id               bigint generated always as identity primary key,
    key              text not null,
    cart_id          uuid not null,
    payment          jsonb not null,
    contact          jsonb not null,
    shipping_address jsonb not null,
    status           text not null,
    accepted_at      timestamptz not null default now()
)";
const INSERT: &str = "insert into row_orders (key, cart_id, payment, contact, shipping_address, status)
    values ($1, $2, $3, $4, $5, 'PENDING_PAYMENT') returning id";

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    connections: u32,
}

#[derive(Debug, Deserialize)]
struct Body {
    cart_id: Uuid,
    payment: Payment,
    contact: Contact,
    shipping_address: Address,
}

#[derive(Debug, Serialize, Deserialize)]
struct Payment {
    method: String,
    token: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contact {
    email: String,
    phone: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Address {
    name: String,
    line1: String,
    city: String,
    postal_code: String,
    country: String,
}

#[derive(Debug, Serialize)]
struct Placed {
    id: i64,
    status: &'static str,
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(args.connections)
        .min_connections(args.connections)
        .test_before_acquire(false)
        .connect(&args.database_url)
        .await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let routes = Router::new().route("/v1/checkout", post(insert)).with_state(pool);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, routes) => served?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn insert(State(pool): State<PgPool>, headers: HeaderMap, Json(body): Json<Body>) -> Response {
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let inserted: Result<i64, _> = sqlx::query_scalar(INSERT)
        .bind(key)
        .bind(body.cart_id)
        .bind(sqlx::types::Json(body.payment))
        .bind(sqlx::types::Json(body.contact))
        .bind(sqlx::types::Json(body.shipping_address))
        .fetch_one(&pool)
        .await;
    match inserted {
        Ok(id) => (StatusCode::CREATED, Json(Placed { id, status: "PENDING_PAYMENT" })).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
