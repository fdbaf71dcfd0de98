//! The fleet on Fargate: what it asks for, and how it answers whatever AWS does.

use crate::sim::{DENY, Fault, Rules, When};
use crate::stage::{Stage, fargate};
use aws::Fargate;
use controller::fleet::Fleet;

fn none() -> Vec<String> {
    Vec::new()
}

#[tokio::test]
async fn workers_come_in_batches_and_nothing_stays() {
    let stage = Stage::new(Rules::default()).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(25, "", "")).unwrap();
    stage.run(&mut fleet, "job-1", 25).await.unwrap();
    assert_eq!(stage.sim.count("RunTask"), 3, "10 + 10 + 5");
    assert_eq!(fleet.usage().unwrap().tasks, 25);
    assert!(stage.sim.inventory().len() > 25);
    let calls = stage.sim.calls();
    assert_eq!(calls[..3], ["s3:PUTJson", "CreateCluster", "RegisterTaskDefinition"]);

    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
    assert!(fleet.usage().unwrap().task_seconds > 0.0);
}

#[tokio::test]
async fn no_more_workers_than_tiles_need() {
    let stage = Stage::new(Rules::default()).await;
    stage.workers.set_tiles_left(7);
    // Two tiles at a time in each worker: four workers for seven tiles.
    let mut fleet = Fargate::new(&stage.session, &fargate(50, "threads = 2", "")).unwrap();
    stage.run(&mut fleet, "j", 4).await.unwrap();
    assert_eq!(fleet.usage().unwrap().tasks, 4);
    stage.stop(&mut fleet).await;
}

#[tokio::test]
async fn an_existing_cluster_is_used_and_kept() {
    let stage = Stage::new(Rules::default()).await;
    stage.sim.world.lock().unwrap().existing_cluster("shared", &[]);
    let workers = fargate(3, "", "cluster = 'arn:aws:ecs:eu-west-1:1:cluster/shared'");
    let mut fleet = Fargate::new(&stage.session, &workers).unwrap();
    stage.run(&mut fleet, "j", 3).await.unwrap();
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
    assert_eq!((stage.sim.count("CreateCluster"), stage.sim.count("DeleteCluster")), (0, 0));
    assert!(stage.sim.world.lock().unwrap().clusters["shared"].active);
}

#[tokio::test]
async fn tasks_that_hang_or_die_on_their_way_are_replaced() {
    let rules = Rules { stuck: vec![1, 3], dead: crate::sim::Dead::Some(vec![4]), ..Rules::default() };
    let stage = Stage::new(rules).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(6, "start_timeout = '1s'", "")).unwrap();
    stage.run(&mut fleet, "j", 6).await.unwrap();
    assert_eq!(fleet.usage().unwrap().tasks, 9);
    let ended = fleet.usage().unwrap().ended;
    let mut why: Vec<_> =
        ended.iter().map(|l| (l.task.rsplit('/').next().unwrap().trim_start_matches('0'), l.why.as_str())).collect();
    why.sort_unstable();
    assert_eq!(
        why,
        [
            ("1", "before it connected: not connected for 1 s; ECS says PENDING"),
            ("3", "before it connected: not connected for 1 s; ECS says PENDING"),
            (
                "4",
                "before it connected: CannotPullContainerError: pull image manifest: img: not found (is `image` right?)"
            ),
        ]
    );
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn a_worker_that_aws_takes_away_is_replaced() {
    let stage = Stage::new(Rules::default()).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(2, "", "")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    let lost = stage.workers.connected()[0].task_arn.clone().unwrap();
    stage.sim.world.lock().unwrap().end_task(&lost, "SpotInterruption", "Your Spot Task was interrupted.");
    let replaced = async {
        while fleet_has_not(&stage, &lost) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        error = fleet.keep(&stage.workers) => panic!("{error}"),
        () = replaced => {}
    }
    let ended = fleet.usage().unwrap().ended;
    assert_eq!((ended[0].why.as_str(), ended[0].connected), ("AWS took its Spot capacity back", true));
    assert_eq!(stage.stop(&mut fleet).await, none());
}

/// Whether there aren't yet two workers, both others than `lost`.
fn fleet_has_not(stage: &Stage, lost: &str) -> bool {
    let connected = stage.workers.connected();
    connected.len() < 2 || connected.iter().any(|a| a.task_arn.as_deref() == Some(lost))
}

