//! Whether a job without enough workers may still hope for more.

use std::time::Duration;

/// Start failures in a row, with no worker ever connected in between, after which more of the same is pointless.
const HOPELESS: u32 = 3;

/// What decides whether a job without enough workers may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// Workers that are connected.
    pub present: u32,
    /// Tasks that may still become workers.
    pub starting: u32,
    pub needed: u32,
    pub short_for: Duration,
    pub patience: Duration,
    pub failed_starts: u32,
    pub fatal: bool,
}

impl Outlook {
    /// Why the job must end, if it must.
    pub fn problem(self) -> Option<String> {
        let Self { present, starting, needed, short_for, patience, failed_starts, fatal } = self;
        if present == 0 && starting == 0 && fatal {
            Some("no worker can be started".to_owned())
        } else if present == 0 && failed_starts >= HOPELESS && failed_starts > starting {
            Some(format!("{failed_starts} worker tasks in a row ended before they connected"))
        } else if present < needed && short_for >= patience {
            Some(format!(
                "only {present} workers instead of at least {needed} (`min_count`) for {:.0} s",
                short_for.as_secs_f64()
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_goes_on_as_long_as_there_is_hope() {
        let s = Duration::from_secs;
        let good = Outlook {
            present: 2,
            starting: 0,
            needed: 2,
            short_for: s(0),
            patience: s(900),
            failed_starts: 0,
            fatal: false,
        };
        for (outlook, problem) in [
            (good, None),
            // Workers that are there go on, whatever AWS says to more.
            (Outlook { fatal: true, failed_starts: 50, ..good }, None),
            (Outlook { present: 0, starting: 1, fatal: true, ..good }, None),
            (Outlook { present: 0, fatal: true, ..good }, Some("no worker can be started")),
            (Outlook { present: 0, starting: 4, failed_starts: 4, ..good }, None),
            (
                Outlook { present: 0, starting: 4, failed_starts: 5, ..good },
                Some("5 worker tasks in a row ended before they connected"),
            ),
            (Outlook { present: 1, short_for: s(899), ..good }, None),
            (
                Outlook { present: 1, short_for: s(900), ..good },
                Some("only 1 workers instead of at least 2 (`min_count`) for 900 s"),
            ),
        ] {
            assert_eq!(outlook.problem().as_deref(), problem, "{outlook:?}");
        }
    }
}
