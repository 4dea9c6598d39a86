//! Moving a stock level by hand: under its lock, with a reason that is kept for ever.

use holdfast_shared::Sku;

use crate::ports::{Store, StoreError};
use crate::records::batch_rows::{Footprint, World};
use crate::records::{AdminAction, Stock, StockAdjustment, StockMove};
use crate::shop::checkout::digest;

/// A shelf with more pieces than this is a typing error.
pub const ON_HAND_MAX: i64 = 1_000_000_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjust {
    /// The product.
    pub sku: Sku,
    /// Pieces to add, or to take when negative.
    pub delta: i64,
    /// The reason, as it was given.
    pub reason: String,
    /// Who did it, for the audit trail.
    pub actor: String,
    /// The [`version`] of the level as they saw it, if they insist on that.
    pub expect: Option<String>,
}

/// Why a level was not moved. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such level.
    #[error("{0} has no stock level; `holdfast stock show` lists those that do")]
    UnknownSku(Sku),
    /// Somebody else moved it first.
    #[error("{sku} has {} on hand now, another number was expected; look again, then repeat what is still right",
        level.on_hand)]
    Changed {
        /// The product.
        sku: Sku,
        /// The level as it is.
        level: Stock,
    },
    /// Nothing would change.
    #[error("adjusting {0} by 0 changes nothing; say how many pieces came or went")]
    Nothing(Sku),
    /// Pieces that are promised would be missing.
    #[error(
        "{sku} has {} on hand, {} of them reserved for orders: {delta} would leave too few; \
         take at most {}, or cancel orders first",
        level.on_hand, level.reserved, level.on_hand - level.reserved
    )]
    BelowReserved {
        /// The product.
        sku: Sku,
        /// The level as it is.
        level: Stock,
        /// What was asked.
        delta: i64,
    },
    /// More than any shelf holds.
    #[error("{sku} has {on_hand} on hand, {delta} would make it more than {ON_HAND_MAX}; check the number")]
    TooMany {
        /// The product.
        sku: Sku,
        /// The level as it is.
        on_hand: i64,
        /// What was asked.
        delta: i64,
    },
}

/// Tells one level from the next one. What is reserved moves with every order, and is left out.
pub fn version(level: &Stock) -> String {
    digest(&[&level.on_hand.to_string()]).simple().to_string()
}

/// Moves a level, and answers with what it is now.
///
/// Holds after `Ok(Ok(_))`: the level, its reason and the trace in the audit trail are committed, all of
/// them. Any error means that nothing was written, [`StoreError::CommitUnknown`] excepted.
pub async fn adjust(store: &dyn Store, asked: &Adjust) -> Result<Result<Stock, Refused>, StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    let footprint = Footprint { stock: vec![asked.sku.clone()], ..Footprint::default() };
    tx.load(&footprint, &mut world).await?;
    let level = match judge(world.stock.get(&asked.sku), asked) {
        Ok(level) => level,
        Err(refused) => return Ok(Err(refused)),
    };
    let Adjust { sku, delta, reason, actor, .. } = asked.clone();
    world.writes.at = world.now;
    world.writes.stock.insert(sku.clone(), StockMove { on_hand: delta, reserved: 0 });
    world.writes.admin_actions.push(AdminAction {
        at: world.now,
        actor: actor.clone(),
        action: "stock.adjust".to_owned(),
        subject: format!("sku {sku}"),
        detail: format!("{delta:+}: {reason}"),
        order: None,
    });
    world.writes.adjustments.push(StockAdjustment { sku, delta, reason, actor, at: world.now });
    tx.save(&world.writes).await?;
    Ok(Ok(level))
}

fn judge(level: Option<&Stock>, asked: &Adjust) -> Result<Stock, Refused> {
    let (sku, delta) = (asked.sku.clone(), asked.delta);
    let Some(level) = level.copied() else {
        return Err(Refused::UnknownSku(sku));
    };
    if asked.expect.as_ref().is_some_and(|expected| *expected != version(&level)) {
        return Err(Refused::Changed { sku, level });
    }
    if delta == 0 {
        return Err(Refused::Nothing(sku));
    }
    let on_hand = level.on_hand.saturating_add(delta);
    if on_hand < level.reserved {
        return Err(Refused::BelowReserved { sku, level, delta });
    }
    if delta > 0 && on_hand > ON_HAND_MAX {
        return Err(Refused::TooMany { sku, on_hand: level.on_hand, delta });
    }
    Ok(Stock { on_hand, ..level })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Stock = Stock { on_hand: 5, reserved: 3 };

    fn check(level: Option<Stock>, delta: i64, expected: Result<i64, &str>) {
        let asked = Adjust {
            sku: "cd-1".parse().expect("a SKU"),
            delta,
            reason: "counted".to_owned(),
            actor: "otto".to_owned(),
            expect: None,
        };
        let judged = judge(level.as_ref(), &asked);
        let answer = judged.map(|level| level.on_hand).map_err(|refused| refused.to_string());
        assert_eq!(answer, expected.map_err(str::to_owned), "{level:?} {delta:+}");
    }

    #[test]
    fn a_level_moves_but_never_below_what_is_promised() {
        check(Some(LEVEL), 7, Ok(12));
        check(Some(LEVEL), -2, Ok(3));
        check(
            Some(LEVEL),
            -3,
            Err("cd-1 has 5 on hand, 3 of them reserved for orders: -3 would leave too few; \
                 take at most 2, or cancel orders first"),
        );
        check(
            Some(LEVEL),
            i64::MIN,
            Err(
                "cd-1 has 5 on hand, 3 of them reserved for orders: -9223372036854775808 would leave too few; \
                 take at most 2, or cancel orders first",
            ),
        );
        check(
            Some(LEVEL),
            i64::MAX,
            Err(
                "cd-1 has 5 on hand, 9223372036854775807 would make it more than 1000000000; check the number",
            ),
        );
        check(Some(LEVEL), 0, Err("adjusting cd-1 by 0 changes nothing; say how many pieces came or went"));
        check(None, 1, Err("cd-1 has no stock level; `holdfast stock show` lists those that do"));
    }

    #[test]
    fn a_level_that_somebody_else_moved_stays_as_it_is() {
        let judged = |level: Stock| {
            let asked = Adjust {
                sku: "cd-1".parse().expect("a SKU"),
                delta: 1,
                reason: "counted".to_owned(),
                actor: "otto".to_owned(),
                expect: Some(version(&LEVEL)),
            };
            judge(Some(&level), &asked)
        };
        let moved = Stock { on_hand: 6, ..LEVEL };
        assert_eq!(judged(moved).map_err(|refused| matches!(refused, Refused::Changed { .. })), Err(true));
        // An order that took its share in between is no reason to count again.
        assert_eq!(judged(Stock { reserved: 4, ..LEVEL }).map(|level| level.on_hand), Ok(6));
    }
}
