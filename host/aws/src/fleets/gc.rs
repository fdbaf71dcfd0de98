//! Finds what a killed controller left on AWS, by tag and expiry, and removes it.
//!
//! Nothing is removed by looking. What belongs to a job that has not expired is not even listed unless that job is
//! named: its controller may be alive. A controller renews its job's ticket, so the ticket says whether the job lives,
//! whatever the tags said when it began.

use super::clients::{Clients, PAGE};
use super::ledger::{self, Cluster, Ledger};
use super::s3::FoundTicket;
use super::tags;
use crate::error::{AwsError, Cause};
use aws_sdk_ecs::types::{
    ClusterField, Tag, TaskDefinitionFamilyStatus, TaskDefinitionField, TaskDefinitionStatus, TaskField,
};
use indexmap::IndexMap;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only this job, expired or not.
    pub job: Option<String>,
    /// Clusters that jobs shared, by name or ARN, besides those that were made for jobs.
    pub clusters: Vec<String>,
    /// The time now, in seconds since 1970.
    pub now: u64,
}

/// What to look for, and what the tickets say about it.
struct Search<'a> {
    scope: &'a Scope,
    /// Jobs whose tickets have not expired.
    alive: HashSet<String>,
    /// The place of these tickets.
    store: String,
}

/// A kind of thing that a job makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// The object with the job's secret.
    Ticket,
    /// A task in a cluster that was not made for the job.
    Task,
    /// A cluster made for a job, with all tasks and container instances in it.
    Cluster,
    /// An EC2 instance.
    Instance,
    /// A task definition with all its revisions.
    TaskDefinition,
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ticket => "ticket",
            Self::Task => "task",
            Self::Cluster => "cluster",
            Self::Instance => "instance",
            Self::TaskDefinition => "task definition",
        })
    }
}

/// A resource that can be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// What it is.
    pub kind: ResourceKind,
    /// Its ARN, id or address.
    pub id: String,
    /// The job it was made for.
    pub job: String,
    /// Who started that job, if known.
    pub owner: Option<String>,
    /// Why the resource can be removed.
    pub why: String,
    /// Of a task or an instance: its cluster.
    cluster: Option<String>,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: job {}", self.kind, self.id, self.job)?;
        if let Some(owner) = &self.owner {
            write!(f, " of {owner}")?;
        }
        write!(f, ", {}", self.why)
    }
}

/// The tags of a resource.
#[derive(Clone, Debug, Default)]
struct Marks {
    job: Option<String>,
    owner: Option<String>,
    expires: Option<String>,
    store: Option<String>,
}

impl Marks {
    fn of(tags: &[Tag]) -> Self {
        let find = |key| tags.iter().find(|t| t.key() == Some(key)).and_then(|t| t.value.clone());
        Self { job: find(tags::JOB), owner: find(tags::OWNER), expires: find(tags::EXPIRES), store: find(tags::STORE) }
    }
}

impl Search<'_> {
    /// The thing, if it is a job's and can go. Unless its job is named, it has to be one whose ticket is looked at here.
    fn found(&self, kind: ResourceKind, id: &str, marks: Marks) -> Option<Leftover> {
        let judged = marks.store.as_ref().is_none_or(|store| *store == self.store);
        let alive = marks.job.as_ref().is_some_and(|job| self.alive.contains(job));
        if self.scope.job.is_none() && (alive || !judged) {
            return None;
        }
        self.scope.found(kind, id, marks)
    }
}

impl Scope {
    /// The thing, if it is a job's and can go.
    fn found(&self, kind: ResourceKind, id: &str, marks: Marks) -> Option<Leftover> {
        let Marks { job, owner, expires, .. } = marks;
        let job = job?;
        let past = expires.as_deref().and_then(tags::seconds).is_some_and(|time| time <= self.now);
        let why = match &self.job {
            Some(wanted) if *wanted != job && tags::id(wanted) != job => return None,
            Some(_) => "named".to_owned(),
            None if past => format!("expired {}", expires.unwrap_or_default()),
            None => return None,
        };
        Some(Leftover { kind, id: id.to_owned(), job, owner, why, cluster: None })
    }
}

