//! How a buyer gets into the shop: over HTTP, or straight into the group commit of this very process.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use holdfast_intake::CheckoutIntake;
use holdfast_saga::ports::{Dispatch, Store};
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::{Verb, ask};
use holdfast_shared::{Actor, OrderId};
use serde::Deserialize;
use uuid::Uuid;

use super::scenario::Then;
use super::workload::Purchase;
use crate::http::client::Connection;
use crate::shop::checkout;

/// Where orders are placed.
#[derive(Debug, Clone)]
pub(crate) enum Submitter {
    /// At this process's own intake; its hints go where `dispatch` sends them.
    Direct { checkout_intake: CheckoutIntake, store: Arc<dyn Store>, dispatch: Arc<dyn Dispatch> },
    /// At a `holdfast api`.
    Http { address: SocketAddr, admin: Arc<str> },
}

/// Somebody at the submitter, with one request under way at a time.
#[derive(Debug)]
pub(crate) enum Buyer {
    Direct { checkout_intake: CheckoutIntake, store: Arc<dyn Store>, dispatch: Arc<dyn Dispatch> },
    Http { connection: Connection, admin: Arc<str> },
}

/// An order that was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) order: OrderId,
    /// As the world outside knows it.
    public: Option<Uuid>,
}

#[derive(Deserialize)]
struct Created {
    id: Uuid,
}

impl Submitter {
    pub(crate) async fn buyer(&self) -> Result<Buyer> {
        Ok(match self {
            Self::Direct { checkout_intake, store, dispatch } => Buyer::Direct {
                checkout_intake: checkout_intake.clone(),
                store: Arc::clone(store),
                dispatch: Arc::clone(dispatch),
            },
            Self::Http { address, admin } => {
                Buyer::Http { connection: Connection::open(*address).await?, admin: Arc::clone(admin) }
            }
        })
    }
}

impl Buyer {
    /// Places an order. Anything but its acceptance is an error.
    pub(crate) async fn place(&mut self, order: &Purchase) -> Result<Placed> {
        match self {
            Self::Direct { checkout_intake, .. } => {
                let accepted = checkout_intake
                    .accept(checkout(order.cart, order.method))
                    .await?
                    .context("a checkout was refused")?;
                Ok(Placed { order: accepted.order, public: None })
            }
            Self::Http { connection, .. } => {
                let answer = connection.check_out(order.cart, order.method).await?;
                let Created { id } = serde_json::from_slice(&answer)?;
                let order = OrderId::from_public(id).context("an order's id is none")?;
                Ok(Placed { order, public: Some(id) })
            }
        }
    }

    /// What an admin does about it.
    pub(crate) async fn follow_up(&mut self, order: &Purchase, placed: Placed) -> Result<()> {
        let (verb, path) = match order.then {
            Then::Nothing => return Ok(()),
            Then::AdminConfirms => (Verb::Confirm, "confirm"),
            Then::AdminRejects => (Verb::Reject, "reject"),
        };
        match self {
            Self::Direct { store, dispatch, .. } => {
                let answer = ask(&**store, placed.order, verb, &Actor::Admin("bench".to_owned())).await?;
                if let Answered::Accepted(hint) = answer.context("an admin was refused")? {
                    dispatch.wake(&[hint]);
                }
                Ok(())
            }
            Self::Http { connection, admin } => {
                let id = placed.public.context("an order without a public id")?;
                connection.post(&format!("/v1/admin/orders/{id}/{path}"), admin).await
            }
        }
    }
}
