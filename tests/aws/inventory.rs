//! Nothing stays on AWS, whichever single call fails and however: the fault is put at every call in turn.

use crate::sim::{DENY, Fault, Rules, When};
use crate::stage::{EXPIRES, Stage, ec2, fargate, found, ticket};
use aws::{Ec2, Fargate, detached, gc};
use controller::fleet::Fleet;
use job::spec::Workers;
use std::time::{Duration, SystemTime};

/// A fault for each of the first calls of a job; the job is run, stopped, and what is left collected.
async fn nothing_stays<F: Fleet>(workers: Workers, make: impl Fn(&Stage) -> F) {
    // Beyond the last call the fault does nothing, and the run is an ordinary one.
    let plain = Stage::with_tries(Rules::default(), 1).await;
    one_run(&plain, &workers, &make).await;
    let calls = plain.sim.calls().len();
    assert!(calls > 10);
    for number in 0..calls {
        for fault in [DENY, Fault::Lose] {
            let stage = Stage::with_tries(Rules::default(), 1).await;
            stage.sim.fault(When::Call(number), fault.clone());
            let left = one_run(&stage, &workers, &make).await;
            stage.sim.clear_faults();
            collect(&stage, &workers).await;
            let inventory = stage.sim.inventory();
            let called = stage.sim.calls();
            assert!(
                inventory.is_empty(),
                "{fault:?} at call {number} ({}): {inventory:?}, said {left:?}",
                called[number]
            );
        }
    }
}

/// Runs a job to its end, good or bad. Returns what its controller says it could not remove.
async fn one_run<F: Fleet>(stage: &Stage, workers: &Workers, make: &impl Fn(&Stage) -> F) -> Vec<String> {
    let mut fleet = make(stage);
    let _good_or_bad = stage.run(&mut fleet, "job", workers.count.unwrap() as usize).await;
    let left = stage.stop(&mut fleet).await;
    if left.is_empty() {
        assert_eq!(stage.sim.inventory(), Vec::<String>::new(), "not said to be left");
    }
    left
}

/// What `tilefn gc` does once the job has expired.
async fn collect(stage: &Stage, workers: &Workers) {
    let clients = stage.clients(workers);
    let clusters = workers.fargate.iter().filter_map(|f| f.ecs.cluster.clone()).collect();
    let scope = gc::Scope { now: EXPIRES, clusters, ..gc::Scope::default() };
    let found = found(&clients, &scope).await;
    assert_eq!(gc::remove(&clients, &found).await, Vec::<String>::new());
}

#[tokio::test]
async fn of_a_fargate_job() {
    let workers = fargate(12, "", "spot = 'prefer'");
    nothing_stays(workers.clone(), |stage| Fargate::new(&stage.session, &workers).unwrap()).await;
}

#[tokio::test]
async fn of_a_job_in_a_shared_cluster() {
    let workers = fargate(2, "", "cluster = 'shared'");
    nothing_stays(workers.clone(), |stage| {
        stage.sim.world.lock().unwrap().existing_cluster("shared", &[]);
        Fargate::new(&stage.session, &workers).unwrap()
    })
    .await;
}

#[tokio::test]
async fn of_a_private_cluster() {
    let workers = ec2(3, 2, "");
    nothing_stays(workers.clone(), |stage| Ec2::new(&stage.session, &workers).unwrap()).await;
}

/// Without a permission that only the end needs, everything else is removed and what stays is said; `gc` of somebody who
/// has the permission removes it.
#[tokio::test]
async fn of_a_job_that_may_not_clean_up() {
    let workers = ec2(3, 2, "");
    for (action, permission) in [
        ("StopTask", "ecs:StopTask"),
        ("DeregisterContainerInstance", "ecs:DeregisterContainerInstance"),
        ("TerminateInstances", "ec2:TerminateInstances"),
        ("DeleteCluster", "ecs:DeleteCluster"),
        ("DeregisterTaskDefinition", "ecs:DeregisterTaskDefinition"),
        ("DeleteTaskDefinitions", "ecs:DeleteTaskDefinitions"),
        ("s3:DELETEJson", "s3:DeleteObject"),
    ] {
        let stage = Stage::new(Rules::default()).await;
        let mut fleet = Ec2::new(&stage.session, &workers).unwrap();
        stage.run(&mut fleet, "job", 3).await.unwrap();
        stage.sim.fault(When::Action(action, usize::MAX), DENY);
        let left = stage.stop(&mut fleet).await;
        assert!(
            left.iter().any(|l| l.contains(&format!("it needs the permission {permission}"))),
            "{action}: {left:?}"
        );
        stage.sim.clear_faults();
        collect(&stage, &workers).await;
        assert_eq!(stage.sim.inventory(), Vec::<String>::new(), "{action}");
    }
}

