//! The documentation is true: its links lead somewhere, its commands exist, its examples load, its tutorial runs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod commands;
mod dependencies;
mod examples;
mod gallery;
mod links;
mod new;
mod page;
mod recipes;
mod tutorial;
