//! Who is counted: the `sub` of a token, or else the address.
//!
//! And what else the middleware knows of a caller.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;

use crate::auth::{Caller, ValidUntil};
use crate::lanes::HeldPlace;
use crate::proxies::{Callers, network};

/// What limits of a caller count by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CallerKey {
    Sub(String),
    Address(IpAddr),
}

impl CallerKey {
    /// The key of a request; `None`: nobody says where it comes from.
    pub(crate) fn of(request: &Parts, caller: Option<&Caller>, callers: &Callers) -> Option<Self> {
        if let Some(sub) = caller.and_then(Caller::sub) {
            return Some(Self::Sub(sub.to_owned()));
        }
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
        Some(Self::Address(network(callers.address(peer, &request.headers))))
    }
}

/// What the middleware knows of the caller of a request, besides who it is.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// How long their token is valid.
    pub(crate) until: ValidUntil,
    /// What their limits count by.
    pub(crate) key: Option<CallerKey>,
    /// Their place in a lane.
    pub(crate) place: HeldPlace,
}
