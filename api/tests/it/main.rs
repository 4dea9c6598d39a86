//! The API over real HTTP on loopback, with a real database behind it.

mod carts;
mod catalog;
mod checkout;
mod connections;
mod contract;
mod customers;
mod door;
mod edge;
mod events;
mod fixture;
mod input;
mod matrix;
mod ops;
mod orders;
