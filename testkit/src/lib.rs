//! What proofs on real databases share. For tests alone: it panics where a test should fail.
//!
//! [`database`] gives every test a store of its own, on each of the three; [`mod@conformance`] is the suite
//! they all must pass; [`shop`] stocks one and takes orders, [`driver`] carries them on under a clock that
//! the test owns; [`proxy`] cuts connections where it hurts most; [`redis`] is a server to be frozen, flushed and killed,
//! [`pgbouncer`] stands in between, [`certificates`] vouch for servers.

pub mod certificates;
pub mod conformance;
pub mod database;
pub mod driver;
pub mod pgbouncer;
pub mod proxy;
pub mod redis;
pub mod rows;
pub mod shop;
