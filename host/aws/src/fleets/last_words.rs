//! The last lines of a task's log in CloudWatch: a worker that never connected can tell its controller nothing else.

use super::clients::Clients;
use crate::error::{AwsError, Cause};
use types::text;

/// Lines that are shown.
const LINES: i32 = 5;
/// Characters of each line.
const LONGEST: usize = 400;

/// Where the awslogs driver puts the lines of one of a job's containers: `name` is the prefix that its task definition has.
pub(super) fn stream(name: &str, container: &str, task: &str) -> String {
    format!("{name}/{container}/{}", task.rsplit('/').next().unwrap_or_default())
}

/// The last lines of the log, the oldest first; none if the container never said anything.
pub(super) async fn last_words(clients: &Clients, group: &str, stream: &str) -> Result<Vec<String>, AwsError> {
    let request = clients.logs.get_log_events().log_group_name(group).log_stream_name(stream);
    let answer = request.start_from_head(false).limit(LINES).send().await;
    match answer.map_err(|e| AwsError::of(format!("read the log {stream} in {group}"), e)) {
        Ok(page) => Ok(page.events().iter().filter_map(|event| event.message()).map(short).collect()),
        Err(AwsError { cause: Cause::Gone, .. }) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

fn short(line: &str) -> String {
    text::line(line.trim_end()).chars().take(LONGEST).collect()
}

/// Lines as they follow a message.
pub(super) fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("; its log ends with:\n  {}", lines.join("\n  "))
}
