//! The controller: holds the plan, hands tiles out to workers, and writes what comes back.

mod book;
mod control;
mod failure;
pub mod fleet;
mod plan;
mod ranges;
mod reduce;
mod report;
mod run;
mod schedule;
mod threads;
mod writer;

pub use control::{Control, Progress};
pub use failure::Failure;
pub use plan::Plan;
pub use report::{Job, Report, Stages};
pub use run::run;
