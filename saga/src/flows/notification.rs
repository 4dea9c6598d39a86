//! Telling the customer, as a saga of its own: a message that cannot be sent never holds up an order.

use std::time::Duration;

use holdfast_shared::{CancelReason, Money, Queue, RetryPolicy};

use crate::engine::definition::{
    CallSpec, Definition, Discard, Event, Phrases, Refusal, Stage, Unclear, call, local, pivot,
};
use crate::records::change::Change;
use crate::records::context::{Context, Notice, NoticeKind};
use crate::records::request::Request;
use crate::records::saga::{NewSaga, Saga};
use crate::records::slot;
use crate::records::{Notification, NotificationStatus};

/// The name of the channel that every notification takes.
const CHANNEL: &str = "log";

/// Save it (in the parent's commit), send it, write down that it went.
pub static V1: Definition = Definition {
    name: "notification",
    version: 1,
    queue: Queue::Notifications,
    forward: &[pivot(), SAVE, SEND, UPDATE],
    after_undo: &[],
    late_capture: None,
};

const SAVE: Stage = local("save", save).reads(Phrases::new("saving the message", "message saved"));

const SEND: Stage = call("send", NOTIFY).reads(Phrases::new("the message", "message sent"));

const UPDATE: Stage = local("update", update).reads(Phrases::new("noting that the message went out", ""));

const NOTIFY: CallSpec = CallSpec {
    concerns: |_| true,
    request: |saga, key| Some(Request::Notify { key, id: saga.id, notice: notice(saga).clone() }),
    record: |saga, _key, event| match event {
        Event::Died | Event::Discarded => Ok(failed(saga)),
        Event::Intent | Event::Answered(_) | Event::GaveUp => Ok(vec![]),
    },
    retry: RetryPolicy {
        failures_max: 8,
        backoff: Duration::from_millis(500),
        backoff_max: Duration::from_mins(5),
    },
    timeout: Duration::from_secs(10),
    rejected_as: CancelReason::AdminRequest,
    gives_up_as: CancelReason::AdminRequest,
    unclear: Unclear::Fails,
    discard: Discard::GivenUp,
};

/// The saga that tells the customer of `parent`'s order about it.
pub fn start(parent: &Saga, kind: NoticeKind, total: Money, reason: Option<CancelReason>) -> NewSaga {
    let slot = match kind {
        NoticeKind::OrderConfirmed => slot::CONFIRMED_NOTICE,
        NoticeKind::OrderCancelled => slot::CANCELLED_NOTICE,
    };
    let notice = Notice { notice: kind, channel: CHANNEL.to_owned(), total, reason };
    V1.start(parent.order().saga(slot), Context::Notice(notice))
}

fn save(saga: &Saga) -> Result<Vec<Change>, Refusal> {
    Ok(vec![Change::RecordNotification { from: None, notification: row(saga, NotificationStatus::Pending) }])
}

fn update(saga: &Saga) -> Result<Vec<Change>, Refusal> {
    let from = saga.progress.data.notification.unwrap_or(NotificationStatus::Pending);
    Ok(vec![Change::RecordNotification {
        from: Some(from),
        notification: row(saga, NotificationStatus::Sent),
    }])
}

/// Nobody tries to send it any more, unless an operator says so.
fn failed(saga: &mut Saga) -> Vec<Change> {
    let to = NotificationStatus::Failed;
    let from = saga.progress.data.notification.replace(to).unwrap_or(NotificationStatus::Pending);
    if from == to {
        return vec![];
    }
    vec![Change::RecordNotification { from: Some(from), notification: row(saga, to) }]
}

fn row(saga: &Saga, status: NotificationStatus) -> Notification {
    let notice = notice(saga);
    Notification { saga: saga.id, notice: notice.notice, channel: notice.channel.clone(), status }
}

fn notice(saga: &Saga) -> &Notice {
    match &*saga.context {
        Context::Notice(notice) => notice,
        Context::Checkout(_)
        | Context::Cancellation(_)
        | Context::LateRefund(_)
        | Context::PartialRefund(_) => {
            panic!("saga {} runs a notification without being one", saga.id)
        }
    }
}
