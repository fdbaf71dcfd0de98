//! Workers that never come: the address that they are told, and what the user learns of why.

use crate::documented::assert_documented;
use crate::labour;
use crate::program::{ENDLESS, assert_nothing_stays, aws, in_s3, objects, run, tilefn, workers};
use crate::running::{Running, signal};
use crate::sim::{DENY, Dead, Fault, Rules, When};
use crate::stage::{Stage, ec2, fargate};
use crate::support::Run;
use aws::{Ec2, Fargate};
use controller::fleet::Fleet;

const LOGS: &str = "log_group = '/logs'\nexecution_role_arn = 'arn:aws:iam::1:role/e'";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_not_read_its_ticket_is_quoted() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(4, "", LOGS));
    sim.fault(When::Action("s3:GETJson", 100), DENY);
    let run = run(&sim, &f, "submit job.toml");
    let message = run.error(3);
    assert!(message.starts_with("4 worker tasks in a row ended before they connected; last: task arn:"), "{message}");
    assert!(
        message.contains(
            "exit code 10 (it can't read its ticket: `task_role_arn` needs s3:GetObject on s3://bucket/tilefn/jobs/"
        ),
        "{message}"
    );
    let last = message.lines().last().unwrap();
    assert!(
        last.starts_with("  error: cannot read s3://bucket/tilefn/jobs/") && last.contains("AccessDenied"),
        "{message}"
    );
    assert_documented(message);
    assert_nothing_stays(&sim);
}

/// It takes half a minute, for which a worker tries.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_reaches_nobody_says_where_it_looked() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(4, "advertise = '127.0.0.1:1'", LOGS));
    let run = run(&sim, &f, "submit job.toml");
    let message = run.error(3);
    assert!(message.contains("exit code 11 (can it reach the controller at 127.0.0.1:1? "), "{message}");
    let last = message.lines().last().unwrap();
    assert!(last.starts_with("  error: no controller could be reached: 127.0.0.1:1: "), "{message}");
    assert_documented(message);
    let (said, accepted) =
        (run.stderr.find("workers will connect to 127.0.0.1:1\n"), run.stderr.find("tasks accepted"));
    assert!(said.unwrap() < accepted.unwrap(), "{}", run.stderr);
    assert_nothing_stays(&sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_may_not_be_read_is_no_reason_to_stop() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(4, "", LOGS));
    sim.fault(When::Action("s3:GETJson", 100), DENY);
    sim.fault(When::Action("GetLogEvents", 100), DENY);
    let run = run(&sim, &f, "submit job.toml");
    let message = run.error(3);
    assert!(message.contains("exit code 10 (") && !message.contains("its log ends"), "{message}");
    assert_eq!(run.stderr.matches("it needs the permission cloudwatchlogs:GetLogEvents").count(), 0, "{}", run.stderr);
    assert_eq!(run.stderr.matches("it needs the permission logs:GetLogEvents").count(), 1, "{}", run.stderr);
}

/// Whatever ECS says is passed on with the advice that fits, for both kinds.
#[tokio::test]
async fn ecs_words_get_the_advice_that_fits() {
    for (reason, advice) in [
        (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): image Manifest does not contain descriptor \
          matching platform 'linux/arm64'",
            "(is `image` made for `cpu_architecture`?)",
        ),
        (
            "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit.",
            "(the registry limits pulls: ",
        ),
        (
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create \
          Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
            "(make the log group that ",
        ),
        (
            "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: failed to create \
          Cloudwatch log stream: AccessDeniedException: no",
            " needs logs:CreateLogStream ",
        ),
    ] {
        let rules = Rules { dead: Dead::All, reason, memory: 100_000, ..Rules::default() };
        let stage = Stage::new(rules.clone()).await;
        let mut fleet = Fargate::new(&stage.session, &fargate(4, "", "")).unwrap();
        let message = stage.run(&mut fleet, "j", 1).await.unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains(advice), "{message}");
        assert_documented(&message);
        stage.stop(&mut fleet).await;

        let stage = Stage::new(rules).await;
        let mut fleet = Ec2::new(&stage.session, &ec2(4, 1, "")).unwrap();
        let message = stage.run(&mut fleet, "j", 1).await.unwrap_err().to_string();
        assert!(message.contains(reason) && message.contains(advice), "{message}");
        stage.stop(&mut fleet).await;
    }
}

#[tokio::test]
async fn memory_is_asked_for_where_each_kind_has_it() {
    for (is_ec2, advice) in [(false, "set more `memory`"), (true, "set more `memory_reservation`")] {
        let stage = Stage::new(Rules { exit: Some(137), memory: 100_000, ..Rules::default() }).await;
        let ended = if is_ec2 {
            let mut fleet = Ec2::new(&stage.session, &ec2(1, 1, "")).unwrap();
            ended(&stage, &mut fleet).await
        } else {
            let mut fleet = Fargate::new(&stage.session, &fargate(1, "", "")).unwrap();
            ended(&stage, &mut fleet).await
        };
        assert!(ended.contains(advice), "{ended}");
        assert_documented(&ended);
    }
}

/// What became of the fleet's first task that ended.
async fn ended(stage: &Stage, fleet: &mut impl Fleet) -> String {
    stage.sim.let_time_pass();
    stage.run(fleet, "j", 1).await.unwrap();
    loop {
        if let Some(ended) = fleet.usage().unwrap().ended.first() {
            let why = ended.why.clone();
            stage.stop(fleet).await;
            return why;
        }
        tokio::select! {
            error = fleet.keep(&stage.workers) => panic!("{error}"),
            () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
        }
    }
}

