//! Jobs on Fargate, in an emulated AWS that starts the worker's image for each task: with the roles and the policy that we ship.
//!
//! scripts/emulated-aws.sh runs these tests.

use crate::containers::asked;
use crate::labour::{self, FILES, assert_done};
use crate::running::{Running, assert_tidy};
use crate::support::{Folder, Run, TILEFN};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Enough for the job to take some seconds.
const SOME: u64 = 300_000_000;
/// Enough for a tile to take many seconds.
const ENDLESS: u64 = 1 << 40;
/// Nothing here takes longer, even on a busy machine: it hangs.
const FOR_EVER: Duration = Duration::from_secs(180);
/// How often is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(200);

/// The emulated account: a folder with the stack's description and the controller's keys.
fn account() -> Option<PathBuf> {
    let account = std::env::var_os("TILEFN_ACCOUNT").map(PathBuf::from);
    if account.is_none() {
        eprintln!(
            "SKIPPED: Fargate: there is no emulated AWS; scripts/emulated-aws.sh starts one and runs these tests"
        );
    }
    account
}

/// A folder with a job for Fargate. What `tilefn aws init` makes of the stack is in it as it is, but the image, which is
/// not in a repository here.
fn folder(account: &Path, steps: u64) -> Folder {
    let sections = Command::new(TILEFN).args(["aws", "init"]).arg(account.join("stack.json")).output().unwrap();
    assert!(sections.status.success());
    let sections = String::from_utf8(sections.stdout).unwrap();
    labour::folder(steps, sections.split_once("[workers]\n").unwrap().1)
}

/// The program in the folder, with the keys of a user with the documented policies and nothing else.
fn tilefn(f: &Folder, account: &Path, arguments: &str) -> Command {
    let keys: Value = serde_json::from_slice(&std::fs::read(account.join("user.json")).unwrap()).unwrap();
    let mut command = f.command();
    for (name, value) in keys.as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    command.args(arguments.split_whitespace());
    command
}

fn run(f: &Folder, account: &Path, arguments: &str) -> Run {
    Run::of(tilefn(f, account, arguments).output().unwrap())
}

/// `tilefn submit` with workers in the static image.
fn submit(f: &Folder, account: &Path, set: &str) -> Running {
    submit_with("TILEFN_IMAGE", f, account, set)
}

/// `tilefn submit` with workers in the image that the environment variable names.
fn submit_with(image: &str, f: &Folder, account: &Path, set: &str) -> Running {
    let image = std::env::var(image).unwrap();
    let mut command = tilefn(f, account, "submit job.toml --report report.json --set workers.listen=127.0.0.1:0 -v");
    command.args(["--set", &format!("workers.fargate.image={image}")]).args(set.split_whitespace());
    Running::start(f, "controller", command)
}

/// Leaves the job to AWS, and returns its id.
#[track_caller]
fn leave(f: &Folder, account: &Path, set: &str) -> String {
    let image = std::env::var("TILEFN_IMAGE_GDAL").unwrap();
    let set = format!("{set} --set workers.fargate.image={image}");
    let run = run(f, account, &format!("--json submit job.toml --detach {set}"));
    let last: Value = serde_json::from_str(run.ok().stdout.lines().last().unwrap()).unwrap();
    last["job"].as_str().unwrap().to_owned()
}

/// Asks about a job that was left to AWS until the answer fits.
#[track_caller]
fn until(f: &Folder, account: &Path, question: &str, fits: impl Fn(&Run) -> bool) -> Run {
    let started = Instant::now();
    loop {
        let run = run(f, account, &format!("{question} --job job.toml"));
        if fits(&run) {
            return run;
        }
        assert!(started.elapsed() < FOR_EVER, "{question}: {run:?}");
        std::thread::sleep(LOOK);
    }
}

/// Moves the input into a bucket, and lets the job read and write there, under this key.
fn in_s3(f: &Folder, account: &Path, key: &str) -> String {
    let file = f.path().join("a.tif");
    ask(account, &format!("result = client('s3').upload_file({file:?}, 'scenes', '{key}/a.tif')"));
    std::fs::rename(file, f.path().join("original.tif")).unwrap();
    format!(
        "--set inputs.image.path=s3://scenes/{key}/a.tif --set outputs.added.path=s3://scenes/{key}/added.tif \
         --set outputs.tile.path=s3://scenes/{key}/tile.tif"
    )
}

