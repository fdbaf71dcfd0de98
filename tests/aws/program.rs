//! The program itself against the simulator, whose tasks are processes of this machine: whole jobs, from the job file to
//! the pixels.

use crate::labour::{self, FILES, assert_done};
use crate::running::{Running, assert_tidy, signal};
use crate::sim::{ACCESS_KEY, DENY, Fault, Rules, SECRET_KEY, Sim, When};
use crate::support::{Folder, TILEFN};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Enough for a tile to take tens of milliseconds.
const SOME: u64 = 10_000_000;
/// Enough for a tile to take many seconds.
pub const ENDLESS: u64 = 1 << 40;

pub async fn aws() -> Sim {
    let sim = Sim::start(Rules::default()).await;
    sim.run_containers(Path::new(TILEFN));
    sim
}

/// The `[workers]` section of a job with so many workers on Fargate, and a controller on this machine.
pub fn workers(count: u32, more: &str, more_fargate: &str) -> String {
    format!(
        "kind = 'fargate'\ncount = {count}\nlisten = '127.0.0.1:0'\nthreads = 1\n{more}\n[workers.s3]\nbucket = 'bucket'\n\
         [workers.fargate]\nimage = 'img:1'\ntask_role_arn = 'arn:aws:iam::1:role/t'\nsubnets = ['subnet-a']\n{more_fargate}"
    )
}

/// The program in the folder, with a user's credentials for the simulator.
pub fn tilefn(sim: &Sim, f: &Folder, arguments: &str) -> Command {
    let mut command = f.command();
    command.args(arguments.split_whitespace());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_ENDPOINT_URL", &sim.url).env("AWS_REGION", "eu-west-1");
    command
}

fn submit(sim: &Sim, f: &Folder, arguments: &str) -> Running {
    Running::start(f, "controller", tilefn(sim, f, &format!("submit job.toml --report report.json {arguments}")))
}

/// Runs a command to its end.
pub fn run(sim: &Sim, f: &Folder, arguments: &str) -> crate::support::Run {
    crate::support::Run::of(tilefn(sim, f, arguments).output().unwrap())
}

