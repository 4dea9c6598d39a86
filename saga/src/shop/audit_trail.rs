//! The audit trail: what admins and operators did, kept in the commit that did it.

use holdfast_shared::{Actor, OrderId};

use crate::records::AdminAction;
use crate::records::batch_rows::World;

/// Records what `by` did to `order`. Customers leave no trace here; their order's timeline shows what they did.
pub(crate) fn record_action(
    world: &mut World,
    by: &Actor,
    action: &str,
    order: OrderId,
    subject: &str,
    detail: &str,
) {
    record_action_on(world, by, action, Some(order), subject, detail);
}

/// The same of what may be about no order.
pub(crate) fn record_action_on(
    world: &mut World,
    by: &Actor,
    action: &str,
    order: Option<OrderId>,
    subject: &str,
    detail: &str,
) {
    let (Actor::Admin(name) | Actor::Operator(name)) = by else {
        return;
    };
    world.writes.admin_actions.push(AdminAction {
        at: world.now,
        actor: name.clone(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
        order,
    });
}
