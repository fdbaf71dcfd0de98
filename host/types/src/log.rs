//! What a function logs.

use serde::{Deserialize, Serialize};

/// One line of a function's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Whether it belongs among the warnings of the report, too; stdout and stderr never do.
    pub warning: bool,
    /// Free of control characters.
    pub text: String,
}
