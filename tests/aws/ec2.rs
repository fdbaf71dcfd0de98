//! The fleet on EC2 instances of its own.

use crate::sim::{DENY, Fault, Rules, When};
use crate::stage::{Stage, ec2};
use aws::Ec2;
use controller::fleet::Fleet;
use std::collections::HashMap;

fn none() -> Vec<String> {
    Vec::new()
}

fn room(all: &[(&str, &str, bool, usize)]) -> HashMap<(String, String, bool), usize> {
    all.iter().map(|(t, s, spot, n)| ((format!("{t}.large"), format!("subnet-{s}"), *spot), *n)).collect()
}

#[tokio::test]
async fn instances_join_tasks_follow_and_nothing_stays() {
    let stage = Stage::new(Rules::default()).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(6, 2, "")).unwrap();
    stage.run(&mut fleet, "job", 6).await.unwrap();
    assert_eq!(stage.sim.world.lock().unwrap().instances.len(), 2);
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
    // The order that lets the cluster go at once.
    let calls = stage.sim.calls();
    let first = |action: &str| calls.iter().position(|c| c == action).unwrap();
    assert!(first("StopTask") < first("DeregisterContainerInstance"));
    assert!(first("DeregisterContainerInstance") < first("TerminateInstances"));
    assert!(first("TerminateInstances") < first("DeleteCluster"));
    assert!(first("DeleteCluster") < first("DeleteTaskDefinitions"));
}

#[tokio::test]
async fn other_types_and_subnets_fill_what_the_first_lacks() {
    let rules = Rules { instances: room(&[("c7i", "a", false, 1), ("c7i", "b", false, 0)]), ..Rules::default() };
    let stage = Stage::new(rules).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(3, 3, "memory_reservation = 4000")).unwrap();
    stage.run(&mut fleet, "j", 3).await.unwrap();
    {
        let world = stage.sim.world.lock().unwrap();
        let got: Vec<_> = world.instances.iter().map(|i| (i.kind.as_str(), i.subnet.as_str())).collect();
        assert_eq!(got, [("c7i.large", "subnet-a"), ("c6i.large", "subnet-a"), ("c6i.large", "subnet-a")]);
    }
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn spot_instances_come_first_and_on_demand_fills_up() {
    let none_left = [("c7i", "a", true, 1), ("c7i", "b", true, 0), ("c6i", "a", true, 0), ("c6i", "b", true, 0)];
    let stage = Stage::new(Rules { instances: room(&none_left), ..Rules::default() }).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(2, 2, "spot = 'prefer'\nmemory_reservation = 4000")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    let spot: Vec<_> = stage.sim.world.lock().unwrap().instances.iter().map(|i| i.spot).collect();
    assert_eq!(spot, [true, false]);
    stage.stop(&mut fleet).await;
}

#[tokio::test]
async fn fewer_tasks_than_asked_for_do_when_memory_is_short() {
    let stage = Stage::new(Rules::default()).await;
    // Four fit on the one instance; the others are not asked for.
    let mut fleet = Ec2::new(&stage.session, &ec2(10, 1, "memory_reservation = 1000")).unwrap();
    stage.run(&mut fleet, "j", 4).await.unwrap();
    assert_eq!((fleet.usage().unwrap().tasks, stage.sim.count("RunTask")), (4, 1));
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn an_existing_cluster_keeps_what_was_in_it() {
    let stage = Stage::new(Rules::default()).await;
    stage.sim.world.lock().unwrap().existing_cluster("shared", &[]);
    let mut fleet = Ec2::new(&stage.session, &ec2(2, 1, "cluster = 'shared'")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
    assert!(stage.sim.world.lock().unwrap().clusters["shared"].active);
}

#[tokio::test]
async fn a_lost_answer_starts_no_instance_twice() {
    for tries in [1, 5] {
        let stage = Stage::with_tries(Rules::default(), tries).await;
        stage.sim.fault(When::Action("RunInstances", 1), Fault::Lose);
        let mut fleet = Ec2::new(&stage.session, &ec2(2, 2, "")).unwrap();
        stage.run(&mut fleet, "j", 2).await.unwrap();
        assert_eq!(stage.sim.world.lock().unwrap().instances.len(), 2);
        assert_eq!(stage.stop(&mut fleet).await, none());
        assert_eq!(stage.sim.inventory(), none());
    }
}

#[tokio::test]
async fn no_permission_to_start_instances_is_said_at_once() {
    let stage = Stage::new(Rules::default()).await;
    stage.sim.fault(When::Action("RunInstances", 1), DENY);
    let mut fleet = Ec2::new(&stage.session, &ec2(2, 2, "")).unwrap();
    let error = stage.run(&mut fleet, "j", 2).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start 2 instances c7i.large in subnet-a: User is not authorized (AccessDeniedException); it needs the \
         permission ec2:RunInstances; docs/aws.md lists the permissions that the controller needs"
    );
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn an_instance_that_ends_is_replaced() {
    let stage = Stage::new(Rules::default()).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(2, 1, "")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    {
        let mut world = stage.sim.world.lock().unwrap();
        let now = world.now;
        world.instances[0].ended = Some(now);
        world.hosts.clear();
        for task in world.tasks.iter().map(|t| t.arn.clone()).collect::<Vec<_>>() {
            world.end_task(&task, "", "Host EC2 (instance i-0) terminated.");
        }
    }
    let replaced = async {
        loop {
            let new = |about: &wire::About| {
                !["0", "1"].iter().any(|n| about.task_arn.as_ref().unwrap().ends_with(&format!("0{n}")))
            };
            if stage.workers.connected().iter().filter(|a| new(a)).count() == 2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        error = fleet.keep(&stage.workers) => panic!("{error}"),
        () = replaced => {}
    }
    assert_eq!(stage.sim.world.lock().unwrap().instances.len(), 2);
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}