/// Objects in the bucket, by key.
pub fn objects(sim: &Sim) -> Vec<String> {
    let bucket = sim.folder.path().join("bucket");
    let (mut keys, mut folders) = (Vec::new(), vec![bucket.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                keys.push(entry.path().strip_prefix(&bucket).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    keys.sort();
    keys
}

pub fn object(sim: &Sim, key: &str) -> PathBuf {
    sim.folder.path().join("bucket").join(key)
}

#[track_caller]
pub fn assert_nothing_stays(sim: &Sim) {
    assert_eq!(sim.inventory(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_on_fargate_and_its_report_is_kept() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(3, "", "job_name = 'labour'\nhourly_price = 0.36"));
    let done = submit(&sim, &f, "").wait();
    let report = assert_done(&f, &done);
    assert_nothing_stays(&sim);
    assert_tidy(&f, &FILES);

    let used = &report["aws"];
    assert_eq!(used["tasks"], 3);
    assert!(used["task_seconds"].as_f64().unwrap() > 0.0);
    // Three tasks for a minute each, which is the least, unless this machine was slow.
    assert!(used["cost_usd"].as_f64().unwrap() >= 0.36 / 20.0 - 1e-9, "{used:#}");
    assert!(done.stdout.contains("3 tasks used "), "{}", done.stdout);
    assert!(report["workers"].as_array().unwrap().iter().all(|w| w["kind"] == "fargate"), "{report:#}");
    // What the user sees while waiting, with times.
    for step in [
        "module at s3://bucket/tilefn/modules/",
        "cluster tilefn-labour-",
        "3 worker tasks accepted, 3 in all (",
        "deleted (",
    ] {
        assert!(done.stderr.contains(step), "{step}: {}", done.stderr);
    }

    let keys = objects(&sim);
    let kept: Vec<_> = keys.iter().filter(|k| !k.starts_with("tilefn/modules/")).collect();
    assert!(
        kept.len() == 1 && kept[0].starts_with("tilefn/jobs/labour-") && kept[0].ends_with("/report.json"),
        "{keys:?}"
    );
    let copy: Value = serde_json::from_slice(&std::fs::read(object(&sim, kept[0])).unwrap()).unwrap();
    assert_eq!(copy, report);
    assert_eq!(documented(), aws_keys(used), "docs/report.md");
}

/// The rows of docs/report.md for AWS.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(format!("{}/docs/report.md", crate::support::ROOT)).unwrap();
    let rows = page.lines().filter_map(|l| l.strip_prefix("| `aws.")).map(|l| l.split_once('`').unwrap().0.to_owned());
    let mut rows: Vec<_> = rows.map(|row| row.split("[]").next().unwrap().to_owned()).collect();
    rows.sort();
    rows.dedup();
    rows
}

fn aws_keys(used: &Value) -> Vec<String> {
    used.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_on_a_private_cluster() {
    let sim = aws().await;
    let f = labour::folder(
        0,
        "kind = 'ec2'\ncount = 3\nlisten = '127.0.0.1:0'\nthreads = 1\n[workers.s3]\nbucket = 'bucket'\n[workers.ec2]\nimage = 'img:1'\n\
         task_role_arn = 'arn:aws:iam::1:role/t'\nsubnets = ['subnet-a']\ninstance_count = 2\ninstance_types = ['c7i.large']\n\
         instance_profile_arn = 'arn:aws:iam::1:instance-profile/p'\nhourly_price = 3.6",
    );
    let done = submit(&sim, &f, "").wait();
    let report = assert_done(&f, &done);
    assert_nothing_stays(&sim);
    let used = &report["aws"];
    assert_eq!((&used["instances"], &used["tasks"]), (&2.into(), &3.into()));
    assert!(used["instance_seconds"].as_f64().unwrap() >= used["task_seconds"].as_f64().unwrap() / 3.0, "{used:#}");
    // Two instances for a minute each at least.
    assert!(used["cost_usd"].as_f64().unwrap() >= 0.12 - 1e-9, "{used:#}");
    for step in [
        "2 instances c7i.large started in subnet-a, 2 in all (",
        " of 2 instances have joined the cluster (",
        "2 instances terminated (",
    ] {
        assert!(done.stderr.contains(step), "{step}: {}", done.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_replaced() {
    let sim = aws().await;
    let f = labour::folder(SOME, &workers(2, "", ""));
    let mut controller = submit(&sim, &f, "");
    controller.says("%");
    let killed = sim.world.lock().unwrap().agent.as_ref().unwrap().processes.values().next().unwrap().id();
    signal(killed, "KILL");
    let done = controller.wait();
    assert_done(&f, &done);
    assert_nothing_stays(&sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_job_leaves_nothing_on_aws() {
    let sim = aws().await;
    let f = labour::folder(ENDLESS, &workers(2, "", ""));
    let mut controller = submit(&sim, &f, "");
    controller.says("2 workers are connected");
    for _ in 0..2 {
        signal(controller.pid(), "TERM");
    }
    let run = controller.wait();
    assert_eq!(run.code, 130, "{}", run.stderr);
    assert!(run.stderr.contains("2 tasks used "), "{}", run.stderr);
    assert_nothing_stays(&sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn gc_removes_what_a_killed_controller_left() {
    let sim = aws().await;
    let f = labour::folder(ENDLESS, &workers(2, "", "job_name = 'killed'"));
    let mut controller = submit(&sim, &f, "");
    controller.says("2 workers are connected");
    signal(controller.pid(), "KILL");
    assert_eq!(controller.wait().code, -1);
    let left = sim.inventory();
    assert!(left.len() >= 3, "{left:?}");

    // Nothing has expired, so nothing is gc's business until the job is named.
    assert_eq!(run(&sim, &f, "gc --job job.toml").ok().stdout, "nothing to remove\n");
    let id = left.iter().find_map(|l| l.strip_prefix("cluster tilefn-")).unwrap().to_owned();
    let listed = run(&sim, &f, &format!("gc {id} --bucket bucket"));
    let lines: Vec<_> = listed.ok().stdout.lines().collect();
    assert_eq!(lines[0], format!("ticket s3://bucket/tilefn/jobs/{id}/ticket.json: job {id}, named"));
    assert!(
        lines[1].starts_with(&format!("cluster arn:aws:ecs:eu-west-1:1:cluster/tilefn-{id}: job {id} of ")),
        "{lines:?}"
    );
    assert!(lines[2].starts_with(&format!("task definition tilefn-{id}: job {id} of ")), "{lines:?}");
    assert_eq!(lines[3..], ["nothing was removed; --delete removes what is listed here"]);

    let removed = run(&sim, &f, &format!("--json gc {id} --job job.toml --delete"));
    let event: Value = serde_json::from_str(&removed.ok().stdout).unwrap();
    assert_eq!((&event["event"], &event["removed"]), (&"gc".into(), &true.into()));
    assert_eq!(event["found"].as_array().unwrap().len(), 3);
    assert_nothing_stays(&sim);
    assert_eq!(run(&sim, &f, &format!("gc {id} --bucket bucket")).ok().stdout, "nothing to remove\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn gc_says_what_it_may_not_do_and_where_it_was_not_told_to_look() {
    let sim = aws().await;
    let f = Folder::new();
    let message = run(&sim, &f, "gc").error(2).to_owned();
    assert_eq!(message, "say where to look: --bucket NAME, TILEFN_BUCKET, or --job FILE with [workers.s3]");
    let default = tilefn(&sim, &f, "gc").env("TILEFN_BUCKET", "bucket").output().unwrap();
    assert_eq!(crate::support::Run::of(default).ok().stdout, "nothing to remove\n");
    sim.fault(When::Action("ListClusters", 1), DENY);
    assert_eq!(
        run(&sim, &f, "gc --bucket bucket").error(3),
        "there may be more, which could not be looked for:\n  cannot list the clusters: User is not authorized \
         (AccessDeniedException); it needs the permission ecs:ListClusters; docs/aws.md lists the permissions that the \
         controller needs"
    );
}

/// Two kinds can't be listed, and the account has clusters that are others' business.
#[tokio::test(flavor = "multi_thread")]
async fn gc_removes_what_it_can_find_when_it_is_denied_the_rest() {
    let sim = aws().await;
    let f = labour::folder(ENDLESS, &workers(2, "", "job_name = 'killed'"));
    let mut controller = submit(&sim, &f, "");
    controller.says("2 workers are connected");
    signal(controller.pid(), "KILL");
    controller.wait();
    let left = sim.inventory();
    let id = left.iter().find_map(|l| l.strip_prefix("cluster tilefn-")).unwrap().to_owned();
    {
        let mut world = sim.world.lock().unwrap();
        world.existing_cluster("payroll", &[]);
        world.rules.foreign.push("payroll".to_owned());
    }
    sim.fault(When::Action("s3:GETList", 1), DENY);
    sim.fault(
        When::Action("DescribeInstances", 1),
        Fault::Say { status: 403, code: "UnauthorizedOperation", message: "no" },
    );
    let run = run(&sim, &f, &format!("gc {id} --job job.toml --delete"));
    let message = run.error(3).to_owned();
    assert!(
        message
            .starts_with("there may be more, which could not be looked for:\n  cannot list s3://bucket/tilefn/jobs/: "),
        "{message}"
    );
    assert!(message.contains("\n  cannot look at the instances: no (UnauthorizedOperation)"), "{message}");
    assert!(run.stdout.ends_with("all removed\n"), "{}", run.stdout);
    // The job's own cluster may have to be asked for again, while its tasks stop; the other isn't touched.
    assert!(sim.world.lock().unwrap().clusters["payroll"].active);
    let tickets: Vec<_> = sim.inventory();
    assert!(
        matches!(&tickets[..], [ticket] if ticket.starts_with("object ")),
        "only what could not be listed: {tickets:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_the_workers_will_cost() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(10, "", "cpu = 2048\nmemory = '8GB'"));
    // 2 × 0.04048 + 8 × 0.004445, as AWS's page has it for Ireland.
    let text = run(&sim, &f, "submit job.toml --dry-run").ok().stdout.clone();
    assert!(text.contains(" tiles of 64 × 64, 10 workers (fargate), halo 1\n"), "{text}");
    assert!(
        text.contains(
            "\n  10 tasks at 0.1165 USD an hour each, 1.17 USD together (AWS's list prices for eu-west-1 of "
        ),
        "{text}"
    );
    // 10 × 2 vCPUs. AWS's defaults and codes are in its page "Amazon ECS endpoints and quotas".
    assert!(
        text.contains(
            "\n  20 vCPUs of the quota \"Fargate On-Demand vCPU resource count\" (L-3032A538): an account has 6 or "
        ),
        "{text}"
    );
    let few = "submit job.toml --dry-run --set workers.count=3 --set workers.fargate.spot=prefer";
    let few = run(&sim, &f, few).ok().stdout.clone();
    assert!(
        few.contains("\n  6 vCPUs of the quota \"Fargate Spot vCPU resource count\" (L-36FBB829)\n  6 vCPUs of "),
        "{few}"
    );
    assert!(!few.contains("ask for more"), "{few}");
    let json = run(&sim, &f, "--json submit job.toml --dry-run --set workers.fargate.hourly_price=0.5");
    let plan: Value = serde_json::from_str(&json.ok().stdout).unwrap();
    assert_eq!((&plan["workers_cost"]["count"], &plan["workers_cost"]["all_usd"]), (&10.into(), &5.0.into()));
    assert_eq!(
        (&plan["workers_quotas"][0]["code"], &plan["workers_quotas"][0]["vcpus"]),
        (&"L-3032A538".into(), &20.0.into())
    );
    let text = run(&sim, &f, "submit job.toml --dry-run --set workers.fargate.region=mars-1").ok().stdout.clone();
    assert!(
        text.contains("\n  what the workers cost is not known; set hourly_price in the section of their kind\n"),
        "{text}"
    );
    assert_eq!(sim.calls(), Vec::<String>::new(), "a dry run asks nothing of AWS");
}

/// A fleet's workers have processors of their own: their number says nothing about the controller's.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_workers_is_not_that_of_the_controllers_threads() {
    let sim = aws().await;
    let own = std::thread::available_parallelism().unwrap().get();
    for count in [1, 500] {
        let f = labour::folder(0, &workers(count, "", ""));
        let plan: Value = serde_json::from_str(&run(&sim, &f, "--json submit job.toml --dry-run").ok().stdout).unwrap();
        assert_eq!(plan["threads"], own, "{count} workers");
        assert_eq!(plan["workers_cost"]["count"], count);
    }
}

/// Moves the input into the bucket, and lets the job read and write there.
pub fn in_s3(sim: &Sim, f: &Folder) -> String {
    std::fs::create_dir(object(sim, "in")).unwrap();
    std::fs::copy(f.path().join("a.tif"), object(sim, "in/a.tif")).unwrap();
    std::fs::rename(f.path().join("a.tif"), f.path().join("original.tif")).unwrap();
    let out = out(f);
    format!(
        "--set inputs.image.path=s3://bucket/in/a.tif --set outputs.added.path=s3://bucket/{out}/added.tif \
         --set outputs.tile.path=s3://bucket/{out}/tile.tif"
    )
}

/// Where the outputs go in the bucket. A name of each test's own: outputs in S3 are locked by their names, whoever has the bucket.
pub fn out(f: &Folder) -> String {
    f.path().file_name().unwrap().to_str().unwrap().to_owned()
}

/// Brings the outputs back, to be compared.
pub fn back(sim: &Sim, f: &Folder) {
    std::fs::rename(f.path().join("original.tif"), f.path().join("a.tif")).unwrap();
    for name in ["added.tif", "tile.tif"] {
        std::fs::copy(object(sim, &format!("{}/{name}", out(f))), f.path().join(name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_read_from_s3_and_outputs_appear_there_complete() {
    let sim = aws().await;
    let f = labour::folder(0, &workers(2, "reads = 'worker'", ""));
    let set = in_s3(&sim, &f);
    let done = submit(&sim, &f, &set).wait();
    done.ok();
    back(&sim, &f);
    assert_done(&f, &done);
    assert_nothing_stays(&sim);
    let out = out(&f);
    let found: Vec<_> = objects(&sim).into_iter().filter(|k| k.starts_with(&out)).collect();
    assert_eq!(found, [format!("{out}/added.tif"), format!("{out}/tile.tif")]);
    assert_eq!(std::fs::read_dir(f.path().join(".tmp")).unwrap().count(), 0, "temporary files are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_in_s3_is_not_replaced_unless_that_is_wanted() {
    let sim = aws().await;
    let f = labour::folder(0, "");
    let set = in_s3(&sim, &f);
    let out = out(&f);
    std::fs::create_dir(object(&sim, &out)).unwrap();
    std::fs::write(object(&sim, &format!("{out}/tile.tif")), "old").unwrap();
    let message = run(&sim, &f, &format!("run job.toml {set}")).error(2).to_owned();
    assert!(message.contains(&format!("outputs.tile.path: s3://bucket/{out}/tile.tif exists")), "{message}");
    run(&sim, &f, &format!("run job.toml {set} --overwrite --report report.json")).ok();
    back(&sim, &f);
    f.python("r, c = np.mgrid[:512, :512]; same('tile.tif', (r // 64 * 8 + c // 64).astype('u2'))");
}

/// A large output goes up in parts. When one is refused, no object appears and no part stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_in_parts_appears_whole_or_not_at_all() {
    let sim = aws().await;
    let f = Folder::new();
    // Noise, which no compression makes smaller: 18 MB in parts of 5.
    f.python(
        "write('a.tif', np.random.default_rng(1).integers(0, 255, (3000, 2000, 3)).astype('u1').transpose(2, 0, 1))",
    );
    f.job(
        "copy",
        "[inputs.image]\npath = 'a.tif'\n[outputs.copy]\npath = 's3://bucket/out/copy.tif'\noverviews = false\n",
    );
    let command = || {
        let mut command = tilefn(&sim, &f, "run job.toml");
        command.env("VSIS3_CHUNK_SIZE", "5").env("GDAL_HTTP_MAX_RETRY", "0");
        command
    };
    // The first part of all is the attempt before the job, which is aborted as well.
    sim.fault(When::Nth("s3:PUTPart", 2), DENY);
    let failed = crate::support::Run::of(command().output().unwrap());
    let message = failed.error(1);
    let reason = "output \"copy\": can't finish s3://bucket/out/copy.tif: giving it its name: copying to \
         /vsis3/bucket/out/copy.tif: UploadPart(1) of /vsis3/bucket/out/copy.tif failed; ";
    assert!(message.starts_with(reason) && message.ends_with(" are kept: --resume goes on from there"), "{message}");
    assert_eq!(objects(&sim), Vec::<String>::new());
    assert_eq!(sim.count("s3:DELETEUpload"), 2, "{:?}", sim.calls());

    crate::support::Run::of(command().output().unwrap()).ok();
    assert_eq!(objects(&sim), ["out/copy.tif"]);
    assert!(sim.count("s3:PUTPart") > 3, "{:?}", sim.calls());
    std::fs::copy(object(&sim, "out/copy.tif"), f.path().join("copy.tif")).unwrap();
    f.python("same('copy.tif', read('a.tif'))");
}
