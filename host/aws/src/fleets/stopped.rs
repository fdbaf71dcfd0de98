//! Why an ECS task stopped, in words, and what the user can do about it.

use aws_sdk_ecs::types::Task;

/// ECS's fields about a stopped task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub code: &'a str,
    pub reason: &'a str,
    pub container: &'a str,
    pub exit: Option<i32>,
}

impl<'a> Said<'a> {
    pub fn of(task: &'a Task) -> Self {
        let container = task.containers().first();
        Self {
            code: task.stop_code().map_or("", |c| c.as_str()),
            reason: task.stopped_reason().unwrap_or_default(),
            container: container.and_then(|c| c.reason()).unwrap_or_default(),
            exit: container.and_then(|c| c.exit_code()),
        }
    }
}

/// What became of a task: one line.
pub(super) fn why(said: Said<'_>) -> String {
    let Said { code, reason, container, exit } = said;
    if exit == Some(0) {
        return "finished".to_owned();
    }
    if code == "SpotInterruption" || reason.contains("Spot interruption") {
        return "AWS took its Spot capacity back".to_owned();
    }
    let mut text = match (reason, container) {
        ("", "") => code.to_owned(),
        // ECS's filler for "its container ended"; the container's own reason and exit code say more.
        (r, "") if r.starts_with("Essential container in task exited") => String::new(),
        (r, c) if c.is_empty() || r.contains(c) => r.to_owned(),
        (r, c) if r.is_empty() || r.starts_with("Essential container in task exited") => c.to_owned(),
        (r, c) => format!("{r}: {c}"),
    };
    if let Some(exit) = exit.filter(|exit| !text.to_ascii_lowercase().ends_with(&format!("exit code {exit}"))) {
        let comma = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!("{comma}exit code {exit}"));
    }
    if text.is_empty() {
        text.push_str("stopped");
    }
    if let Some(advice) = advice(&text, exit) {
        text.push_str(&format!(" ({advice})"));
    }
    text
}

fn advice(text: &str, exit: Option<i32>) -> Option<&'static str> {
    let says = |t: &str| text.contains(t);
    if says("CannotPullContainer") && (says("not found") || says("manifest unknown")) {
        Some("is `image` right?")
    } else if says("CannotPullContainer") || says("ResourceInitializationError") || says("CannotPullECRContainer") {
        Some(
            "can the subnet reach the registry: `assign_public_ip`, a NAT gateway or VPC endpoints; may \
             `execution_role_arn` pull and write logs?",
        )
    } else if says("exec format error") || exit == Some(255) && says("platform") {
        Some("is `image` made for `cpu_architecture`?")
    } else if says("OutOfMemory") || exit == Some(137) && !says("Host EC2") {
        Some("out of memory? set more `memory`, or fewer `threads`")
    } else if says("unable to assume the role") {
        Some("does `task_role_arn` trust ecs-tasks.amazonaws.com?")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_stop_has_its_words() {
        let essential = "Essential container in task exited";
        for (code, reason, container, exit, expected) in [
            ("EssentialContainerExited", essential, "", Some(0), "finished"),
            ("EssentialContainerExited", essential, "", Some(3), "exit code 3"),
            ("EssentialContainerExited", essential, "Exit code 3", Some(3), "Exit code 3"),
            (
                "EssentialContainerExited",
                essential,
                "OutOfMemoryError: killed",
                Some(137),
                "OutOfMemoryError: killed, exit code 137 (out of memory? set more `memory`, or fewer `threads`)",
            ),
            ("SpotInterruption", "Your Spot Task was interrupted.", "", Some(143), "AWS took its Spot capacity back"),
            (
                "TaskFailedToStart",
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): docker.io/x: not found",
                "",
                None,
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): docker.io/x: not found (is `image` right?)",
            ),
            (
                "TaskFailedToStart",
                "CannotPullContainerError: i/o timeout",
                "",
                None,
                "CannotPullContainerError: i/o timeout (can the subnet reach the registry: `assign_public_ip`, a NAT gateway or VPC \
              endpoints; may `execution_role_arn` pull and write logs?)",
            ),
            (
                "TaskFailedToStart",
                "Timeout waiting for network interface provisioning to complete.",
                "",
                None,
                "Timeout waiting for network interface provisioning to complete.",
            ),
            (
                "",
                "Host EC2 (instance i-1) terminated.",
                "",
                Some(137),
                "Host EC2 (instance i-1) terminated., exit code 137",
            ),
            ("UserInitiated", "", "", None, "UserInitiated"),
            ("", "", "", None, "stopped"),
        ] {
            assert_eq!(why(Said { code, reason, container, exit }), expected);
        }
    }
}
