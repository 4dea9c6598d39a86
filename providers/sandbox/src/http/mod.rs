//! The sandbox over HTTP: [`routes`] let many processes share one ledger, [`HttpSandbox`] asks them.
//!
//! # The wire
//!
//! JSON both ways. Money is `{"amount_minor": 1999, "currency": "EUR"}`; a charge is named by the key it was
//! asked for under, percent-encoded where it stands in a path.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /charges` with `Idempotency-Key` | `{"amount": money, "token": "tok_ok"}` | 200, the charge |
//! | `GET /charges/{key}` | | 200, the charge |
//! | `GET /charges/{key}/refunds` | | 200, a page of `{"key", "amount_minor"}`: what went back of it |
//! | `POST /charges/{key}/void` | | 200, the charge |
//! | `POST /charges/{key}/complete` | `{"approved": true}`: the buyer acts | 200, the charge |
//! | `POST /charges/{key}/allow-refunds` | | 204 |
//! | `POST /refunds` with `Idempotency-Key` | `{"charge": key, "amount_minor": 500}`, in the charge's currency | 204 |
//! | `GET /charges?waiting` | | 200, a page of the keys that wait for their buyer |
//! | `GET /statement` | | 200, a page of `{"charge", "currency", "captured_minor", "refunded_minor"}` |
//! | `GET /healthz` | | 200 |
//!
//! A charge is `{"status": "captured", "amount": money, "refunded_minor": 0, "provider_ref": "sbx_.."}`, or its
//! status is `requires_action` (with `url`), `declined` (with `reason`) or `voided`. A page is
//! `{"items": [..], "next_cursor": null | "..."}`; `?cursor=` asks for what follows.
//!
//! Any other answer is `{"code", "message"}`, and its code says whether something was done:
//!
//! | status | code | means |
//! |---|---|---|
//! | 404 | `not_known` | no charge by that key was seen so far |
//! | 409 | `refused` | a rule says no: nothing was done, and the same again is refused again |
//! | 409 | `not_done` | nothing was done this time; the same again may be |
//! | 503 | `unavailable` | it takes no requests now: nothing was done |
//! | any other 4xx | `invalid` | it was not understood: nothing was done |
//! | 500 | `unclear` | it may have been done |
//!
//! What does not look like that comes from somebody else and proves nothing. A charge with `tok_timeout` is
//! carried out and then not answered: its connection is held until the caller gives up or the sandbox stops.

mod client;
mod server;
mod wire;

pub use client::{HttpSandbox, InvalidUrl};
pub use server::routes;