#[tokio::test]
async fn spot_falls_back_to_on_demand_for_the_rest() {
    let stage = Stage::new(Rules { spot: 4, ..Rules::default() }).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(12, "", "spot = 'prefer'")).unwrap();
    stage.run(&mut fleet, "j", 12).await.unwrap();
    {
        let world = stage.sim.world.lock().unwrap();
        assert_eq!(world.tasks.iter().filter(|t| t.spot).count(), 4);
        assert_eq!(world.tasks.len(), 12);
    }
    stage.stop(&mut fleet).await;
    assert!(fleet.usage().unwrap().spot_task_seconds > 0.0 && fleet.usage().unwrap().task_seconds > 0.0);
}

#[tokio::test]
async fn spot_that_a_shared_cluster_does_not_offer_becomes_on_demand_or_an_error() {
    let stage = Stage::new(Rules::default()).await;
    stage.sim.world.lock().unwrap().existing_cluster("shared", &["FARGATE"]);
    let mut fleet = Fargate::new(&stage.session, &fargate(2, "", "cluster = 'shared'\nspot = 'prefer'")).unwrap();
    stage.run(&mut fleet, "j", 2).await.unwrap();
    stage.stop(&mut fleet).await;

    let mut fleet = Fargate::new(&stage.session, &fargate(2, "", "cluster = 'shared'\nspot = 'only'")).unwrap();
    let error = stage.run(&mut fleet, "k", 2).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no worker can be started; last: cannot start 2 worker tasks on Spot capacity: The specified capacity provider \
         'FARGATE_SPOT' was not found. (InvalidParameterException)"
    );
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn spot_tasks_that_stop_before_they_connect_become_on_demand() {
    let stage = Stage::new(Rules { fleeting_spot: true, ..Rules::default() }).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(6, "", "spot = 'prefer'")).unwrap();
    stage.run(&mut fleet, "j", 6).await.unwrap();
    {
        let world = stage.sim.world.lock().unwrap();
        assert!(world.tasks.iter().filter(|t| t.spot).count() >= 6);
        assert_eq!(world.tasks.iter().filter(|t| !t.spot).count(), 6);
    }
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn an_account_that_has_never_used_spot_gets_on_demand() {
    let stage = Stage::new(Rules { new_account: true, ..Rules::default() }).await;
    for spot in ["never", "prefer"] {
        let mut fleet = Fargate::new(&stage.session, &fargate(2, "", &format!("spot = '{spot}'"))).unwrap();
        stage.run(&mut fleet, spot, 2).await.unwrap();
        assert_eq!(stage.stop(&mut fleet).await, none());
        assert_eq!(stage.sim.inventory(), none());
    }
}

#[tokio::test]
async fn ids_that_do_not_exist_end_the_job_at_once() {
    let subnet = "cannot start 2 worker tasks: Error retrieving subnet information for [subnet-a]: The subnet ID 'subnet-a' does \
                  not exist (ErrorCode: InvalidSubnetID.NotFound) (InvalidParameterException)";
    let cluster = "cannot start 2 worker tasks: Cluster not found. (ClusterNotFoundException)";
    for (more, message) in [("", subnet), ("cluster = 'nowhere'", cluster)] {
        let stage = Stage::new(Rules { unknown: vec!["subnet-a".to_owned()], ..Rules::default() }).await;
        let mut fleet = Fargate::new(&stage.session, &fargate(2, "", more)).unwrap();
        let error = stage.run(&mut fleet, "j", 2).await.unwrap_err();
        assert_eq!(error.to_string(), format!("no worker can be started; last: {message}"));
        assert_eq!(stage.sim.count("RunTask"), 1, "asked for once");
        assert_eq!(stage.stop(&mut fleet).await, none());
        assert_eq!(stage.sim.inventory(), none());
    }
}

#[tokio::test]
async fn too_little_capacity_is_asked_for_again() {
    let stage = Stage::new(Rules { fargate: 3, ..Rules::default() }).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(5, "", "")).unwrap();
    stage.run(&mut fleet, "j", 3).await.unwrap();
    // Later there is more.
    stage.sim.world.lock().unwrap().rules.fargate = 10;
    let all = async {
        while stage.workers.connected().len() < 5 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        error = fleet.keep(&stage.workers) => panic!("{error}"),
        () = all => {}
    }
    assert_eq!(fleet.usage().unwrap().tasks, 5);
    stage.stop(&mut fleet).await;
}

