//! Lines for the run's log.

use alloc::string::ToString;
use core::fmt::Display;

use tilefn_abi::Report;

use crate::abi::report::report;

/// A line for the log: `log::info(format_args!("{n} fields"))`.
pub fn info(text: impl Display) {
    report(Report::Info, &text.to_string());
}

/// A warning, for the log and the run's report.
pub fn warn(text: impl Display) {
    report(Report::Warning, &text.to_string());
}
