//! The error that ends a command.

/// An error that ends the program: its text, and the exit code that design and docs promise.
#[derive(Debug)]
pub struct Fatal {
    /// 1: the job failed; 2: the job or the arguments are wrong; 3: something that the job needs is not to be had.
    pub code: u8,
    /// For people; empty where the command's result says it all.
    pub text: String,
    /// For `--json`.
    pub detail: Option<serde_json::Value>,
}

impl Fatal {
    /// The job failed.
    pub fn failed(text: impl ToString) -> Self {
        Self { code: 1, text: text.to_string(), detail: None }
    }

    /// Something that the job needs is unavailable.
    pub fn infrastructure(text: impl ToString) -> Self {
        Self { code: 3, text: text.to_string(), detail: None }
    }

    /// The job file or the arguments are wrong.
    pub fn usage(text: impl ToString) -> Self {
        Self { code: 2, text: text.to_string(), detail: None }
    }
}