#[tokio::test]
async fn fewer_than_min_count_fails_after_a_while() {
    let stage = Stage::new(Rules { fargate: 1, ..Rules::default() }).await;
    let workers = fargate(5, "min_count = 2\nstart_timeout = '1s'", "");
    let mut fleet = Fargate::new(&stage.session, &workers).unwrap();
    let error = stage.run(&mut fleet, "j", 2).await.unwrap_err().to_string();
    assert!(error.starts_with("only 1 workers instead of at least 2 (`min_count`) for 3 s; last: cannot start 4 worker tasks: Capacity is unavailable"), "{error}");
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_ends_the_job_soon() {
    let stage = Stage::new(Rules { dead: crate::sim::Dead::All, ..Rules::default() }).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(4, "", "")).unwrap();
    let error = stage.run(&mut fleet, "j", 1).await.unwrap_err().to_string();
    assert!(
        error.starts_with("4 worker tasks in a row ended before they connected; last: task arn:aws:ecs:"),
        "{error}"
    );
    assert!(
        error.ends_with("CannotPullContainerError: pull image manifest: img: not found (is `image` right?)"),
        "{error}"
    );
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
}

#[tokio::test]
async fn a_missing_permission_is_named_and_nothing_stays() {
    for (action, doing) in [
        ("CreateCluster", "make cluster tilefn-j"),
        ("RegisterTaskDefinition", "register task definition tilefn-j"),
        ("RunTask", "start 2 worker tasks"),
    ] {
        let stage = Stage::new(Rules::default()).await;
        stage.sim.fault(When::Action(action, 1), DENY);
        let mut fleet = Fargate::new(&stage.session, &fargate(2, "", "")).unwrap();
        let error = stage.run(&mut fleet, "j", 2).await.unwrap_err().to_string();
        let expected = format!(
            "cannot {doing}: User is not authorized (AccessDeniedException); it needs the permission ecs:{action}; \
             docs/aws.md lists the permissions that the controller needs"
        );
        assert!(error.ends_with(&expected), "{error}");
        assert_eq!(stage.stop(&mut fleet).await, none());
        assert_eq!(stage.sim.inventory(), none(), "{action}");
    }
}

#[tokio::test]
async fn throttling_is_waited_out_even_where_it_hides() {
    let stage = Stage::new(Rules::default()).await;
    for (code, message) in [
        ("ThrottlingException", "Rate exceeded"),
        (
            "InvalidParameterException",
            "Error retrieving subnet information for [subnet-a]: Rate exceeded (ErrorCode: Throttling)",
        ),
    ] {
        stage.sim.fault(When::Action("RunTask", 2), Fault::Say { status: 400, code, message });
    }
    let mut fleet = Fargate::new(&stage.session, &fargate(3, "", "")).unwrap();
    stage.run(&mut fleet, "j", 3).await.unwrap();
    assert_eq!(stage.sim.count("RunTask"), 5);
    stage.stop(&mut fleet).await;
}

#[tokio::test]
async fn a_lost_answer_starts_no_task_twice() {
    for tries in [1, 5] {
        let stage = Stage::with_tries(Rules::default(), tries).await;
        stage.sim.fault(When::Action("RunTask", 1), Fault::Lose);
        let mut fleet = Fargate::new(&stage.session, &fargate(4, "", "")).unwrap();
        stage.run(&mut fleet, "j", 4).await.unwrap();
        assert_eq!(stage.sim.world.lock().unwrap().tasks.len(), 4);
        assert_eq!(stage.stop(&mut fleet).await, none());
    }
}

#[tokio::test]
async fn hundreds_of_tasks_are_looked_at_in_pages() {
    let stage = Stage::new(Rules::default()).await;
    let mut fleet = Fargate::new(&stage.session, &fargate(230, "", "")).unwrap();
    stage.run(&mut fleet, "j", 230).await.unwrap();
    assert_eq!(stage.stop(&mut fleet).await, none());
    assert_eq!(stage.sim.inventory(), none());
    assert_eq!(stage.sim.count("StopTask"), 230, "one for each");
}
