//! Sagas for those who run Holdfast, each with what takes the buyer's payment token out of its error.

use std::collections::BTreeMap;

use holdfast_shared::{OrderId, SagaId};

use crate::ports::{Store, StoreError};
use crate::records::context::without_token;
use crate::records::saga::Saga;
use crate::records::slot;
use crate::records::view::SagaFilter;
use crate::timeline::{self, Line, Story};

/// A saga, and the payment token of its order if the saga has an error that may contain it.
#[derive(Debug, Clone)]
pub struct ListedSaga {
    /// The saga itself.
    pub saga: Saga,
    token: Option<String>,
}

impl ListedSaga {
    /// `text` without the payment token.
    pub fn redact_token(&self, text: &str) -> String {
        without_token(self.token.as_deref(), text)
    }
}

/// Lists sagas, newest first.
///
/// Only a checkout holds its order's token. So a page reads one checkout more for each order of which it shows a
/// failed saga without the checkout itself.
pub async fn list(store: &dyn Store, filter: &SagaFilter) -> Result<Vec<ListedSaga>, StoreError> {
    with_tokens(store, store.sagas(filter).await?).await
}

/// Lists the sagas behind `after` whose call waits for the settings to change, by id: the oldest orders first.
pub async fn held(
    store: &dyn Store,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<ListedSaga>, StoreError> {
    let mut sagas = Vec::new();
    for id in store.parked(after, limit).await? {
        // One that went on meanwhile is shown as it stands now.
        sagas.extend(store.saga(id).await?);
    }
    with_tokens(store, sagas).await
}

async fn with_tokens(store: &dyn Store, sagas: Vec<Saga>) -> Result<Vec<ListedSaga>, StoreError> {
    let token_of = |checkout: &Saga| checkout.context.token().map(str::to_owned);
    let mut tokens: BTreeMap<OrderId, Option<String>> = sagas
        .iter()
        .filter(|saga| slot::is_checkout(saga.id))
        .filter_map(|checkout| Some((checkout.id.order()?, token_of(checkout))))
        .collect();
    let mut listed = Vec::with_capacity(sagas.len());
    for saga in sagas {
        let order = saga.id.order().filter(|_| saga.progress.error.is_some());
        let token = match order.map(|order| (order, tokens.get(&order))) {
            None => None,
            Some((_, Some(known))) => known.clone(),
            Some((order, None)) => {
                let token = store.saga(order.saga(slot::CHECKOUT)).await?.as_ref().and_then(token_of);
                tokens.insert(order, token.clone());
                token
            }
        };
        listed.push(ListedSaga { saga, token });
    }
    Ok(listed)
}

/// A saga with its history, oldest first.
#[derive(Debug, Clone)]
pub struct SagaWithHistory {
    /// The saga.
    pub listed: ListedSaga,
    /// What happened to it.
    pub history: Vec<Line>,
}

/// A saga with its history; `None` when there is no such saga.
pub async fn find(store: &dyn Store, id: SagaId) -> Result<Option<SagaWithHistory>, StoreError> {
    let Some(saga) = store.saga(id).await? else { return Ok(None) };
    let Some(order) = id.order() else {
        let history = timeline::history_of_standalone(&saga, &store.log(id).await?);
        return Ok(Some(SagaWithHistory { listed: ListedSaga { saga, token: None }, history }));
    };
    let read = Story::read(store, order).await?;
    Ok(read.map(|story| {
        let history = timeline::history(&story, &saga);
        let token = story.sagas.iter().find_map(|saga| saga.context.token()).map(str::to_owned);
        SagaWithHistory { listed: ListedSaga { saga, token }, history }
    }))
}
