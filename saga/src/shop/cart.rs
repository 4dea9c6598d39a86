//! A cart before its checkout: opened, filled, merged, priced, given up. All under its lock.
//!
//! A guest's cart belongs to whoever knows its id. The first customer who touches it keeps it: from
//! then on nobody else can see it.

mod edit;
mod merge;
mod price;

pub use edit::{LINES_MAX, QUANTITY_MAX, Refused, discard, open, put_item, remove_item, visible};
pub(crate) use edit::{adopt, check_lines, check_quantity, held, own};
pub use merge::merge;
pub use price::{Priced, PricedLine, priced};