/// Each of them connects, so that the count of those that never do stays at zero.
#[tokio::test]
async fn workers_that_cannot_use_the_module_are_not_started_for_ever() {
    let stage = Stage::new(Rules { exit: Some(13), ..Rules::default() }).await;
    stage.sim.let_time_pass();
    let mut fleet = Fargate::new(&stage.session, &fargate(2, "", "")).unwrap();
    let message = stage.run(&mut fleet, "j", usize::MAX).await.unwrap_err().to_string();
    assert!(message.contains(" worker tasks could not use the job's module, and none could"), "{message}");
    assert!(message.contains("exit code 13 (it can't use the job's module: "), "{message}");
    assert_documented(&message);
    stage.stop(&mut fleet).await;
}

/// Hundredths of a processor's second after which a worker is past preparing, and counts in a tile.
const COUNTING: u64 = 300;

fn processor_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_that_kills_its_workers_is_told_with_what_aws_says() {
    let sim = aws().await;
    let f = labour::folder(ENDLESS, &workers(1, "max_attempts = 1", ""));
    let mut controller = Running::start(&f, "controller", tilefn(&sim, &f, "submit job.toml -v"));
    controller.says(" joined: ");
    controller.until("a tile is under way", |_| {
        let world = sim.world.lock().unwrap();
        let worker = world.agent.as_ref().unwrap().processes.values().next().unwrap().id();
        processor_ticks(worker) > COUNTING
    });
    let worker = sim.world.lock().unwrap().agent.as_ref().unwrap().processes.values().next().unwrap().id();
    signal(worker, "KILL");
    let run = controller.wait();
    let message = run.error(3);
    assert!(message.contains(" was lost 1 times with the worker that ran it"), "{message}");
    assert!(
        message.contains("; AWS says: exit code 137 (out of memory? set more `memory`, or fewer `threads`)"),
        "{message}"
    );
    assert_documented(message);
    assert_nothing_stays(&sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_only_this_machine_has_is_refused_before_anything_is_made() {
    let sim = aws().await;
    for (set, key, address) in [
        ("", "listen", "127.0.0.1:0"),
        ("--set workers.advertise=localhost", "advertise", "localhost"),
        ("--set workers.advertise=\"[::1]:7400\"", "advertise", "[::1]:7400"),
        ("--set workers.advertise=0.0.0.0", "advertise", "0.0.0.0"),
    ] {
        let f = labour::folder(0, &workers(1, "", ""));
        let mut command = tilefn(&sim, &f, &format!("submit job.toml {set}"));
        // An emulator's workers may be here.
        let refused = Run::of(command.env_remove("AWS_ENDPOINT_URL").output().unwrap());
        let message = refused.error(2);
        assert!(message.starts_with(&format!("workers.{key}: workers on AWS can't reach {address}, ")), "{message}");
        assert_documented(message);
    }
    assert_eq!(sim.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_instance_the_address_is_the_one_that_ec2_tells() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(1, "", ""));
    let mut command = tilefn(&sim, &f, "submit job.toml --report report.json --set workers.listen=0.0.0.0:0");
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &sim.url);
    let run = Running::start(&f, "controller", command).wait();
    labour::assert_done(&f, &run);
    assert!(run.stderr.contains("workers will connect to 127.0.0.2:"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_off_aws_gets_a_warning() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(1, "", ""));
    // An address that this machine doesn't have, so that the job ends there.
    let mut command = tilefn(&sim, &f, "submit job.toml --set workers.listen=10.255.255.1:0");
    command.env_remove("AWS_ENDPOINT_URL").env("AWS_ENDPOINT_URL_S3", &sim.url);
    let run = Run::of(command.output().unwrap());
    assert!(run.error(3).starts_with("can't listen on 10.255.255.1:0 for workers: "), "{run:?}");
    let warning = "10.255.255.1 is a private address, and this machine is not on AWS: ";
    let line = run.stderr.lines().find(|line| line.contains(warning)).unwrap_or_else(|| panic!("{}", run.stderr));
    assert!(line.contains("tilefn submit --detach"), "{line}");
    assert_documented(line);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_another_region_is_told_with_that_region() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(1, "", ""));
    let _set = in_s3(&sim, &f);
    std::fs::rename(f.path().join("original.tif"), f.path().join("a.tif")).unwrap();
    for method in ["s3:HEADObject", "s3:PUTObject", "s3:PUTJson"] {
        sim.fault(When::Action(method, 100), Fault::Elsewhere("ap-southeast-2"));
        let run = run(&sim, &f, "submit job.toml");
        let message = run.error(3);
        assert!(
            message.ends_with("; the bucket is in ap-southeast-2: set region = \"ap-southeast-2\" in [workers.s3]"),
            "{method}: {message}"
        );
        assert_documented(message);
        sim.clear_faults();
    }
    assert_eq!(objects(&sim).iter().filter(|k| k.ends_with(".json")).count(), 0);
    assert_nothing_stays(&sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_no_missing_permission() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(1, "", ""));
    let expired = Fault::Say { status: 400, code: "ExpiredTokenException", message: "The security token has expired" };
    sim.fault(When::Action("CreateCluster", 1), expired);
    let run = run(&sim, &f, "submit job.toml");
    let message = run.error(3);
    assert!(message.contains("renew the credentials") && !message.contains("permission"), "{message}");
    assert_documented(message);
}
