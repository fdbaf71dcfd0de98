//! What has become of a job's tasks: looks at those that aren't connected, and strikes off those that won't come.

use super::{Member, Tasks};
use crate::error::AwsError;
use crate::fleets::backoff::Pauses;
use crate::fleets::clients::PAGE;
use crate::fleets::last_words::{last_words, quoted, stream};
use crate::fleets::request::{Role, TaskSettings};
use crate::fleets::stopped::{Of, Said, unheard, why};
use aws_sdk_ecs::types::Task;
use controller::Ended;
use job::spec::Spot;
use std::collections::HashSet;
use tokio::time::Instant;
use types::exit;

impl Tasks {
    /// What became of a task whose worker was lost just now; none if ECS doesn't say so in time.
    pub async fn why(&self, task: &str) -> Option<String> {
        if let Some(ended) = self.usage.ended.iter().find(|ended| ended.task == task) {
            return Some(ended.why.clone());
        }
        let cluster = self.ledger.cluster.as_ref()?;
        let (deadline, mut pauses) = (Instant::now() + self.clients.pace.settle, Pauses::up_to(self.clients.pace.poll));
        loop {
            let answer = self.clients.ecs.describe_tasks().cluster(&cluster.name).tasks(task).send().await.ok()?;
            if let Some(task) = answer.tasks().first().filter(|t| is_ending(t)) {
                return Some(why(Said::of(task), self.of()));
            }
            if Instant::now() >= deadline {
                return None;
            }
            pauses.pause().await;
        }
    }

    /// Asks ECS about the tasks that aren't connected, and strikes off those that have stopped.
    pub(super) async fn look(&mut self, connected: &HashSet<String>) {
        let absent: Vec<_> = self.tasks.keys().filter(|t| !connected.contains(*t)).cloned().collect();
        let Some(cluster) = self.ledger.cluster.clone() else { return };
        for page in absent.chunks(PAGE) {
            let request = self.clients.ecs.describe_tasks().cluster(&cluster.name).set_tasks(Some(page.to_vec()));
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(e) => {
                    // Nothing is known anew; a task that is gone is found by a later look, or its start timeout.
                    tracing::warn!("{}", AwsError::of("look at the tasks", e));
                    return;
                }
            };
            for task in answer.tasks() {
                let arn = task.task_arn().unwrap_or_default();
                if is_ending(task) {
                    self.ledger.tasks.remove(arn);
                    let said = Said::of(task);
                    let why = why(said, self.of());
                    self.strike_off(arn, &why, is_blameless(said));
                    if said.exit == Some(exit::MODULE.into()) {
                        self.trouble.useless = self.trouble.useless.saturating_add(1);
                        self.trouble.last = Some(format!("task {arn}: {why}"));
                    }
                } else if let Some(member) = self.tasks.get_mut(arn) {
                    member.status = task.last_status().unwrap_or_default().to_owned();
                }
            }
            for missing in answer.failures().iter().filter(|f| f.reason() == Some("MISSING")) {
                // A task just accepted may be unknown for a while.
                let arn = missing.arn().unwrap_or_default();
                if self.tasks.get(arn).is_some_and(|m| m.seen.elapsed() >= self.clients.pace.settle) {
                    self.ledger.tasks.remove(arn);
                    self.strike_off(arn, "ECS does not know it any more", false);
                }
            }
        }
    }

    /// What the job's tasks are, for advice.
    fn of(&self) -> Of<'_> {
        let ticket = match &self.common.role {
            Role::Worker { ticket } => ticket,
            Role::Controller { .. } => return Of::Controller,
        };
        Of::Worker { ticket, addresses: &self.addresses, on_ec2: matches!(self.kind, TaskSettings::Ec2(_)) }
    }

    /// Adds to the last trouble what the task had logged. One task a round is enough: they mostly fail alike.
    pub(super) async fn read_last_words(&mut self) {
        let (Some(task), Some(group)) = (self.trouble.unread.take(), self.kind.ecs().log_group.clone()) else { return };
        if self.trouble.no_log {
            return;
        }
        let stream = stream(&self.common.name, self.common.role.container(), &task);
        match last_words(&self.clients, &group, &stream).await {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                tracing::warn!("worker task {task}{}", quoted(&lines));
                self.trouble.last.iter_mut().for_each(|last| last.push_str(&quoted(&lines)));
            }
            Err(e) => {
                tracing::warn!("{e}");
                self.trouble.no_log = true;
            }
        }
    }

    /// Stops the tasks that did not connect in time: one in a hundred hangs on its way for ever.
    pub(super) async fn stop_overdue(&mut self, connected: &HashSet<String>) {
        let timeout = self.limits.start_timeout;
        let overdue = |(task, member): (&String, &Member)| {
            (!connected.contains(task) && member.seen.elapsed() >= timeout).then(|| task.clone())
        };
        let Some(cluster) = self.ledger.cluster.clone() else { return };
        for task in self.tasks.iter().filter_map(overdue).collect::<Vec<_>>() {
            let request = self.clients.ecs.stop_task().cluster(&cluster.name).task(&task);
            match request.reason("it did not connect in time").send().await {
                Ok(_) => {
                    let status = self.tasks.get(&task).map_or("", |member| &member.status);
                    let text = format!("not connected for {} s", timeout.as_secs());
                    let text = match status {
                        "" => text,
                        // Before that its network interface and image are still under way.
                        "RUNNING" => format!("{text}, although it runs ({})", unheard(&self.addresses)),
                        status => format!("{text}; ECS says {status}"),
                    };
                    self.strike_off(&task, &text, false);
                }
                Err(e) => tracing::warn!("{}", AwsError::of(format!("stop task {task}"), e)),
            }
        }
    }

    /// Takes a task that has ended off the list. A `blameless` one says nothing about image, roles and network.
    fn strike_off(&mut self, task: &str, why: &str, blameless: bool) {
        let Some(member) = self.tasks.shift_remove(task) else { return };
        self.usage = member.counted(std::mem::take(&mut self.usage));
        let text = if member.connected { why.to_owned() } else { format!("before it connected: {why}") };
        if member.connected {
            tracing::info!("worker task {task} left: {why}");
        } else {
            tracing::warn!("worker task {task} ended before it connected: {why}");
            self.trouble.last = Some(format!("task {task} ended before it connected: {why}"));
            if !blameless {
                self.trouble.unread = Some(task.to_owned());
                self.trouble.failed_starts = self.trouble.failed_starts.saturating_add(1);
                self.wait_a_while(self.trouble.failed_starts);
            } else if member.spot && self.kind.ecs().spot == Spot::Prefer {
                self.rest_from_spot();
            } else {
                self.trouble.refusals = self.trouble.refusals.saturating_add(1);
                self.wait_a_while(self.trouble.refusals);
            }
        }
        self.usage.ended.push(Ended { task: task.to_owned(), why: text, connected: member.connected });
    }
}

/// Whether a task has stopped, or is on its way there and has a reason: it will not come back, so why wait for its end.
fn is_ending(task: &Task) -> bool {
    let told = task.desired_status() == Some("STOPPED") && task.stopped_reason().is_some_and(|r| !r.is_empty());
    told || task.last_status() == Some("STOPPED")
}

/// Whether AWS took away, or never had, what the task was to run on: no fault of its image, its roles or its network.
fn is_blameless(said: Said<'_>) -> bool {
    let says = |text: &str| said.reason.contains(text);
    said.code == "SpotInterruption" || says("Spot interruption") || says("Capacity is unavailable") || says("Host EC2")
}
