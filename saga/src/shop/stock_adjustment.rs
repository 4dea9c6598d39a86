//! Moving a stock level by hand: under its lock, with a reason that is kept for ever.

use holdfast_shared::Sku;

use crate::ports::{Store, StoreError};
use crate::records::batch_rows::{Footprint, World};
use crate::records::context::Dedupe;
use crate::records::{AdminAction, Stock, StockAdjustment, StockMove, Versions};

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
    /// The key it is asked for under, if there is one. Asked again under the same one, it is the same adjustment.
    pub dedupe: Option<Dedupe>,
}

/// A level that was moved, now or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjusted {
    /// The level as it is now.
    pub level: Stock,
    /// Its [`version`].
    pub version: String,
    /// Whether it was moved by an earlier request with the same key.
    pub replayed: bool,
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
    /// The key was used for something else.
    #[error("this Idempotency-Key was used for another adjustment of {0}; use a new key for a new one")]
    KeyReused(Sku),
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

/// Tells one level from every other one that there was or will be. What is reserved moves with every order, and does not
/// count.
pub fn version(versions: Versions) -> String {
    format!("s{}", versions.stock)
}

/// Moves a level, and answers with what it is now.
///
/// Holds after `Ok(Ok(_))`: the level, its reason and the trace in the audit trail are committed, all of
/// them, once for each key. Any error means that nothing was written, [`StoreError::CommitUnknown`] excepted: asking again
/// under the same key then finds out.
pub async fn adjust(store: &dyn Store, asked: &Adjust) -> Result<Result<Adjusted, Refused>, StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    let sku = asked.sku.clone();
    tx.load(&Footprint { stock: vec![sku.clone()], ..Footprint::default() }, &mut world).await?;
    // Read once the lock is held: what somebody else did before is seen.
    let request_keys = asked.dedupe.iter().map(|dedupe| dedupe.key).collect();
    let seen = Footprint { versions: vec![sku.clone()], request_keys, ..Footprint::default() };
    tx.load(&seen, &mut world).await?;
    let versions = world.versions.get(&sku).copied().unwrap_or_default();
    if let (Some(dedupe), Some(level)) = (asked.dedupe, world.stock.get(&sku)) {
        match world.request_keys.get(&dedupe.key) {
            Some(body) if *body == dedupe.body => {
                return Ok(Ok(Adjusted { level: *level, version: version(versions), replayed: true }));
            }
            Some(_) => return Ok(Err(Refused::KeyReused(sku))),
            None => world.writes.request_keys.push(dedupe),
        }
    }
    let level = match judge(world.stock.get(&sku), versions, asked) {
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
    let versions = Versions { stock: versions.stock + 1, ..versions };
    Ok(Ok(Adjusted { level, version: version(versions), replayed: false }))
}

fn judge(level: Option<&Stock>, versions: Versions, asked: &Adjust) -> Result<Stock, Refused> {
    let (sku, delta) = (asked.sku.clone(), asked.delta);
    let Some(level) = level.copied() else {
        return Err(Refused::UnknownSku(sku));
    };
    if asked.expect.as_ref().is_some_and(|expected| *expected != version(versions)) {
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
            dedupe: None,
        };
        let judged = judge(level.as_ref(), Versions::default(), &asked);
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
        let judged = |version_now: i64| {
            let seen = Versions { stock: 7, product: 1 };
            let asked = Adjust {
                sku: "cd-1".parse().expect("a SKU"),
                delta: 1,
                reason: "counted".to_owned(),
                actor: "otto".to_owned(),
                expect: Some(version(seen)),
                dedupe: None,
            };
            judge(Some(&LEVEL), Versions { stock: version_now, ..seen }, &asked)
        };
        assert_eq!(judged(7).map(|level| level.on_hand), Ok(6));
        // Also one that came back to the same number of pieces.
        assert_eq!(judged(9).map_err(|refused| matches!(refused, Refused::Changed { .. })), Err(true));
    }
}
