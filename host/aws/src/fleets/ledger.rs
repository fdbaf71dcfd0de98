//! What has been made on AWS for a job, noted before it is made, and undone whatever fails.
//!
//! A note says what *may* exist. So an answer that was lost, or a future that was dropped in the middle of a call, leaves
//! nothing behind: undoing looks for the thing by its name or tag and takes "there is none" for success.

use super::backoff::{Pauses, Step};
use super::clients::{Clients, PAGE};
use super::tags;
use crate::error::{AwsError, Cause};
use aws_sdk_ecs::types::TaskDefinitionStatus;
use std::collections::BTreeSet;
use tokio::task::JoinSet;
use tokio::time::Instant;
#[cfg(feature = "ec2")]
use tokio::time::sleep;

/// Task definitions that one call deletes.
const DELETE_PAGE: usize = 10;

/// Calls at the same time where there are many to make.
const AT_ONCE: usize = 10;

/// The cluster that a job's tasks run in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Name or ARN.
    pub name: String,
    /// Whether it was made for the job.
    pub ours: bool,
}

/// What may exist on AWS because of one job.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The job's id.
    pub job: String,
    /// Whether there is a ticket.
    pub ticket: bool,
    /// The cluster with the job's tasks, and container instances if any.
    pub cluster: Option<Cluster>,
    /// The family of the job's task definition.
    pub family: Option<String>,
    /// Whether the job's controller may be a task as well, which goes with the others.
    pub controller: bool,
    /// Tasks known by ARN; there may be others, which ECS lists by what started them.
    pub tasks: BTreeSet<String>,
    /// Whether EC2 instances were asked for.
    pub instances: bool,
    /// Instances known by id; there may be others, which EC2 lists by tag.
    pub instance_ids: BTreeSet<String>,
    /// When something was last asked for without an answer yet: AWS's lists may not show it at once.
    pub(super) unanswered: Option<Instant>,
    /// When tasks were last accepted.
    pub(super) accepted: Option<Instant>,
}

impl Ledger {
    /// A ledger with nothing in it.
    pub fn new(job: &str) -> Self {
        Self { job: job.to_owned(), ..Self::default() }
    }

    /// Whether nothing is left to remove.
    pub fn is_empty(&self) -> bool {
        !self.ticket && self.cluster.is_none() && self.family.is_none() && !self.instances
    }

    /// Removes everything, in the order that AWS needs. Each step is tried whatever became of those before it; what is
    /// removed leaves the ledger, so this can be called again. Returns what could not be removed and why.
    pub async fn undo(&mut self, clients: &Clients) -> Vec<String> {
        let mut failed = Vec::new();
        if self.ticket {
            // First, so that no more workers can join.
            match clients.store.delete_ticket(&self.job).await {
                Ok(()) => self.ticket = false,
                Err(e) => failed.push(e.to_string()),
            }
        }
        if let Some(cluster) = self.cluster.clone() {
            // Only a cluster or an instance that is to go has to be empty; a controller on AWS may have little time.
            let wait = cluster.ours || self.instances;
            let tasks = self.stop_tasks(clients, &cluster.name, wait).await;
            let instances = self.remove_instances(clients, Some(&cluster.name)).await;
            let mut gone = tasks.is_ok() && instances.is_ok();
            failed.extend([tasks, instances].into_iter().filter_map(Result::err).map(|e| e.to_string()));
            if cluster.ours
                && let Err(e) = self.delete_cluster(clients, &cluster.name).await
            {
                failed.push(e.to_string());
                gone = false;
            }
            if gone {
                self.cluster = None;
            }
        } else if let Err(e) = self.remove_instances(clients, None).await {
            failed.push(e.to_string());
        }
        if let Some(family) = self.family.clone() {
            match delete_family(clients, &family).await {
                Ok(()) => self.family = None,
                Err(e) => failed.push(e.to_string()),
            }
        }
        failed
    }

