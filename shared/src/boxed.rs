//! Futures that are compiled where they are written.

use std::pin::Pin;

/// What a crate's asynchronous entry point returns.
///
/// The body of an `async fn` is compiled in the crate that awaits it, with all that it calls, in every binary again. A
/// boxed one is compiled once, in its own crate and at its own level of optimisation: the command line's is a low one.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
