//! The binary as a user meets it: run for real, on real files and on a real server.

mod api;
mod audit;
mod bad_night;
mod binary;
mod chaos;
mod circuit_breaker;
mod cluster;
mod copies;
mod database;
mod database_away;
mod dead;
mod demo;
mod fixture;
mod frozen;
mod help;
mod identity;
mod jwks;
mod logs;
mod migrations;
mod once;
mod order;
mod output;
mod overload;
mod personal_data;
mod process_set;
mod provider_health;
mod queue;
mod readme;
mod redis;
mod saga;
mod sandbox;
mod second_provider;
mod secrets;
mod server;
mod stock;
mod up;
mod usage;
mod worker;

/// One fact, held on a file and on a server.
macro_rules! on_both {
    ($(fn $fact:ident($shop:ident) $body:block)*) => {$(
        fn $fact($shop: &$crate::fixture::Shop) $body

        mod $fact {
            #[test]
            fn sqlite() {
                super::$fact(&$crate::fixture::Shop::sqlite());
            }

            #[test]
            fn postgres() {
                super::$fact(&$crate::fixture::Shop::postgres());
            }
        }
    )*};
}
pub(crate) use on_both;
