//! The rules, proven on the memory store against the sandbox provider.

mod accepting;
mod amounts;
mod bank;
mod batches;
mod carts;
mod catalog;
mod chaos;
mod dead;
mod flows;
mod fulfilment;
mod grants;
mod history;
mod identity;
mod inbox;
mod money;
mod participants;
mod performing;
mod proofs;
mod providers;
mod rules;
mod sabotage;
mod shop;
mod simulation;
mod till;
mod warehouse;
