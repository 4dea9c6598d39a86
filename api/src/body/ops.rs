//! What those who run Holdfast see: the same on the command line and over HTTP.

pub mod audit;
pub mod dead;
pub mod queue;
pub mod saga;
pub mod worker;
