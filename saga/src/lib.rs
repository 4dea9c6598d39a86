//! Holdfast's rules: the saga engine, the flows, and the ports to the outside.
//!
//! A saga never touches a database or a socket. [`plan::plan`] says what should happen,
//! [`apply::apply`] makes it to locked rows, [`batch`] carries both out for many sagas in one
//! commit. Stores and workers hold no policy.

pub mod accept;
pub mod adjustment;
pub mod apply;
pub mod audit;
pub mod batch;
pub mod call;
pub mod cart;
pub mod catalog;
pub mod change;
pub mod command;
pub mod context;
pub mod dead;
pub mod definition;
pub mod flows;
pub mod log;
pub mod memory;
pub mod perform;
pub mod plan;
pub mod ports;
pub mod rows;
pub mod saga;
pub mod signal;
pub mod timeline;
pub mod view;
pub mod world;