    /// Stops all tasks of the job, and if wanted waits a bounded time until they have stopped.
    async fn stop_tasks(&mut self, clients: &Clients, cluster: &str, wait: bool) -> Result<(), AwsError> {
        let pace = &clients.pace;
        let (deadline, step) = (Instant::now() + pace.stop, Step::begin());
        let mut pauses = Pauses::up_to(pace.poll);
        let mut asked = BTreeSet::new();
        loop {
            let mut running = BTreeSet::new();
            let of_controller = self.controller.then(|| tags::started_by_user(&self.job));
            for mark in [tags::started_by(&self.job)].into_iter().chain(of_controller) {
                match listed(clients, cluster, &mark).await {
                    Ok(mut listed) => running.append(&mut listed),
                    Err(AwsError { cause: Cause::Gone, .. }) => {}
                    Err(e) => return Err(e),
                }
            }
            let (mut known, missing) = not_stopped(clients, cluster, &self.tasks).await?;
            running.append(&mut known);
            stop_each(clients, cluster, running.union(&missing).filter(|task| !asked.contains(*task))).await?;
            let old = |time: Option<Instant>| time.is_none_or(|since| since.elapsed() >= pace.settle);
            // A task that was accepted just now may be unknown for a while: it is told again until it is known.
            let settled = old(self.unanswered) && (missing.is_empty() || old(self.accepted));
            let done = running.is_empty() || !wait;
            asked.append(&mut running);
            if done && settled {
                self.tasks.clear();
                if !asked.is_empty() {
                    let told = if wait { "stopped" } else { "told to stop" };
                    step.done(format_args!("{} tasks {told}", asked.len()));
                }
                return Ok(());
            }
            if Instant::now() >= deadline {
                // They have been told to stop, and ECS kills them after their stop timeout.
                tracing::warn!("{} tasks have not stopped after {:?}; ECS will end them", asked.len(), pace.stop);
                return Ok(());
            }
            pauses.pause().await;
        }
    }

    #[cfg(not(feature = "ec2"))]
    async fn remove_instances(&mut self, _: &Clients, _: Option<&str>) -> Result<(), AwsError> {
        Ok(())
    }

    /// Deletes the job's own cluster; AWS lets go of what is in it only after a while.
    async fn delete_cluster(&mut self, clients: &Clients, name: &str) -> Result<(), AwsError> {
        let (deadline, step) = (Instant::now() + clients.pace.stop, Step::begin());
        let mut pauses = Pauses::up_to(clients.pace.poll);
        loop {
            let deleted = clients.ecs.delete_cluster().cluster(name).send().await;
            match deleted.map_err(|e| AwsError::of(format!("delete cluster {name}"), e)) {
                Ok(_) => {
                    step.done(format_args!("cluster {name} deleted"));
                    return Ok(());
                }
                Err(AwsError { cause: Cause::Gone, .. }) => return Ok(()),
                Err(AwsError { cause: Cause::Busy, .. }) if Instant::now() < deadline => {}
                Err(e) => return Err(e),
            }
            // A task or instance that AWS didn't list before may keep the cluster busy.
            self.stop_tasks(clients, name, true).await?;
            #[cfg(feature = "ec2")]
            super::ec2::instances::deregister(clients, name, None).await?;
            pauses.pause().await;
        }
    }
}

#[cfg(feature = "ec2")]
impl Ledger {
    /// Takes the job's instances out of the cluster and terminates them. In this order: an instance that is terminated
    /// first stays registered for up to 20 minutes and holds the cluster.
    async fn remove_instances(&mut self, clients: &Clients, cluster: Option<&str>) -> Result<(), AwsError> {
        use super::ec2::instances;
        if !self.instances {
            return Ok(());
        }
        if let Some(since) = self.unanswered {
            sleep(clients.pace.settle.saturating_sub(since.elapsed())).await;
        }
        let mut ids = instances::alive(&clients.ec2, &self.job).await?;
        ids.extend(self.instance_ids.iter().cloned());
        // An instance can register after this; it is terminated all the same, and deleting the cluster tries again.
        let step = Step::begin();
        let registered = match cluster {
            Some(cluster) => instances::deregister(clients, cluster, Some(&ids)).await,
            None => Ok(()),
        };
        instances::terminate(&clients.ec2, &ids).await?;
        registered?;
        if !ids.is_empty() {
            step.done(format_args!("{} instances terminated", ids.len()));
        }
        self.instances = false;
        self.instance_ids.clear();
        Ok(())
    }
}