/// Finds all resources in the region that can be removed. Returns them, and why others could not be looked for: one
/// permission that is missing doesn't hide the rest.
pub async fn find(clients: &Clients, scope: &Scope) -> (Vec<Leftover>, Vec<AwsError>) {
    let tickets = clients.store.tickets().await;
    // Without the tickets nobody knows which jobs live.
    if let (Err(e), None) = (&tickets, &scope.job) {
        return (Vec::new(), vec![e.clone()]);
    }
    let all = tickets.as_deref().unwrap_or_default();
    let living = all.iter().filter(|ticket| ticket.expires.is_none_or(|time| time > scope.now));
    let alive = living.map(|ticket| ticket.job.clone()).collect();
    let search = Search { scope, alive, store: tags::value(&clients.store.place()) };
    let scope = &search;
    let mut denied = Vec::new();
    let mut kept = |found: Result<Vec<Leftover>, AwsError>| {
        found.unwrap_or_else(|e| {
            denied.push(e);
            Vec::new()
        })
    };
    let mut found = kept(tickets.map(|all| expired_tickets(all, scope)));
    let made = kept(clusters(clients, scope).await);
    for shared in scope.scope.clusters.iter().filter(|name| !made.iter().any(|c| is_cluster(&c.id, name))) {
        found.extend(kept(tasks(clients, scope, shared).await));
    }
    found.extend(made);
    #[cfg(feature = "ec2")]
    found.extend(kept(instances(clients, scope).await));
    found.extend(kept(task_definitions(clients, scope).await));
    (found, denied)
}

/// Removes what was found, job by job and in the order that AWS needs. Returns what could not be removed and why.
pub async fn remove(clients: &Clients, found: &[Leftover]) -> Vec<String> {
    let mut ledgers: IndexMap<&str, Ledger> = IndexMap::new();
    for thing in found {
        let ledger = ledgers.entry(&thing.job).or_insert_with(|| Ledger::new(&thing.job));
        match thing.kind {
            ResourceKind::Ticket => ledger.ticket = true,
            ResourceKind::Cluster => ledger.cluster = Some(Cluster { name: thing.id.clone(), ours: true }),
            ResourceKind::Task => {
                ledger.tasks.insert(thing.id.clone());
                let name = thing.cluster.clone().unwrap_or_default();
                ledger.cluster.get_or_insert(Cluster { name, ours: false });
            }
            ResourceKind::Instance => {
                let cluster = thing.cluster.clone().map(|name| Cluster { name, ours: false });
                ledger.cluster = ledger.cluster.take().or(cluster);
                ledger.instances = true;
                ledger.instance_ids.insert(thing.id.clone());
            }
            ResourceKind::TaskDefinition => ledger.family = Some(thing.id.clone()),
        }
    }
    let mut failed = Vec::new();
    for ledger in ledgers.values_mut() {
        failed.extend(ledger.undo(clients).await);
    }
    failed
}

/// Whether `name` (or ARN) is the cluster with this ARN.
fn is_cluster(arn: &str, name: &str) -> bool {
    arn == name || arn.rsplit('/').next() == Some(name)
}

fn expired_tickets(all: Vec<FoundTicket>, scope: &Search<'_>) -> Vec<Leftover> {
    let found = all.into_iter().filter_map(|ticket| {
        let marks = Marks { job: Some(ticket.job), expires: ticket.expires.map(tags::time), ..Marks::default() };
        scope.found(ResourceKind::Ticket, &ticket.url, marks)
    });
    found.collect()
}

async fn clusters(clients: &Clients, scope: &Search<'_>) -> Result<Vec<Leftover>, AwsError> {
    let mut arns = Vec::new();
    let mut pages = clients.ecs.list_clusters().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of("list the clusters", e))?;
        // Other people's clusters are none of ours, and asking about one of them is denied for all of them.
        let ours = |arn: &String| arn.rsplit('/').next().is_some_and(|name| name.starts_with(tags::PREFIX));
        arns.extend(page.cluster_arns.unwrap_or_default().into_iter().filter(ours));
    }
    let mut found = Vec::new();
    for page in arns.chunks(PAGE) {
        let request = clients.ecs.describe_clusters().set_clusters(Some(page.to_vec())).include(ClusterField::Tags);
        let answer = request.send().await.map_err(|e| AwsError::of("look at the clusters", e))?;
        // A deleted cluster stays visible for a while as INACTIVE.
        for cluster in answer.clusters().iter().filter(|c| c.status() != Some("INACTIVE")) {
            let arn = cluster.cluster_arn().unwrap_or_default();
            found.extend(scope.found(ResourceKind::Cluster, arn, Marks::of(cluster.tags())));
        }
    }
    Ok(found)
}

