//! Holdfast's rules: the records, the engine, the flows, and the ports to the outside.
//!
//! A saga never touches a database or a socket. [`engine::plan`] says what should happen, [`engine::apply`] makes it to
//! locked rows, [`engine::batch`] carries both out for many sagas in one commit. Stores and workers hold no policy.

pub mod engine;
pub mod flows;
pub mod memory;
pub mod operations;
pub mod ports;
pub mod records;
pub mod shop;
pub mod timeline;
