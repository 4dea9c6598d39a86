//! The audit trail: what admins and operators did, kept in the commit that did it.

use holdfast_shared::{Actor, OrderId};

use crate::records::AdminAction;
use crate::records::batch_rows::World;

/// Records what `by` did to `subject`, and to `order` if it is about one. Customers leave no trace here; their order's
/// timeline shows what they did.
pub(crate) fn record_action(
    world: &mut World,
    by: &Actor,
    action: &str,
    order: Option<OrderId>,
    subject: &str,
    detail: &str,
) {
    if *by != Actor::Customer {
        push(world, by, action, order, subject, detail);
    }
}

/// Records a verb on `order`, with the reason that was given. A customer's is recorded for its reason alone.
pub(crate) fn record_verb(
    world: &mut World,
    by: &Actor,
    action: &str,
    order: OrderId,
    came_of_it: &str,
    reason: Option<&str>,
) {
    if *by != Actor::Customer || reason.is_some() {
        let detail = AdminAction::detail_with(came_of_it, reason);
        push(world, by, action, Some(order), &format!("order {order}"), &detail);
    }
}

fn push(world: &mut World, by: &Actor, action: &str, order: Option<OrderId>, subject: &str, detail: &str) {
    world.writes.admin_actions.push(AdminAction {
        at: world.now,
        actor: by.name().to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
        order,
    });
}