async fn tasks(clients: &Clients, scope: &Search<'_>, cluster: &str) -> Result<Vec<Leftover>, AwsError> {
    let doing = || format!("list the tasks in cluster {cluster}");
    let mut arns = Vec::new();
    let mut pages = clients.ecs.list_tasks().cluster(cluster).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of(doing(), e))?;
        arns.extend(page.task_arns.unwrap_or_default());
    }
    let mut found = Vec::new();
    for page in arns.chunks(PAGE) {
        let request = clients.ecs.describe_tasks().cluster(cluster).set_tasks(Some(page.to_vec()));
        let answer = request.include(TaskField::Tags).send().await.map_err(|e| AwsError::of(doing(), e))?;
        for task in answer.tasks() {
            let one = scope.found(ResourceKind::Task, task.task_arn().unwrap_or_default(), Marks::of(task.tags()));
            found.extend(one.map(|f| Leftover { cluster: Some(cluster.to_owned()), ..f }));
        }
    }
    Ok(found)
}

#[cfg(feature = "ec2")]
async fn instances(clients: &Clients, scope: &Search<'_>) -> Result<Vec<Leftover>, AwsError> {
    let filter = aws_sdk_ec2::types::Filter::builder().name("tag-key").values(tags::JOB).build();
    let all = super::ec2::instances::described(&clients.ec2, filter).await?;
    let found = all.iter().filter_map(|instance| {
        let find = |key| instance.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value.clone());
        let marks = Marks {
            job: find(tags::JOB),
            owner: find(tags::OWNER),
            expires: find(tags::EXPIRES),
            store: find(tags::STORE),
        };
        let found = scope.found(ResourceKind::Instance, instance.instance_id().unwrap_or_default(), marks)?;
        Some(Leftover { cluster: find(tags::CLUSTER), ..found })
    });
    Ok(found.collect())
}

async fn task_definitions(clients: &Clients, scope: &Search<'_>) -> Result<Vec<Leftover>, AwsError> {
    let request = clients.ecs.list_task_definition_families().family_prefix(tags::PREFIX);
    let mut pages = request.status(TaskDefinitionFamilyStatus::All).into_paginator().send();
    let mut families = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of("list the task definitions", e))?;
        families.extend(page.families.unwrap_or_default());
    }
    let mut found = Vec::new();
    for family in families {
        let mut arns = ledger::revisions(clients, &family, TaskDefinitionStatus::Active).await?;
        if arns.is_empty() {
            arns = ledger::revisions(clients, &family, TaskDefinitionStatus::Inactive).await?;
        }
        let Some(arn) = arns.first() else { continue };
        let request = clients.ecs.describe_task_definition().task_definition(arn).include(TaskDefinitionField::Tags);
        match request.send().await.map_err(|e| AwsError::of(format!("look at {arn}"), e)) {
            Ok(answer) => found.extend(scope.found(ResourceKind::TaskDefinition, &family, Marks::of(answer.tags()))),
            Err(AwsError { cause: Cause::Gone, .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(job: &str, expires: &str) -> Marks {
        Marks { job: Some(job.into()), owner: Some("ann@box".into()), expires: Some(expires.into()), store: None }
    }

    #[test]
    fn only_what_has_expired_or_is_named_can_go() {
        let scope = Scope { now: 1_767_225_600, ..Scope::default() };
        let found = scope.found(ResourceKind::Cluster, "arn:c", marks("j", "2026-01-01T00:00:00Z")).unwrap();
        assert_eq!(found.to_string(), "cluster arn:c: job j of ann@box, expired 2026-01-01T00:00:00Z");
        for kept in [marks("j", "2026-01-01T00:00:01Z"), marks("j", "whenever"), Marks::default()] {
            assert_eq!(scope.found(ResourceKind::Cluster, "arn:c", kept), None);
        }
        let named = Scope { job: Some("j".into()), ..scope };
        assert_eq!(named.found(ResourceKind::Task, "t", marks("j", "2999-01-01T00:00:00Z")).unwrap().why, "named");
        assert_eq!(named.found(ResourceKind::Task, "t", marks("k", "2000-01-01T00:00:00Z")), None);
    }
}
