//! Jobs that are left to AWS: the controller is a task too, and other commands look after it.

use crate::labour::{self, assert_done};
use crate::program::{ENDLESS, assert_nothing_stays, aws, back, in_s3, object, objects, run, workers};
use crate::running::signal;
use crate::sim::{DENY, Rules, Sim, When};
use crate::support::{Folder, Run};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Nothing here takes longer, even on a busy machine: it hangs.
const FOR_EVER: Duration = Duration::from_secs(180);

/// What `--detach` needs besides.
const SETTINGS: &str = "job_name = 'left'\ncluster = 'shared'\ncontroller_role_arn = 'arn:aws:iam::1:role/c'\n\
                        execution_role_arn = 'arn:aws:iam::1:role/e'\nlog_group = '/logs'";

async fn account() -> Sim {
    let sim = aws().await;
    sim.world.lock().unwrap().existing_cluster("shared", &["FARGATE"]);
    sim
}

/// Leaves the job to AWS, and returns its id.
#[track_caller]
fn leave(sim: &Sim, f: &Folder, set: &str) -> String {
    let run = run(sim, f, &format!("--json submit job.toml --detach {set}"));
    let last: Value = serde_json::from_str(run.ok().stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "submitted");
    last["job"].as_str().unwrap().to_owned()
}

