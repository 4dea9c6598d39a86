//! A provider without idempotency keys: nothing may be sent to it twice.

use std::sync::Arc;

use holdfast_saga::ports::PaymentProvider;
use holdfast_test_till::{Till, Way};

use crate::chaos::Dice;
use crate::history::Rules;
use crate::simulation::{histories, play_many, rerun};

/// A till on a bad road, in the place of the sandbox.
fn till(dice: Arc<Dice>, mishaps: usize) -> Arc<dyn PaymentProvider> {
    let way = move || {
        if dice.mishap(mishaps) {
            [Way::Closed, Way::AnswerLost, Way::RequestLost][dice.below(3)]
        } else {
            Way::Clear
        }
    };
    Arc::new(Till::new("sandbox", way))
}

// M2, M4 and M6: what was sent and not answered is looked up; a refund that is nowhere is sent again only when the first
// one must have arrived.
#[test]
fn m6_no_history_moves_money_twice_at_a_provider_that_knows_no_keys() {
    let rules = Rules { provider: Some(till), ..Rules::honest() };
    if !rerun(&rules) {
        let (accepted, standing) = play_many(histories() / 5, &rules);
        assert!(standing * 10 > accepted, "{standing} of {accepted} orders stand");
    }
}
