//! A private cluster as its users expect it: workers spread, fit and have the right processors, and wrong settings are said at once.

use crate::sim::Rules;
use crate::stage::{Stage, ec2};
use aws::Ec2;
use job::spec::Workers;
use std::collections::BTreeSet;

fn none() -> Vec<String> {
    Vec::new()
}

/// The workers, on instances of this type.
fn of_type(instance_type: &str, mut workers: Workers) -> Workers {
    workers.ec2.as_mut().unwrap().instance_types = vec![instance_type.to_owned()];
    workers
}

/// The message with which a job ends that never gets a worker; nothing stays of it.
async fn refused(rules: Rules, workers: &Workers) -> (String, Stage) {
    let stage = Stage::new(rules).await;
    let mut fleet = Ec2::new(&stage.session, workers).unwrap();
    let error = stage.run(&mut fleet, "j", 1).await.unwrap_err().to_string();
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
    (error, stage)
}

#[tokio::test]
async fn workers_spread_over_instances_that_join_one_after_the_other() {
    let stage = Stage::new(Rules { apart: 40, ..Rules::default() }).await;
    // All six would fit on the first.
    let mut fleet = Ec2::new(&stage.session, &ec2(6, 3, "memory_reservation = 600")).unwrap();
    stage.run(&mut fleet, "j", 6).await.unwrap();
    assert_eq!(stage.sim.world.lock().unwrap().tasks_on_instances(), [2, 2, 2]);
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn each_instance_has_one_worker_with_its_memory_unless_the_job_says_otherwise() {
    let stage = Stage::new(Rules { memory: 15_700, ..Rules::default() }).await;
    let mut workers = ec2(1, 2, "");
    workers.count = None;
    let mut fleet = Ec2::new(&stage.session, &workers).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    {
        let world = stage.sim.world.lock().unwrap();
        assert_eq!(world.tasks_on_instances(), [1, 1]);
        let memory: BTreeSet<_> = world.tasks.iter().map(|t| t.memory).collect();
        assert_eq!(memory, BTreeSet::from([15_700 - 256]), "all but a margin for the system");
    }
    assert_eq!(stage.stop(&mut fleet).await, none());
}

#[tokio::test]
async fn memory_that_no_instance_has_is_said_as_soon_as_one_has_joined() {
    let rules = Rules { memory: 15_700, ..Rules::default() };
    let (error, stage) = refused(rules, &ec2(2, 2, "memory_reservation = 16384")).await;
    let id = stage.sim.world.lock().unwrap().instances[0].id.clone();
    assert_eq!(
        error,
        format!(
            "instance {id} (c7i.large): no worker fits: it offers tasks 15700 MiB, and `memory_reservation` is 16384; set \
             that to 15700 at most, or leave it out, for all that there is"
        )
    );
    assert_eq!(stage.sim.count("RunTask"), 0, "nothing is asked for in vain");
}

/// Instances of the user's own that are in the cluster, with services on them perhaps, are left alone.
#[tokio::test]
async fn in_a_shared_cluster_workers_run_on_the_jobs_instances_only() {
    let stage = Stage::new(Rules { apart: 20, ..Rules::default() }).await;
    {
        let mut world = stage.sim.world.lock().unwrap();
        world.existing_cluster("shared", &[]);
        world.existing_instance("shared");
    }
    let mut fleet = Ec2::new(&stage.session, &ec2(4, 2, "cluster = 'shared'\nmemory_reservation = 600")).unwrap();
    stage.run(&mut fleet, "j", 4).await.unwrap();
    assert_eq!(stage.sim.world.lock().unwrap().tasks_on_instances(), [0, 2, 2]);
    assert_eq!(stage.stop(&mut fleet).await, none());
    let left = stage.sim.inventory();
    assert!(left.len() == 2 && left.iter().all(|thing| thing.ends_with("i-other")), "{left:?}");
}

#[tokio::test]
async fn a_few_tiles_start_a_few_instances() {
    let stage = Stage::new(Rules::default()).await;
    stage.workers.set_tiles_left(3);
    // A c7i.large has two processors, so two tiles at the same time.
    let mut fleet = Ec2::new(&stage.session, &ec2(4, 4, "")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    assert_eq!(stage.sim.world.lock().unwrap().instances.len(), 2);
    assert_eq!(stage.stop(&mut fleet).await, none());
}

/// The simulator refuses images for other processors, and places no task on them.
#[tokio::test]
async fn the_processors_are_those_of_the_instance_type() {
    for (kind, ami) in [("c7g.2xlarge", ""), ("c7g.2xlarge", "ami = 'ami-08b5d886b9289bc63'"), ("c7i.large", "")] {
        let stage = Stage::new(Rules::default()).await;
        let mut fleet = Ec2::new(&stage.session, &of_type(kind, ec2(1, 1, ami))).unwrap();
        stage.run(&mut fleet, "j", 1).await.unwrap();
        assert_eq!(stage.stop(&mut fleet).await, none());
    }
}

#[tokio::test]
async fn a_machine_image_that_does_not_suit_is_refused_before_anything_is_made() {
    let arm = |ami| of_type("c7g.2xlarge", ec2(1, 1, ami));
    for (workers, message) in [
        (
            arm("ami = 'ami-intel'"),
            "cannot use the machine image ami-intel: it (al2023-ami-ecs-hvm-2023.0.20250110-kernel-6.1-x86_64) is for \
             X86_64 processors, and the instances (c7g.2xlarge) have ARM64",
        ),
        (
            ec2(1, 1, "ami = 'ami-bottle'"),
            "cannot use the machine image ami-bottle: it is bottlerocket (bottlerocket-aws-ecs-2-x86_64-v1.32.0-cacc4ce9), \
             which runs no shell script at its start, so its instances could not end themselves; use an ECS-optimised \
             Amazon Linux 2023, or leave `ami` out for the newest",
        ),
        (
            ec2(1, 1, "ami = 'ami-0'"),
            "cannot use the machine image ami-0: The image id '[ami-0]' does not exist (InvalidAMIID.NotFound)",
        ),
        (
            ec2(1, 1, "cluster = 'nowhere'"),
            "cannot use the cluster nowhere: there is none in this region; is `cluster` right?",
        ),
    ] {
        let (error, stage) = refused(Rules::default(), &workers).await;
        assert_eq!(error, message);
        assert_eq!(stage.sim.calls().len(), 1, "{:?}", stage.sim.calls());
    }
}

#[tokio::test]
async fn ids_that_do_not_exist_end_the_job_at_once() {
    for (unknown, message) in [
        (
            "subnet-a",
            "cannot start 2 instances c7i.large in subnet-a: The subnet ID 'subnet-a' does not exist \
             (InvalidSubnetID.NotFound)",
        ),
        (
            "sg-1",
            "cannot start 2 instances c7i.large in subnet-a: The security group 'sg-1' does not exist in VPC 'vpc-1' \
             (InvalidGroup.NotFound)",
        ),
    ] {
        let rules = Rules { unknown: vec![unknown.to_owned()], ..Rules::default() };
        let (error, stage) = refused(rules, &ec2(2, 2, "security_groups = ['sg-1']")).await;
        assert_eq!(error, message);
        assert_eq!(stage.sim.count("RunInstances"), 1, "asked for once");
    }
}

#[tokio::test]
async fn spot_that_the_account_cannot_have_becomes_on_demand_or_an_error() {
    let new = || Rules { new_account: true, ..Rules::default() };
    let stage = Stage::new(new()).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(2, 2, "spot = 'prefer'")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    assert!(stage.sim.world.lock().unwrap().instances.iter().all(|i| !i.spot));
    assert_eq!(stage.stop(&mut fleet).await, none());

    let (error, _) = refused(new(), &ec2(2, 2, "spot = 'only'")).await;
    assert_eq!(
        error,
        "cannot start 2 Spot instances c7i.large in subnet-a: the account has no service-linked role for EC2 Spot; make it \
         once: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
    );
}

#[tokio::test]
async fn spot_instances_that_end_before_they_are_of_use_become_on_demand() {
    let stage = Stage::new(Rules { fleeting_spot: true, ..Rules::default() }).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(2, 2, "spot = 'prefer'")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    let spot: Vec<_> = stage.sim.world.lock().unwrap().instances.iter().map(|i| i.spot).collect();
    assert_eq!(spot, [true, true, false, false]);
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

/// The script of an instance, run by a real shell. `docker` shows a worker in minutes 5 to `busy`.
#[tokio::test]
async fn an_instance_without_a_worker_for_a_quarter_of_an_hour_ends_itself() {
    let stage = Stage::new(Rules::default()).await;
    let mut fleet = Ec2::new(&stage.session, &ec2(1, 1, "shutdown_after = '6h'")).unwrap();
    stage.run(&mut fleet, "j", 1).await.unwrap();
    let script = stage.sim.world.lock().unwrap().instances[0].script.clone();
    stage.stop(&mut fleet).await;
    for (busy, minutes) in [(0, 15), (30, 45)] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let stub = |name: &str, text: &str| {
            std::fs::write(at(name), format!("#!/bin/bash\ncd {}\n{text}\n", folder.path().display())).unwrap();
            std::process::Command::new("chmod").arg("+x").arg(at(name)).status().unwrap();
        };
        stub("sleep", "echo $1 >>slept; [ $(wc -l <slept) -lt 200 ] || kill $PPID");
        stub("shutdown", "echo $* >>told");
        stub("systemd-run", "while [ $1 != bash ]; do shift; done; exec \"$@\"");
        stub(
            "docker",
            &format!(
                "[ \"$*\" = 'ps --quiet --filter label=com.amazonaws.ecs.container-name=worker' ] || exit 1\n\
                 minute=$(wc -l <slept); [ $minute -lt 5 -o $minute -gt {busy} ] || echo 1a2b3c"
            ),
        );
        std::fs::write(at("script"), script.replace("/etc/ecs/", &format!("{}/", folder.path().display()))).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let status = std::process::Command::new("bash").arg(at("script")).env("PATH", path).status().unwrap();
        assert!(status.success());
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        assert_eq!(read("told"), "-h +360\n-h now\n");
        assert_eq!(read("slept"), "60\n".repeat(minutes), "busy until minute {busy}");
        assert!(read("ecs.config").starts_with("ECS_CLUSTER=tilefn-j\n"));
    }
}
