//! Modules for wasm32, made by rustc and clang, run by an interpreter that plays the host.
#![cfg(test)]
#![expect(clippy::cast_possible_truncation, reason = "a module's memory has 32-bit addresses")]
#![expect(clippy::cast_sign_loss, reason = "the ABI passes signed values by their bits")]

mod c;
mod host;
mod rust;
mod template;
