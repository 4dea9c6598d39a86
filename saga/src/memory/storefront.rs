//! What the API reads from the tables: carts, products, order versions, messages.

use std::collections::BTreeMap;

use holdfast_shared::{CartId, CartStatus, CustomerId, OrderId, SagaId, SagaState, Time};

use super::Tables;
use crate::records::slot;
use crate::records::view::{
    ActionFilter, ActionView, NotificationFilter, NotificationView, OrderVersion, ProductFilter,
};
use crate::records::{AdminAction, Cart, Identity, Order, Product};

impl Tables {
    pub(super) fn known_customer(&mut self, identity: &Identity) -> Option<CustomerId> {
        let unclaimed = Identity { issuer: String::new(), ..identity.clone() };
        if !self.customers.contains_key(identity)
            && let Some(known) = self.customers.remove(&unclaimed)
        {
            self.customers.insert(identity.clone(), known);
        }
        self.customers.get(identity).copied()
    }

    pub(super) fn open_cart_of(&self, customer: CustomerId) -> Option<CartId> {
        let is_theirs = |cart: &&Cart| cart.status == CartStatus::Open && cart.owner == Some(customer);
        self.carts.values().rev().find(is_theirs).map(|cart| cart.id)
    }

    pub(super) fn products(&self, filter: &ProductFilter) -> Vec<Product> {
        let fits = |product: &&Product| {
            (filter.skus.is_empty() || filter.skus.contains(&product.sku))
                && filter.active.is_none_or(|active| product.active == active)
                && filter.after.as_ref().is_none_or(|after| product.sku > *after)
        };
        self.products.values().filter(fits).take(filter.limit as usize).cloned().collect()
    }

    pub(super) fn pending(&self, at_most: u64) -> u64 {
        let pending = self.orders.values().filter(|order| order.status.is_pending()).count();
        at_most.min(pending as u64)
    }

    pub(super) fn at_work(&self, at_most: u64) -> u64 {
        let pending = self.orders.values().filter(|order| order.status.is_pending());
        let checkouts = pending.filter_map(|order| self.sagas.get(&order.id.saga(slot::CHECKOUT)));
        at_most.min(checkouts.filter(|saga| saga.state != SagaState::Waiting).count() as u64)
    }

    pub(super) fn order_versions(&self, orders: &[OrderId]) -> BTreeMap<OrderId, OrderVersion> {
        let found = orders.iter().filter_map(|id| self.orders.get(id));
        found.map(|order| (order.id, self.order_version(order))).collect()
    }

    fn order_version(&self, order: &Order) -> OrderVersion {
        let start = OrderVersion { updated_at: order.updated_at, fences: 0, sagas: 0 };
        self.of_order(order.id).fold(start, |order_version, saga| OrderVersion {
            fences: order_version.fences + saga.fence,
            sagas: order_version.sagas + 1,
            ..order_version
        })
    }

    pub(super) fn notifications(&self, filter: &NotificationFilter) -> Vec<NotificationView> {
        let newest_first = self.notifications.keys().rev();
        let older = newest_first.filter(|id| filter.before.is_none_or(|before| **id < before));
        let theirs = older.filter_map(|id| self.notification(*id, filter.customer));
        let fits =
            |view: &NotificationView| filter.unread.is_none_or(|unread| view.read_at.is_none() == unread);
        theirs.filter(fits).take(filter.limit as usize).collect()
    }

    pub(super) fn mark_read(
        &mut self,
        id: SagaId,
        customer: Option<CustomerId>,
        now: Time,
    ) -> Option<NotificationView> {
        self.notification(id, customer)?;
        let (_, read_at) = self.notified.get_mut(&id)?;
        read_at.get_or_insert(now);
        self.notification(id, customer)
    }

    /// A message about an order that exists; `customer` has no eyes for another's.
    fn notification(&self, id: SagaId, customer: Option<CustomerId>) -> Option<NotificationView> {
        let order = self.orders.get(&id.order()?)?;
        if customer.is_some() && order.customer != customer {
            return None;
        }
        let (created_at, read_at) = *self.notified.get(&id)?;
        Some(NotificationView {
            notification: self.notifications.get(&id)?.clone(),
            order_public: order.id.public(order.accepted_at),
            customer: order.customer,
            created_at,
            read_at,
        })
    }

    pub(super) fn admin_actions(&self, order: OrderId) -> Vec<AdminAction> {
        let about = |action: &&AdminAction| action.order == Some(order);
        self.admin_actions.iter().filter(about).cloned().collect()
    }

    pub(super) fn actions(&self, filter: &ActionFilter) -> Vec<ActionView> {
        let ActionFilter { order, actor, action, since, before, limit } = filter;
        let fits = |view: &ActionView| {
            let act = &view.action;
            order.is_none_or(|order| act.order == Some(order))
                && actor.as_ref().is_none_or(|actor| act.actor == *actor)
                && action.as_ref().is_none_or(|action| act.action == *action)
                && since.is_none_or(|since| act.at >= since)
                && before.is_none_or(|before| view.id < before)
        };
        let views =
            (1..).zip(&self.admin_actions).map(|(id, action)| ActionView { id, action: action.clone() });
        let mut views: Vec<_> = views.filter(fits).collect();
        views.reverse();
        views.truncate(*limit as usize);
        views
    }
}
