//! Jobs on Fargate, in an emulated AWS that starts the worker's image for each task: with the roles and the policy that we ship.
//!
//! scripts/emulated-aws.sh runs these tests.

use crate::containers::asked;
use crate::labour::{self, FILES, assert_done};
use crate::running::{Running, assert_tidy};
use crate::support::{Folder, TILEFN};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Enough for the job to take some seconds.
const SOME: u64 = 300_000_000;

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
fn folder(account: &std::path::Path, steps: u64) -> Folder {
    let sections = Command::new(TILEFN).args(["aws", "init"]).arg(account.join("stack.json")).output().unwrap();
    assert!(sections.status.success());
    let sections = String::from_utf8(sections.stdout).unwrap();
    labour::folder(steps, sections.split_once("[workers]\n").unwrap().1)
}

/// `tilefn submit` on it, as a user with the documented policy and nothing else.
fn submit(f: &Folder, account: &std::path::Path, set: &str) -> Running {
    let image = std::env::var("TILEFN_IMAGE").unwrap();
    let keys: Value = serde_json::from_slice(&std::fs::read(account.join("controller.json")).unwrap()).unwrap();
    let mut command = f.command();
    for (name, value) in keys.as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    command.args(["submit", "job.toml", "--report", "report.json", "--set", "workers.listen=127.0.0.1:0", "-v"]);
    command.args(["--set", &format!("workers.fargate.image={image}")]).args(set.split_whitespace());
    Running::start(f, "controller", command)
}

/// Runs Python code with boto3 as the account's root; `client(service)` and the stack's outputs `out` are there, and what it
/// leaves in `result` is returned.
#[track_caller]
fn ask(account: &std::path::Path, code: &str) -> Value {
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

/// Asserts that nothing of a job is left on AWS, but its module and its report.
#[track_caller]
fn assert_gone(account: &std::path::Path) {
    let left = ask(
        account,
        "
ecs = client('ecs')
objects = client('s3').list_objects_v2(Bucket=out['Bucket']).get('Contents', [])
result = [
    ecs.list_tasks(cluster=out['Cluster'])['taskArns'],
    ecs.list_task_definitions(status='ACTIVE')['taskDefinitionArns'],
    [c for c in ecs.list_clusters()['clusterArns'] if not c.endswith('/' + out['Cluster'])],
    [o['Key'] for o in objects if not o['Key'].startswith('tilefn/modules/') and not o['Key'].endswith('/report.json')],
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
