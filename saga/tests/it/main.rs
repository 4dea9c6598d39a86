//! The rules, proven on the memory store against the sandbox provider.

mod chaos;
mod flows;
mod history;
mod proofs;
mod rules;
mod sabotage;
mod shop;
mod simulation;