/// Tells tasks to stop, a few at a time.
async fn stop_each(clients: &Clients, cluster: &str, tasks: impl Iterator<Item = &String>) -> Result<(), AwsError> {
    let mut stopping = JoinSet::new();
    let mut failed = Ok(());
    for task in tasks.map(Some).chain([None; AT_ONCE]) {
        if (task.is_none() || stopping.len() >= AT_ONCE)
            && let Some(Ok(Err(e))) = stopping.join_next().await
        {
            failed = Err(e);
        }
        let Some(task) = task.cloned() else { continue };
        let request = clients.ecs.stop_task().cluster(cluster).task(&task).reason("the job has ended");
        stopping.spawn(async move {
            match request.send().await.map_err(|e| AwsError::of(format!("stop task {task}"), e)) {
                Ok(_) | Err(AwsError { cause: Cause::Gone, .. }) => Ok(()),
                Err(e) => Err(e),
            }
        });
    }
    failed
}

/// The tasks with this mark that ECS lists as meant to run, which includes those that are only being prepared.
async fn listed(clients: &Clients, cluster: &str, mark: &str) -> Result<BTreeSet<String>, AwsError> {
    // ECS takes no other filter beside this one.
    let request = clients.ecs.list_tasks().cluster(cluster).started_by(mark);
    let mut pages = request.into_paginator().send();
    let mut found = BTreeSet::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of(format!("list the tasks in cluster {cluster}"), e))?;
        found.extend(page.task_arns().iter().cloned());
    }
    Ok(found)
}

/// Those of `tasks` that have not stopped, and those that ECS does not know, or not yet.
async fn not_stopped(
    clients: &Clients,
    cluster: &str,
    tasks: &BTreeSet<String>,
) -> Result<(BTreeSet<String>, BTreeSet<String>), AwsError> {
    let all: Vec<_> = tasks.iter().cloned().collect();
    let (mut running, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for page in all.chunks(PAGE) {
        let answer = clients.ecs.describe_tasks().cluster(cluster).set_tasks(Some(page.to_vec())).send().await;
        match answer.map_err(|e| AwsError::of(format!("look at the tasks in cluster {cluster}"), e)) {
            Ok(answer) => {
                let of = answer.tasks().iter().filter(|t| t.last_status() != Some("STOPPED"));
                running.extend(of.filter_map(|t| t.task_arn.clone()));
                missing.extend(answer.failures().iter().filter_map(|f| f.arn.clone()));
            }
            Err(AwsError { cause: Cause::Gone, .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok((running, missing))
}

/// Deregisters and deletes every revision of a job's task definition.
async fn delete_family(clients: &Clients, family: &str) -> Result<(), AwsError> {
    let error = |e: AwsError| if e.cause == Cause::Gone { Ok(()) } else { Err(e) };
    for arn in revisions(clients, family, TaskDefinitionStatus::Active).await? {
        let done = clients.ecs.deregister_task_definition().task_definition(&arn).send().await;
        done.map(|_| ()).map_err(|e| AwsError::of(format!("deregister {arn}"), e)).or_else(error)?;
    }
    for page in revisions(clients, family, TaskDefinitionStatus::Inactive).await?.chunks(DELETE_PAGE) {
        let doing = format!("delete the task definitions {}", page.join(", "));
        let done = clients.ecs.delete_task_definitions().set_task_definitions(Some(page.to_vec())).send().await;
        let done = done.map_err(|e| AwsError::of(&doing, e))?;
        if let Some(failure) = done.failures().first() {
            let said = failure.reason().or(failure.detail()).unwrap_or("no reason given");
            return Err(AwsError::refused(doing, said));
        }
    }
    Ok(())
}

/// All revisions of a family that have this status.
pub(super) async fn revisions(
    clients: &Clients,
    family: &str,
    status: TaskDefinitionStatus,
) -> Result<Vec<String>, AwsError> {
    let request = clients.ecs.list_task_definitions().family_prefix(family).status(status);
    let mut pages = request.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of(format!("list the task definitions {family}"), e))?;
        found.extend(page.task_definition_arns().iter().cloned());
    }
    Ok(found)
}
