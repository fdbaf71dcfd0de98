//! Why an ECS task stopped, in words, and what the user can do about it.

use aws_sdk_ecs::types::Task;
use types::exit;

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

/// The task's part in its job, on which the advice depends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    /// The controller of a job that was left to AWS.
    Controller,
    /// A worker.
    Worker {
        /// Where it found its ticket.
        ticket: &'a str,
        /// The controller's addresses in that ticket.
        addresses: &'a [String],
        /// Whether it ran on an instance of the job's.
        on_ec2: bool,
    },
}

/// What became of a task: one line.
pub(super) fn why(said: Said<'_>, of: Of<'_>) -> String {
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
    let stopped_by_us = code == "UserInitiated";
    if let Some(advice) = by_exit(exit, of).or_else(|| by_text(&text, exit.filter(|_| !stopped_by_us), of)) {
        text.push_str(&format!(" ({advice})"));
    }
    text
}

/// The advice for a task that ran and did not connect in time.
pub(super) fn unheard(addresses: &[String]) -> String {
    format!(
        "can it reach the controller at {}? open that port for the workers' security group, or set `advertise`; tilefn \
         submit --detach needs neither",
        addresses.join(" or ")
    )
}

/// The advice for a worker that said itself why it ended, by its exit code.
fn by_exit(exit: Option<i32>, of: Of<'_>) -> Option<String> {
    let Of::Worker { ticket, addresses, .. } = of else { return None };
    Some(match u8::try_from(exit?).ok()? {
        exit::TICKET => format!("it can't read its ticket: `task_role_arn` needs s3:GetObject on {ticket}"),
        exit::UNREACHABLE => unheard(addresses),
        exit::REFUSED => format!(
            "the controller at {} refused it: build `image` from this version of tilefn, with GDAL for reads = \"worker\"",
            addresses.join(" or ")
        ),
        exit::MODULE => "it can't use the job's module: its log says why; Python functions need an image with their \
                         runtime, such as worker-python"
            .to_owned(),
        _ => return None,
    })
}

