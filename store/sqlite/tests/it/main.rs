//! The `SQLite` store alone: its file, its schema, its statements. What every store must do alike is
//! proven by the suite all stores share.

mod audit;
mod claiming;
mod file;
mod queries;
mod saving;
mod shop;
