//! EC2 instances of a job: found by their tag, taken out of their cluster, terminated.

use crate::error::{AwsError, Cause};
use crate::fleets::clients::{Clients, PAGE};
use crate::fleets::tags;
use aws_sdk_ec2::types::{Filter, InstanceStateName};
use aws_sdk_ecs::types::ContainerInstance;
use std::collections::BTreeSet;

/// The job's instances that have not ended, by their tag.
pub(in crate::fleets) async fn alive(ec2: &aws_sdk_ec2::Client, job: &str) -> Result<BTreeSet<String>, AwsError> {
    let filter = Filter::builder().name(format!("tag:{}", tags::JOB)).values(tags::id(job)).build();
    let mut found = BTreeSet::new();
    for instance in described(ec2, filter).await? {
        found.extend(instance.instance_id);
    }
    Ok(found)
}

/// The instances that pass `filter` and have not ended.
pub(in crate::fleets) async fn described(
    ec2: &aws_sdk_ec2::Client,
    filter: Filter,
) -> Result<Vec<aws_sdk_ec2::types::Instance>, AwsError> {
    let mut pages = ec2.describe_instances().filters(filter).filters(not_ended()).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| AwsError::of("look at the instances", e))?;
        for reservation in page.reservations.unwrap_or_default() {
            found.extend(reservation.instances.unwrap_or_default());
        }
    }
    Ok(found)
}

fn not_ended() -> Filter {
    use InstanceStateName::{Pending, Running, Stopped, Stopping};
    let states = [Pending, Running, Stopping, Stopped].map(|s| s.as_str().to_owned());
    Filter::builder().name("instance-state-name").set_values(Some(states.to_vec())).build()
}

/// Takes the container instances on these EC2 instances (all, if `None`) out of the cluster, with whatever runs there.
pub(in crate::fleets) async fn deregister(
    clients: &Clients,
    cluster: &str,
    instances: Option<&BTreeSet<String>>,
) -> Result<(), AwsError> {
    let gone_is_fine = |e: AwsError| if e.cause == Cause::Gone { Ok(()) } else { Err(e) };
    for instance in registered(clients, cluster).await? {
        let ours = instances.is_none_or(|ids| instance.ec2_instance_id().is_some_and(|id| ids.contains(id)));
        let Some(arn) = instance.container_instance_arn().filter(|_| ours) else { continue };
        let request = clients.ecs.deregister_container_instance().cluster(cluster).container_instance(arn);
        let done = request.force(true).send().await.map(|_| ());
        done.map_err(|e| AwsError::of(format!("deregister {arn}"), e)).or_else(gone_is_fine)?;
    }
    Ok(())
}

/// All container instances of the cluster; none, if it is gone.
pub(in crate::fleets) async fn registered(
    clients: &Clients,
    cluster: &str,
) -> Result<Vec<ContainerInstance>, AwsError> {
    let mut arns = Vec::new();
    let mut pages = clients.ecs.list_container_instances().cluster(cluster).into_paginator().send();
    while let Some(page) = pages.next().await {
        match page.map_err(|e| AwsError::of(format!("list the instances in cluster {cluster}"), e)) {
            Ok(page) => arns.extend(page.container_instance_arns.unwrap_or_default()),
            Err(AwsError { cause: Cause::Gone, .. }) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        }
    }
    let mut found = Vec::new();
    for page in arns.chunks(PAGE) {
        let request = clients.ecs.describe_container_instances().cluster(cluster);
        let answer = request.set_container_instances(Some(page.to_vec())).send().await;
        let answer = answer.map_err(|e| AwsError::of(format!("look at the instances in cluster {cluster}"), e))?;
        found.extend(answer.container_instances.unwrap_or_default());
    }
    Ok(found)
}

/// Terminates these instances. One that is gone makes AWS refuse the whole call, so then each is tried by itself.
pub(in crate::fleets) async fn terminate(ec2: &aws_sdk_ec2::Client, ids: &BTreeSet<String>) -> Result<(), AwsError> {
    if ids.is_empty() {
        return Ok(());
    }
    let end = |ids: Vec<String>| async move {
        let doing = format!("terminate the instances {}", ids.join(", "));
        let done = ec2.terminate_instances().set_instance_ids(Some(ids)).send().await;
        done.map(|_| ()).map_err(|e| AwsError::of(doing, e))
    };
    let all: Vec<_> = ids.iter().cloned().collect();
    match end(all).await {
        Err(AwsError { cause: Cause::Gone, .. }) => {}
        done => return done,
    }
    let mut failed = Ok(());
    for id in ids {
        match end(vec![id.clone()]).await {
            Ok(()) | Err(AwsError { cause: Cause::Gone, .. }) => {}
            Err(e) => failed = Err(e),
        }
    }
    failed
}
