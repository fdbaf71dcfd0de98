//! What a job is planned from, and a plan in the making.

use super::survey::Survey;
use crate::{Loaded, Mistake, Mistakes};
use controller::Job;
use sandbox::{Description, Function};
use std::collections::BTreeSet;

/// What a job is planned from.
pub struct Planning<'a> {
    /// The job file.
    pub loaded: &'a Loaded,
    /// What its input files are.
    pub survey: &'a Survey,
    /// The function that it names.
    pub function: &'a Function,
    /// What is run, for the report.
    pub job: Job,
    /// Whether outputs that exist may be replaced.
    pub overwrite: bool,
    /// Whether folders of outputs that don't exist are made when the job is run.
    pub make_folders: bool,
    /// Outputs that an earlier run, which this one goes on with, has made.
    pub made: BTreeSet<String>,
    /// Compute threads on this machine.
    pub threads: usize,
    /// Tiles that are in work at the same time, on all workers.
    pub at_once: usize,
    /// Where the run's report will be written, if anywhere.
    pub report: Option<String>,
}

/// A plan in the making, with what was found wrong so far.
pub struct Draft<'a> {
    pub planning: &'a Planning<'a>,
    pub loaded: &'a Loaded,
    pub survey: &'a Survey,
    pub description: &'a Description,
    pub mistakes: Mistakes,
    pub warnings: Vec<String>,
}

impl Draft<'_> {
    /// Adds a mistake in what the job file says for a key.
    pub fn wrong(&mut self, key: impl Into<String>, message: impl Into<String>) -> &mut Mistake {
        let key = key.into();
        self.mistakes.add(self.loaded.position(&key), key, message)
    }

    /// Adds a mistake about a name in the job file that the function doesn't have.
    pub fn unknown(&mut self, section: &str, what: &str, name: &str, known: &[&str]) {
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!("the function {} has no {what} of this name", self.description.name);
        self.wrong(format!("{section}.{name}"), message).hint(format!("it has: {list}"));
    }
}