/// Asks until the answer fits.
#[track_caller]
fn until(what: &str, mut ask: impl FnMut() -> (bool, String)) {
    let started = Instant::now();
    loop {
        let (fits, said) = ask();
        if fits {
            return;
        }
        assert!(started.elapsed() < FOR_EVER, "waiting until {what}: {said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn until_nothing_stays(sim: &Sim) {
    until("nothing stays", || (sim.inventory().is_empty(), format!("{:?}", sim.inventory())));
}

#[track_caller]
fn until_it_works(sim: &Sim, f: &Folder, id: &str) {
    until("it works", || {
        let log = ask(sim, f, "logs", id);
        (log.stdout.contains("2 workers are connected"), format!("{log:?}"))
    });
}

fn until_lost(sim: &Sim, f: &Folder, id: &str) {
    until("it is lost", || {
        let asked = ask(sim, f, "status", id);
        (asked.code == 3, format!("{asked:?}"))
    });
}

fn ask(sim: &Sim, f: &Folder, command: &str, id: &str) -> Run {
    run(sim, f, &format!("{command} {id} --job job.toml"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_left_to_aws_is_done_there() {
    let sim = account().await;
    let f = labour::folder(0, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    let id = leave(&sim, &f, &set);
    assert!(id.starts_with("left-"), "{id}");
    until("it is done", || {
        let asked = ask(&sim, &f, "status", &id);
        (asked.stdout.starts_with(&format!("job {id}: done: 64 tiles in ")), format!("{asked:?}"))
    });
    until_nothing_stays(&sim);

    let job = |file: &str| object(&sim, &format!("tilefn/jobs/{id}/{file}"));
    std::fs::copy(job("report.json"), f.path().join("report.json")).unwrap();
    let log = ask(&sim, &f, "logs", &id).ok().stdout.clone();
    assert!(log.contains("2 worker tasks accepted, 2 in all"), "{log}");
    back(&sim, &f);
    let report = assert_done(&f, &ask(&sim, &f, "status", &id));
    assert_eq!(report["job"]["path"], format!("s3://bucket/tilefn/jobs/{id}/job.json"));
    let left: Vec<_> = objects(&sim).into_iter().filter(|k| k.starts_with("tilefn/jobs/")).collect();
    let left: Vec<_> = left.into_iter().filter(|k| !k.ends_with("/progress.json")).collect();
    assert_eq!(left, ["controller.json", "job.json", "report.json"].map(|file| format!("tilefn/jobs/{id}/{file}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_cleans_up() {
    let sim = account().await;
    let f = labour::folder(ENDLESS, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    let id = leave(&sim, &f, &set);
    until_it_works(&sim, &f, &id);
    until("it says how far it is", || {
        let asked = ask(&sim, &f, "status", &id).ok().stdout.clone();
        (asked.starts_with(&format!("job {id}: running: 0 of 64 tiles, as task arn:aws:ecs:")), asked)
    });
    let cancelled = ask(&sim, &f, "cancel", &id);
    assert!(cancelled.ok().stdout.starts_with(&format!("job {id}: failed: ")), "{cancelled:?}");
    assert!(cancelled.stdout.contains("interrupted"), "{cancelled:?}");
    assert_nothing_stays(&sim);
    assert!(ask(&sim, &f, "status", &id).error(1).contains("interrupted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_says_why() {
    let sim = account().await;
    let f = labour::folder(0, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    let id = leave(&sim, &f, &format!("{set} --set params.at=21"));
    until("it has failed", || {
        let asked = ask(&sim, &f, "status", &id);
        (asked.code == 1, format!("{asked:?}"))
    });
    let message = ask(&sim, &f, "status", &id).error(1).to_owned();
    assert!(message.starts_with(&format!("job {id}: failed: tile 21 (row 2, column 5) on worker ")), "{message}");
    assert!(message.contains("gain must be positive"), "{message}");
    until_nothing_stays(&sim);
    let json = run(&sim, &f, &format!("--json status {id} --job job.toml"));
    let said: Value = serde_json::from_str(json.stdout.lines().last().unwrap()).unwrap();
    let standing = &said["detail"]["standing"];
    assert_eq!((&standing["state"], &standing["error"]["exit_code"]), (&"failed".into(), &1.into()), "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_may_not_read_its_job_says_so() {
    let sim = account().await;
    let f = labour::folder(0, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    // Nobody else has read an object of the job before.
    sim.fault(When::Action("s3:GETJson", 1), DENY);
    let id = leave(&sim, &f, &set);
    until_nothing_stays(&sim);
    let url = format!("s3://bucket/tilefn/jobs/{id}/job.json");
    assert_eq!(
        ask(&sim, &f, "status", &id).error(1),
        format!(
            "job {id}: failed: cannot read {url}: User is not authorized (AccessDenied); it needs the permission s3:GetObject; docs/aws.md lists the \
             permissions that the controller needs"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_no_controller_is_seen_in_the_status_and_cancelled() {
    let sim = Sim::start(Rules::default()).await;
    sim.run_containers(Path::new("/bin/false"));
    sim.world.lock().unwrap().existing_cluster("shared", &["FARGATE"]);
    let f = labour::folder(0, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    let id = leave(&sim, &f, &set);
    let why = format!("the controller's task has ended: exit code 1; tilefn logs {id} has its last words");
    until_lost(&sim, &f, &id);
    assert_eq!(ask(&sim, &f, "status", &id).error(3), format!("job {id}: lost: {why}"));
    assert!(!sim.inventory().is_empty(), "its task definition is left");
    let cancelled = format!("job {id}: failed: cancelled; {why}");
    assert_eq!(ask(&sim, &f, "cancel", &id).ok().stdout.trim_end(), cancelled);
    assert_nothing_stays(&sim);
    assert_eq!(ask(&sim, &f, "status", &id).error(1), cancelled);
}

/// Whether its controller runs by then or not: it does not begin.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_at_once_leaves_nothing() {
    let sim = account().await;
    let f = labour::folder(ENDLESS, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    let id = leave(&sim, &f, &set);
    let cancelled = ask(&sim, &f, "cancel", &id);
    assert!(cancelled.ok().stdout.starts_with(&format!("job {id}: failed: ")), "{cancelled:?}");
    assert_nothing_stays(&sim);
    assert_eq!(ask(&sim, &f, "status", &id).code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_killed_is_seen_to_be_lost_and_cleaned_up_after() {
    let sim = account().await;
    let f = labour::folder(ENDLESS, &workers(2, "", SETTINGS));
    let set = in_s3(&sim, &f);
    let id = leave(&sim, &f, &set);
    until_it_works(&sim, &f, &id);
    let controller = {
        let world = sim.world.lock().unwrap();
        world.agent.as_ref().unwrap().processes[&world.tasks[0].arn].id()
    };
    signal(controller, "KILL");
    until_lost(&sim, &f, &id);
    let message = ask(&sim, &f, "status", &id).error(3).to_owned();
    assert!(
        message.starts_with(&format!("job {id}: lost: the controller's task has ended: exit code 137")),
        "{message}"
    );
    let listed = ask(&sim, &f, "gc", &id).ok().stdout.clone();
    assert!(listed.contains("ticket s3://bucket/") && listed.contains("\ntask definition tilefn-left-"), "{listed}");
    ask(&sim, &f, "gc --delete", &id).ok();
    until_nothing_stays(&sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_before_anything_is_sent() {
    let sim = account().await;
    let f = labour::folder(0, &workers(2, "", SETTINGS));
    let local = f.path().join("a.tif");
    let refused = |set: &str, code, expected: &str| {
        let run = run(&sim, &f, &format!("submit job.toml --detach {set}"));
        assert_eq!(run.error(code), expected);
    };
    refused("--workers processes:2", 2, "workers.kind is \"processes\"; tilefn submit --detach works with fargate");
    refused(
        "",
        2,
        &format!(
            "image: {} is a file of this machine, which a controller on AWS can't reach; use s3://",
            local.display()
        ),
    );
    let set = in_s3(&sim, &f);
    let text = f.read("job.toml").replace("cluster = 'shared'", "");
    f.write("job.toml", &text);
    refused(
        &set,
        3,
        "cannot leave the job to AWS: the job file lacks `cluster` in [workers.fargate]; a cluster made for the job could \
         not be deleted by a controller inside it",
    );
    assert_eq!(objects(&sim), ["in/a.tif"]);
    assert_nothing_stays(&sim);
    assert_eq!(
        ask(&sim, &f, "status", "none").error(3),
        "cannot find job none: there is no s3://bucket/tilefn/jobs/none/controller.json"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_cannot_be_started_leaves_nothing() {
    for action in ["RegisterTaskDefinition", "RunTask"] {
        let sim = account().await;
        let f = labour::folder(0, &workers(2, "", SETTINGS));
        let set = in_s3(&sim, &f);
        sim.fault(When::Action(action, 1), DENY);
        let message = run(&sim, &f, &format!("submit job.toml --detach {set}")).error(3).to_owned();
        assert!(
            message.contains(&format!(
                "User is not authorized (AccessDeniedException); it needs the permission ecs:{action}"
            )),
            "{message}"
        );
        assert_nothing_stays(&sim);
        let keys = objects(&sim);
        assert!(keys.iter().all(|k| k == "in/a.tif" || k.starts_with("tilefn/modules/")), "{keys:?}");
    }
}
