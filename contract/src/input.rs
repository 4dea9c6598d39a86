//! Reading what callers send: all faults at once, each with its place.
//!
//! A type that callers send implements [`Read`], mostly by the macro `read_fields`. A field that it does not name is a
//! fault: nothing is ignored. The parameters of a query are read as the fields of an object of texts.

#[macro_use]
mod fields;
mod fault;
mod leaves;
mod read;

pub use self::fault::{At, Fault, Faults, Place};
pub use self::leaves::{choice, parsed};
pub use self::read::{Fields, Nothing, Read};

#[cfg(test)]
mod tests;
