//! The front submitter, measured from outside: the real binary as a child process, asked over keep-alive
//! connections.

pub(crate) mod accept;
pub(crate) mod client;
pub(crate) mod crowd;
pub(crate) mod delay;
pub(crate) mod latency;
pub(crate) mod process;
pub(crate) mod profile;
pub(crate) mod row_server;
pub(crate) mod streams;
pub(crate) mod target_database;