/// The advice for what AWS says. The order matters: most of these texts have a general beginning.
fn by_text(text: &str, exit: Option<i32>, of: Of<'_>) -> Option<String> {
    let says = |t: &str| text.contains(t);
    let says_any = |texts: &[&str]| texts.iter().any(|t| text.contains(t));
    let on_ec2 = matches!(of, Of::Worker { on_ec2: true, .. });
    let pull = says_any(&["CannotPullContainer", "CannotPullECRContainer", "CannotPullImage"]);
    let advice = if says("exec format error")
        || says_any(&["matching platform", "no matching manifest", "no match for platform"])
        || exit == Some(255) && says("platform")
    {
        "is `image` made for `cpu_architecture`?"
    } else if pull && says_any(&["toomanyrequests", "TooManyRequests", "pull rate limit", "Rate exceeded"]) {
        "the registry limits pulls: push the image to ECR, as docs/aws-start.md shows"
    } else if says("log group does not exist") {
        "make the log group that `log_group` names, in this region, or leave `log_group` away"
    } else if says_any(&["logger args", "logging driver", "CreateLogStream", "Cloudwatch log stream"]) {
        if on_ec2 {
            "the role of `instance_profile_arn` needs logs:CreateLogStream and logs:PutLogEvents on `log_group`"
        } else {
            "`execution_role_arn` needs logs:CreateLogStream and logs:PutLogEvents on `log_group`, and the subnet a way to \
             CloudWatch"
        }
    } else if pull && says_any(&["not found", "manifest unknown"]) {
        "is `image` right?"
    } else if pull || says("ResourceInitializationError") {
        "can the subnet reach the registry: `assign_public_ip`, a NAT gateway or VPC endpoints; may \
         `execution_role_arn` pull and write logs?"
    } else if says("OutOfMemory") || exit == Some(137) && !says("Host EC2") {
        if on_ec2 {
            "out of memory? set more `memory_reservation`, fewer `threads`, or larger `instance_types`"
        } else {
            "out of memory? set more `memory`, or fewer `threads`"
        }
    } else if says("unable to assume the role") {
        "does `task_role_arn` trust ecs-tasks.amazonaws.com?"
    } else {
        return None;
    };
    Some(advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(addresses: &[String], on_ec2: bool) -> Of<'_> {
        Of::Worker { ticket: "s3://b/tilefn/jobs/j/ticket.json", addresses, on_ec2 }
    }

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
            // Killed after its stop timeout.
            ("UserInitiated", "it did not connect in time", "", Some(137), "it did not connect in time, exit code 137"),
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
            assert_eq!(why(Said { code, reason, container, exit }, worker(&[], false)), expected);
        }
    }

    /// The texts are AWS's, as its users quote them.
    #[test]
    fn texts_that_begin_alike_get_the_advice_that_fits() {
        let advice = |reason: &str, on_ec2| {
            let text = why(Said { reason, ..Said::default() }, worker(&[], on_ec2));
            text.strip_prefix(reason).unwrap().to_owned()
        };
        let pull = "CannotPullContainerError: pull image manifest has been retried 5 time(s): ";
        let stream = "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to \
                      create Cloudwatch log stream: ";
        let driver = "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed to create \
                      Cloudwatch log stream: ";
        for (begins, ends, fargate, ec2) in [
            (
                pull,
                "image Manifest does not contain descriptor matching platform 'linux/arm64'",
                "cpu_architecture",
                None,
            ),
            (pull, "no matching manifest for linux/arm64/v8 in the manifest list entries", "cpu_architecture", None),
            (pull, "docker.io/x: no match for platform in manifest: not found", "cpu_architecture", None),
            (pull, "toomanyrequests: You have reached your pull rate limit.", "ECR", None),
            (pull, "429 Too Many Requests - Server message: toomanyrequests: Rate exceeded", "ECR", None),
            (
                stream,
                "ResourceNotFoundException: The specified log group does not exist. : exit status 1",
                "make the log group",
                None,
            ),
            (driver, "ResourceNotFoundException: The specified log group does not exist.", "make the log group", None),
            (
                driver,
                "AccessDeniedException: User is not authorized to perform: logs:CreateLogStream",
                "`execution_role_arn` needs logs:",
                Some("`instance_profile_arn` needs logs:"),
            ),
            (
                "OutOfMemoryError: Container killed due to ",
                "memory usage",
                "more `memory`,",
                Some("more `memory_reservation`"),
            ),
        ] {
            let reason = format!("{begins}{ends}");
            assert!(advice(&reason, false).contains(fargate), "{reason}: {}", advice(&reason, false));
            assert!(advice(&reason, true).contains(ec2.unwrap_or(fargate)), "{reason}: {}", advice(&reason, true));
        }
    }

    #[test]
    fn a_workers_exit_code_says_what_it_could_not_do() {
        let addresses = ["10.0.0.1:7400".to_owned(), "[fd00::1]:7400".to_owned()];
        let ended = |exit, of| why(Said { exit: Some(exit), ..Said::default() }, of);
        for (exit, advice) in [
            (10, "it can't read its ticket: `task_role_arn` needs s3:GetObject on s3://b/tilefn/jobs/j/ticket.json"),
            (11, "can it reach the controller at 10.0.0.1:7400 or [fd00::1]:7400? "),
            (12, "the controller at 10.0.0.1:7400 or [fd00::1]:7400 refused it: "),
            (13, "it can't use the job's module: "),
        ] {
            let text = ended(exit, worker(&addresses, false));
            assert!(text.starts_with(&format!("exit code {exit} ({advice}")), "{text}");
            assert_eq!(ended(exit, Of::Controller), format!("exit code {exit}"), "a worker's codes");
        }
        assert_eq!(ended(1, worker(&addresses, true)), "exit code 1");
    }
}