/// docs/aws.md has every permission that is needed: each call that was seen is in it.
#[tokio::test]
async fn the_page_has_every_permission() {
    let page = std::fs::read_to_string(format!("{}/docs/aws.md", crate::support::ROOT)).unwrap();
    let mut called = std::collections::BTreeSet::new();
    let stage = Stage::new(Rules::default()).await;
    let (private, shared) = (ec2(3, 2, ""), fargate(3, "", "spot = 'prefer'"));
    stage.run(&mut Ec2::new(&stage.session, &private).unwrap(), "left", 3).await.unwrap();
    let mut fleet = Fargate::new(&stage.session, &shared).unwrap();
    stage.run(&mut fleet, "job", 6).await.unwrap();
    stage.stop(&mut fleet).await;
    collect(&stage, &private).await;
    called.extend(stage.sim.calls());
    let ec2s = ["RunInstances", "DescribeInstances", "TerminateInstances"];
    for action in called.iter().filter(|a| !a.starts_with("s3:")) {
        let service = if ec2s.contains(&action.as_str()) { "ec2" } else { "ecs" };
        assert!(page.contains(&format!("`{service}:{action}`")), "{service}:{action}");
    }
    assert!(called.len() >= 20, "{called:?}");
}

/// Instances in a cluster that was there before, whose controller is gone, are found by their own tags.
#[tokio::test]
async fn of_instances_in_a_shared_cluster() {
    let workers = ec2(3, 2, "cluster = 'shared'");
    let stage = Stage::new(Rules::default()).await;
    stage.sim.world.lock().unwrap().existing_cluster("shared", &[]);
    let mut fleet = Ec2::new(&stage.session, &workers).unwrap();
    stage.run(&mut fleet, "job", 3).await.unwrap();
    drop(fleet);
    // Not even told of the cluster, so the tasks go with the instances.
    let clients = stage.clients(&workers);
    let found = found(&clients, &gc::Scope { now: EXPIRES, ..gc::Scope::default() }).await;
    assert_eq!(gc::remove(&clients, &found).await, Vec::<String>::new());
    assert_eq!(stage.sim.inventory(), Vec::<String>::new());
    assert!(stage.sim.world.lock().unwrap().clusters["shared"].active);
}

/// Leaving a job to AWS fails at any call, or its answer is lost.
#[tokio::test]
async fn of_a_job_that_could_not_be_left_to_aws() {
    let text = r#"
        [function]
        module = "/m.wasm"
        [inputs.a]
        path = "s3://bucket/a.tif"
        [outputs.b]
        path = "s3://bucket/b.tif"
        [workers]
        kind = "fargate"
        count = 2
        [workers.s3]
        bucket = "bucket"
        [workers.fargate]
        image = "img:1"
        task_role_arn = "arn:aws:iam::1:role/t"
        controller_role_arn = "arn:aws:iam::1:role/c"
        subnets = ["subnet-a"]
        cluster = "shared"
    "#;
    let spec = job::load_text("job.toml", text.to_owned(), "/".as_ref(), &[]).unwrap().spec;
    let send = async |fault: Option<(usize, Fault)>| {
        let stage = Stage::with_tries(Rules::default(), 1).await;
        stage.sim.world.lock().unwrap().existing_cluster("shared", &[]);
        if let Some((number, fault)) = fault.clone() {
            stage.sim.fault(When::Call(number), fault);
        }
        let sent = detached::submit(&stage.session, &spec, "job", b"\0asm", &[]).await;
        (stage, sent)
    };
    let (stage, sent) = send(None).await;
    sent.unwrap();
    assert_eq!(stage.sim.count("RunTask"), 1);
    let calls = stage.sim.calls();
    for (number, action) in calls.iter().enumerate() {
        for fault in [DENY, Fault::Lose] {
            let (stage, sent) = send(Some((number, fault.clone()))).await;
            // No permission to look whether the module is there is no obstacle.
            if sent.is_err() {
                assert_eq!(stage.sim.inventory(), Vec::<String>::new(), "{fault:?} at call {number} ({action})");
            } else {
                assert_eq!(action, "s3:HEADObject");
            }
        }
    }
}

/// A controller that is killed at any call leaves what `gc` finds.
#[tokio::test]
async fn of_a_controller_that_is_killed() {
    let workers = ec2(3, 2, "");
    let plain = Stage::new(Rules::default()).await;
    let mut fleet = Ec2::new(&plain.session, &workers).unwrap();
    plain.run(&mut fleet, "job", 3).await.unwrap();
    for number in 1..plain.sim.calls().len() {
        let stage = Stage::new(Rules::default()).await;
        let mut fleet = Ec2::new(&stage.session, &workers).unwrap();
        let killed = async {
            while stage.sim.calls().len() < number {
                tokio::task::yield_now().await;
            }
        };
        let (ticket, connected) = (ticket("job"), stage.workers.clone());
        tokio::select! {
            biased;
            () = killed => {}
            _ = async {
                let _ = fleet.start(&ticket, &connected).await;
                fleet.keep(&connected).await
            } => panic!("it should have gone on"),
        }
        drop(fleet);
        let before = found(&stage.clients(&workers), &gc::Scope { now: EXPIRES - 1, ..Default::default() }).await;
        assert_eq!(before, [], "a live job is none of gc's business");
        collect(&stage, &workers).await;
        assert_eq!(stage.sim.inventory(), Vec::<String>::new(), "killed at call {number}");
    }
}

