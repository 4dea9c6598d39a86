//! The `SQLite` store alone: its file, its schema, its statements. What every store must do alike is
//! proven by the suite all stores share.

mod claiming;
mod file;
mod pruning;
mod queries;
mod reading;
mod saving;
mod shop;
