//! Exit codes of `tilefn worker`. The rest of the program uses 0 to 3 and 130, as `docs/cli.md` has them.
//!
//! A worker that never connected can't tell its controller why. Its exit code is what ECS keeps of it.

/// The job failed, or this worker's part of it.
pub const FAILED: u8 = 1;
/// The connection to the controller broke in a way that connecting again does not cure.
pub const INFRASTRUCTURE: u8 = 3;
/// The ticket can't be read, or has expired.
pub const TICKET: u8 = 10;
/// No controller answers at the ticket's addresses.
pub const UNREACHABLE: u8 = 11;
/// The controller and this worker don't agree: refused, another version, another job.
pub const REFUSED: u8 = 12;
/// The job's module can't be used.
pub const MODULE: u8 = 13;
