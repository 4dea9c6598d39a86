//! How a command line names an order or a saga.

use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;
use holdfast_contract::order_key::OrderKey;
use holdfast_saga::ports::Store;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::OrderView;
use holdfast_saga::timeline::Story;
use holdfast_shared::SagaId;

use crate::exit::{conflict, not_found, usage};

/// An order, by its number or its public id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OrderRef(OrderKey);

impl FromStr for OrderRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl fmt::Display for OrderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl OrderRef {
    pub(crate) async fn find(self, store: &dyn Store) -> anyhow::Result<OrderView> {
        let missing =
            || not_found(format!("order {self} does not exist; `holdfast order list` shows those that do"));
        self.0.find(store).await?.ok_or_else(missing)
    }

    pub(crate) async fn story(self, store: &dyn Store) -> anyhow::Result<Story> {
        let order = self.find(store).await?.order.id;
        Story::read(store, order).await?.with_context(|| format!("order {order} no longer exists"))
    }
}

/// A saga, by its id or by the order that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SagaRef {
    Saga(SagaId),
    Order(OrderRef),
}

impl FromStr for SagaRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let saga = text.parse().map(Self::Saga);
        saga.or_else(|_| text.parse().map(Self::Order)).map_err(|_| {
            "expected the id of a saga such as 1042.3, an order number such as 1042, or a public id (a UUID)"
                .to_owned()
        })
    }
}

impl SagaRef {
    /// The saga; of an order its checkout.
    pub(crate) async fn checkout(self, store: &dyn Store) -> anyhow::Result<SagaId> {
        match self {
            Self::Saga(id) => Ok(id),
            Self::Order(order) => Ok(order.find(store).await?.order.id.saga(slot::CHECKOUT)),
        }
    }

    /// The saga; of an order those that an operator can retry: the dead and the parked ones.
    pub(crate) async fn stuck(self, store: &dyn Store) -> anyhow::Result<Vec<SagaId>> {
        let order = match self {
            Self::Saga(id) => return Ok(vec![id]),
            Self::Order(order) => order.find(store).await?.order.id,
        };
        let sagas = store.sagas_of(order).await?.into_iter();
        let stuck: Vec<_> = sagas.filter(Saga::is_stuck).map(|saga| saga.id).collect();
        if stuck.is_empty() {
            return Err(conflict(format!(
                "no saga of order {order} is dead or parked; `holdfast order explain {order}` says how it stands"
            )));
        }
        Ok(stuck)
    }

    /// The saga; of an order the only one that an operator can retry.
    pub(crate) async fn one_stuck(self, store: &dyn Store) -> anyhow::Result<SagaId> {
        match (&self.stuck(store).await?[..], self) {
            ([saga], Self::Order(_)) => Ok(*saga),
            (_, Self::Saga(saga)) => Ok(saga),
            (several, Self::Order(order)) => {
                let ids = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(usage(format!(
                    "order {order} has several dead sagas: {ids}; name one, or `holdfast dead retry {order}`"
                )))
            }
        }
    }
}
