//! The controller: holds the plan, hands tiles out to workers, and writes what comes back.

mod book;
mod changes;
mod control;
mod conversation;
mod external;
mod failure;
pub mod fleet;
mod journal;
mod plan;
mod process;
mod processes;
mod ranges;
mod reading;
mod reduce;
pub mod remote;
mod report;
mod run;
mod schedule;
mod server;
mod status;
mod threads;
mod watch;
mod writer;

#[cfg(test)]
mod liveness;

pub use control::{Control, Progress};
pub use external::External;
pub use failure::Failure;
pub use fleet::{Fleet, FleetError, Roll};
pub use journal::{Journal, JournalError};
pub use plan::Plan;
pub use processes::Processes;
pub use report::{Ended, Job, Report, Stages, Usage};
pub use run::run;
pub use status::Status;
pub use watch::Watch;
