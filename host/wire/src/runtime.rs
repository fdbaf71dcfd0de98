//! Async runtimes for connections.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use tokio::runtime::{Builder, Runtime};

/// The runtime that `builder` describes.
///
/// # Errors
/// When the system gives no thread. tokio panics then; the panic is caught, and its message suppressed.
pub fn build(builder: &mut Builder) -> io::Result<Runtime> {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
    set_hook(hook);
    built.unwrap_or_else(|_| Err(io::Error::other("the system gives no more threads")))
}