/// Brings the outputs back, to be compared.
fn back(f: &Folder, account: &Path, key: &str) {
    std::fs::rename(f.path().join("original.tif"), f.path().join("a.tif")).unwrap();
    for name in ["added.tif", "tile.tif"] {
        let file = f.path().join(name);
        ask(account, &format!("result = client('s3').download_file('scenes', '{key}/{name}', {file:?})"));
    }
}

/// Runs Python code with boto3 as the account's root; `client(service)` and the stack's outputs `out` are there, and what it
/// leaves in `result` is returned.
#[track_caller]
fn ask(account: &Path, code: &str) -> Value {
    let head = "import boto3, json, sys\nclient = boto3.client\n\
                out = {o['OutputKey']: o['OutputValue'] for o in json.load(open(sys.argv[1]))['Stacks'][0]['Outputs']}\n";
    let code = format!("{head}{code}\nprint(json.dumps(result, default=str))");
    let python = std::env::var("TILEFN_PYTHON").unwrap();
    let output = Command::new(python).arg("-c").arg(code).arg(account.join("stack.json")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All tasks that have run since the emulator started: exit code of each.
const EXITS: &str = "
ecs = client('ecs')
arns = ecs.list_tasks(cluster=out['Cluster'], desiredStatus='STOPPED')['taskArns']
tasks = ecs.describe_tasks(cluster=out['Cluster'], tasks=arns)['tasks'] if arns else []
result = sorted(t['containers'][0].get('exitCode', -1) for t in tasks)";

/// Asserts that nothing of a job is left on AWS, but its module, its report and what it says for `tilefn status`.
#[track_caller]
fn assert_gone(account: &Path) {
    let left = ask(
        account,
        "
ecs, kept = client('ecs'), ['report.json', 'job.json', 'controller.json', 'progress.json', 'error.json']
objects = client('s3').list_objects_v2(Bucket=out['Bucket']).get('Contents', [])
result = [
    ecs.list_tasks(cluster=out['Cluster'])['taskArns'],
    ecs.list_task_definitions(status='ACTIVE')['taskDefinitionArns'],
    [c for c in ecs.list_clusters()['clusterArns'] if not c.endswith('/' + out['Cluster'])],
    [o['Key'] for o in objects if not o['Key'].startswith('tilefn/modules/') and o['Key'].rsplit('/')[-1] not in kept],
]",
    );
    assert_eq!(left, json!([[], [], [], []]));
    assert_eq!(asked(&["ps", "--quiet"]), "", "containers are left");
}

#[test]
fn a_job_on_fargate_gives_the_same_as_threads_and_leaves_nothing() {
    let Some(account) = account() else { return };
    let f = folder(&account, 0);
    let started = Instant::now();
    let run = submit(&f, &account, "--workers fargate:3").wait();
    eprintln!("a job with 3 workers on emulated Fargate: {:.1} s", started.elapsed().as_secs_f64());
    let report = assert_done(&f, &run);
    assert!(!run.stderr.contains("WARN") && !run.stderr.contains("warning:"), "{}", run.stderr);
    assert_gone(&account);
    // One that was still starting when the job ended may have been killed.
    let exits = ask(&account, EXITS);
    assert!(exits.as_array().unwrap().contains(&json!(0)), "{exits}");
    assert_eq!(report["tiles"]["retried"], 0, "{report:#}");
    assert_tidy(&f, &FILES);
}

#[test]
fn a_killed_container_costs_nothing_but_its_tiles() {
    let Some(account) = account() else { return };
    let f = folder(&account, SOME);
    let mut controller = submit(&f, &account, "--workers fargate:2 --set limits.time=1h");
    controller.says("%");
    let containers = asked(&["ps", "--quiet"]);
    let first = containers.lines().next().unwrap();
    asked(&["kill", "--signal", "KILL", first]);
    let run = controller.wait();
    let report = assert_done(&f, &run);
    assert!(report["tiles"]["retried"].as_u64().unwrap() > 0, "{report:#}");
    assert_gone(&account);
    let exits = ask(&account, EXITS);
    assert!(exits.as_array().unwrap().contains(&json!(137)), "{exits}");
}

#[test]
fn a_spoilt_module_in_the_bucket_does_no_harm_and_is_in_the_workers_log() {
    let Some(account) = account() else { return };
    let f = folder(&account, 0);
    assert_done(&f, &submit(&f, &account, "--workers fargate:1").wait());
    // As many bytes, but others.
    let spoil = "
s3 = client('s3')
result = [o['Key'] for o in s3.list_objects_v2(Bucket=out['Bucket'], Prefix='tilefn/modules/')['Contents']]
for key in result:
    module = s3.get_object(Bucket=out['Bucket'], Key=key)['Body'].read()
    s3.put_object(Bucket=out['Bucket'], Key=key, Body=module[::-1])";
    let modules = ask(&account, spoil);
    let module = modules[0].as_str().unwrap();
    assert_done(&f, &submit(&f, &account, "--workers fargate:1 --overwrite").wait());
    let lines = ask(
        &account,
        "
logs, group = client('logs'), {'logGroupName': out['LogGroup']}
streams = logs.describe_log_streams(**group)['logStreams']
events = [logs.get_log_events(logStreamName=s['logStreamName'], **group)['events'] for s in streams]
result = [e['message'] for stream in events for e in stream]",
    );
    let said = format!("{module} is not the module that the ticket names; asking the controller for it");
    assert!(lines.as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains(&said)), "{lines:#}");
}

#[test]
fn workers_in_containers_read_from_s3_themselves() {
    let Some(account) = account() else { return };
    let f = folder(&account, 0);
    let set = in_s3(&f, &account, "themselves");
    let set = format!("{set} --workers fargate:2 --set workers.reads=worker");
    let run = submit_with("TILEFN_IMAGE_GDAL", &f, &account, &set).wait();
    run.ok();
    back(&f, &account, "themselves");
    let report = assert_done(&f, &run);
    assert!(!run.stderr.contains("WARN") && !run.stderr.contains("warning:"), "{}", run.stderr);
    assert!(report["workers"].as_array().unwrap().iter().all(|w| w["kind"] == "fargate"), "{report:#}");
    assert_gone(&account);
    assert_tidy(&f, &FILES);
}

/// Controller and workers are containers, with the roles of the stack; the user has no more than the documented policies.
#[test]
fn a_job_that_is_left_to_fargate_is_done_there() {
    let Some(account) = account() else { return };
    let f = folder(&account, 0);
    let set = in_s3(&f, &account, "left");
    let id = leave(&f, &account, &format!("{set} --set workers.reads=worker --set workers.count=2"));
    let done = until(&f, &account, &format!("status {id}"), |run| !run.stdout.contains("ing: "));
    assert!(done.ok().stdout.starts_with(&format!("job {id}: done: 64 tiles in ")), "{done:?}");
    let log = run(&f, &account, &format!("logs {id} --job job.toml")).ok().stdout.clone();
    assert!(log.contains("2 worker tasks accepted, 2 in all") && !log.contains("WARN"), "{log}");
    let report = f.path().join("report.json");
    ask(
        &account,
        &format!("result = client('s3').download_file(out['Bucket'], 'tilefn/jobs/{id}/report.json', {report:?})"),
    );
    back(&f, &account, "left");
    assert_done(&f, &done);
    // The controller's task ends after it has said that it is done.
    let task = "ecs = client('ecs'); result = ecs.list_tasks(cluster=out['Cluster'])['taskArns']";
    let started = Instant::now();
    while ask(&account, task) != json!([]) {
        assert!(started.elapsed() < FOR_EVER);
        std::thread::sleep(LOOK);
    }
    assert_gone(&account);
}

#[test]
fn a_job_that_is_left_to_fargate_fails_with_its_reason_or_is_cancelled() {
    let Some(account) = account() else { return };
    let f = folder(&account, ENDLESS);
    let set = in_s3(&f, &account, "cancelled");
    let set = format!("{set} --set workers.count=2 --set limits.time=1h");
    let id = leave(&f, &account, &set);
    until(&f, &account, &format!("logs {id}"), |run| run.stdout.contains("2 workers are connected"));
    let running = until(&f, &account, &format!("status {id}"), |run| run.stdout.contains(" of 64 tiles, "));
    assert!(
        running.stdout.starts_with(&format!("job {id}: running: 0 of 64 tiles, as task arn:aws:ecs:")),
        "{running:?}"
    );
    let cancelled = run(&f, &account, &format!("cancel {id} --job job.toml"));
    assert!(cancelled.ok().stdout.starts_with(&format!("job {id}: failed: interrupted")), "{cancelled:?}");
    assert_gone(&account);

    let id = leave(&f, &account, &format!("{set} --set params.steps=0 --set params.at=21"));
    let failed = until(&f, &account, &format!("status {id}"), |run| run.code != 0);
    let message = failed.error(1);
    assert!(message.starts_with(&format!("job {id}: failed: tile 21 (row 2, column 5) on worker ")), "{message}");
    assert!(message.contains("gain must be positive"), "{message}");
}
