//! Every store alike, and the rules of the engine on real databases.

mod channels;
mod conformance;
mod copies;
mod credentials;
mod crowds;
mod damage;
mod flows;
mod intake;
mod pair;
mod postgres_addresses;
mod postgres_answers;
mod postgres_connections;
mod postgres_grants;
mod postgres_load;
mod postgres_locks;
mod postgres_operations;
mod postgres_pooler;
mod postgres_read_only;
mod postgres_restart;
mod postgres_rules;
mod postgres_stale;
mod queues;
mod stopping;
