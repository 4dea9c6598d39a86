//! How many event streams may be open: each lasts up to an hour, so neither a caller nor an order may have any number.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_contract::problem::Code;
use holdfast_shared::OrderId;

use crate::caller_key::CallerKey;
use crate::problem::Problem;

/// Streams of one order that its buyers may have open: a few people with a few tabs each.
const PER_ORDER: usize = 16;
/// When a refused stream may be tried again: one that was left is noticed by then.
const RETRY_SECS: u64 = 30;

/// The streams that are open. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    open: Arc<Mutex<Open>>,
    per_caller: Option<NonZeroUsize>,
}

#[derive(Debug, Default)]
struct Open {
    by_caller: HashMap<CallerKey, usize>,
    by_order: HashMap<OrderId, usize>,
}

/// A stream that counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    open: Arc<Mutex<Open>>,
    caller: Option<CallerKey>,
    order: Option<OrderId>,
}

impl Streams {
    pub(crate) fn new(per_caller: Option<NonZeroUsize>) -> Self {
        Self { open: Arc::default(), per_caller }
    }

    /// A place for one more stream of `caller`; `order` is counted as well, unless it is none of a buyer's.
    pub(crate) fn enter(
        &self,
        caller: Option<CallerKey>,
        order: Option<OrderId>,
    ) -> Result<StreamPlace, Problem> {
        let refused =
            |detail: String| Err(Problem::new(Code::TooManyStreams, detail).retry_after(RETRY_SECS));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller =
            caller.as_ref().and_then(|caller| open.by_caller.get(caller).copied()).unwrap_or_default();
        if let Some(most) = self.per_caller.filter(|most| of_caller >= most.get()) {
            return refused(format!("this caller has {most} event streams open; close one of them"));
        }
        let of_order = order.and_then(|order| open.by_order.get(&order).copied()).unwrap_or_default();
        if of_order >= PER_ORDER {
            return refused(format!("this order has {PER_ORDER} event streams open; close one of them"));
        }
        if let Some(caller) = &caller {
            *open.by_caller.entry(caller.clone()).or_default() += 1;
        }
        if let Some(order) = order {
            *open.by_order.entry(order).or_default() += 1;
        }
        Ok(StreamPlace { open: Arc::clone(&self.open), caller, order })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = self.caller.take() {
            leave(&mut open.by_caller, caller);
        }
        if let Some(order) = self.order {
            leave(&mut open.by_order, order);
        }
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Option<CallerKey> {
        Some(CallerKey::Sub(name.to_owned()))
    }

    #[test]
    fn f27_neither_a_caller_nor_an_order_has_any_number_of_streams() {
        let streams = Streams::new(NonZeroUsize::new(3));
        let order = |number| Some(OrderId::new(number));
        let open: Vec<_> =
            (1..=3).map(|number| streams.enter(caller("ada"), order(number)).expect("may")).collect();
        let refused = streams.enter(caller("ada"), order(4)).expect_err("one too many");
        assert!(format!("{refused:?}").contains("this caller has 3 event streams"), "{refused:?}");
        let of_order: Vec<_> = (1..PER_ORDER)
            .map(|number| streams.enter(caller(&number.to_string()), order(1)).expect("may"))
            .collect();
        let refused = streams.enter(caller("bob"), order(1)).expect_err("one too many");
        assert!(format!("{refused:?}").contains("this order has 16 event streams"), "{refused:?}");
        assert!(streams.enter(caller("op"), None).is_ok(), "who runs the shop looks at any order");
        drop((open, of_order));
        let open = streams.open.lock().expect("nobody panicked");
        assert!(open.by_caller.is_empty() && open.by_order.is_empty());
    }
}