/// A future that is dropped in the middle of a call, as at Ctrl-C, leaves nothing that `stop` does not find.
#[tokio::test]
async fn of_a_start_that_is_dropped() {
    let workers = fargate(12, "", "cluster = 'shared'");
    let plain = Stage::new(Rules::default()).await;
    plain.sim.world.lock().unwrap().existing_cluster("shared", &[]);
    let mut fleet = Fargate::new(&plain.session, &workers).unwrap();
    plain.run(&mut fleet, "job", 12).await.unwrap();
    for number in 1..plain.sim.calls().len() {
        let stage = Stage::new(Rules::default()).await;
        stage.sim.world.lock().unwrap().existing_cluster("shared", &[]);
        let mut fleet = Fargate::new(&stage.session, &workers).unwrap();
        let dropped = async {
            while stage.sim.calls().len() < number {
                tokio::task::yield_now().await;
            }
        };
        let (ticket, connected) = (ticket("job"), stage.workers.clone());
        tokio::select! {
            biased;
            () = dropped => {}
            _ = async {
                let _ = fleet.start(&ticket, &connected).await;
                fleet.keep(&connected).await
            } => panic!("it should have gone on"),
        }
        assert_eq!(stage.stop(&mut fleet).await, Vec::<String>::new());
        assert_eq!(stage.sim.inventory(), Vec::<String>::new(), "dropped at call {number}");
    }
}

#[tokio::test]
async fn gc_says_what_it_found_and_why() {
    let stage = Stage::new(Rules::default()).await;
    let workers = fargate(1, "", "");
    let mut fleet = Fargate::new(&stage.session, &workers).unwrap();
    stage.run(&mut fleet, "job", 1).await.unwrap();
    let clients = stage.clients(&workers);
    let find = |job: Option<&str>, now| gc::Scope { job: job.map(str::to_owned), now, ..Default::default() };
    assert_eq!(found(&clients, &find(None, EXPIRES - 1)).await, []);
    assert_eq!(found(&clients, &find(Some("other"), EXPIRES)).await, []);
    assert_eq!(found(&clients, &find(Some("job"), 0)).await.len(), 3, "a named job need not have expired");
    let found = found(&clients, &find(None, EXPIRES)).await;
    let lines: Vec<_> =
        found.iter().map(|f| f.to_string().replace(f.owner.as_deref().unwrap_or("(none)"), "ann@box")).collect();
    assert_eq!(
        lines,
        [
            "ticket s3://bucket/tilefn/jobs/job/ticket.json: job job, expired 2026-01-01T00:00:00Z",
            "cluster arn:aws:ecs:eu-west-1:1:cluster/tilefn-job: job job of ann@box, expired 2026-01-01T00:00:00Z",
            "task definition tilefn-job: job job of ann@box, expired 2026-01-01T00:00:00Z",
        ]
    );
}

/// Its tags say that it has expired, its ticket doesn't: the controller has put it anew.
#[tokio::test]
async fn gc_leaves_a_job_alone_that_takes_longer_than_its_tags_say() {
    let mut stage = Stage::new(Rules::default()).await;
    stage.session.pace.renew = Duration::ZERO;
    let workers = fargate(1, "", "");
    let mut fleet = Fargate::new(&stage.session, &workers).unwrap();
    stage.run(&mut fleet, "job", 1).await.unwrap();
    let renewed = async {
        while stage.sim.count("s3:PUTJson") < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        error = fleet.keep(&stage.workers) => panic!("{error}"),
        () = renewed => {}
    }
    let url = "s3://bucket/tilefn/jobs/job/ticket.json";
    let bytes = aws::fetch(&stage.session, url, 65_536).await.unwrap();
    let ticket = wire::Ticket::parse(url, &bytes).unwrap();
    ticket.check_valid(SystemTime::now() + Duration::from_secs(6 * 24 * 3600)).unwrap();
    let later = gc::Scope { now: EXPIRES + 1, ..Default::default() };
    assert_eq!(found(&stage.clients(&workers), &later).await, []);

    // From another bucket its ticket can't be seen, so it isn't judged.
    std::fs::create_dir(stage.sim.folder.path().join("other")).unwrap();
    let mut other = workers.clone();
    other.s3.as_mut().unwrap().bucket = "other".to_owned();
    assert_eq!(found(&stage.clients(&other), &later).await, []);
    let named = gc::Scope { job: Some("job".to_owned()), ..later.clone() };
    assert_eq!(found(&stage.clients(&other), &named).await.len(), 2, "cluster and task definition");

    // Without the tickets nothing is known of any job.
    stage.sim.fault(When::Action("s3:GETList", 1), DENY);
    let (none, denied) = gc::find(&stage.clients(&workers), &later).await;
    assert!(none.is_empty() && denied.len() == 1, "{none:?} {denied:?}");
    assert_eq!(stage.stop(&mut fleet).await, Vec::<String>::new());
}
