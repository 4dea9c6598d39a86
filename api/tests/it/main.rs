//! The API over real HTTP on loopback, with a real database behind it.

mod carts;
mod catalog;
mod checkout;
mod contract;
mod customers;
mod edge;
mod events;
mod fixture;
mod matrix;
mod ops;
mod orders;
