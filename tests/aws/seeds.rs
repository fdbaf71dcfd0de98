//! The two jobs that the project was made for, as their tutorial has them: they plan, start and finish.

use crate::labour::{self, FILES, assert_done};
use crate::program::{assert_nothing_stays, run, tilefn};
use crate::running::{Running, assert_tidy};
use crate::sim::{Rules, Sim};
use crate::support::TILEFN;
use std::path::Path;

const FARGATE: &str = r#"
kind = "fargate"
count = 20
reads = "worker"
[workers.s3]
bucket = "my-bucket"
region = "ap-southeast-2"
[workers.fargate]
region = "ap-southeast-2"
job_name = "myjobname"
subnets = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]
image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tilefn:0.1.0"
task_role_arn = "arn:aws:iam::123456789012:role/MyECSTaskRole"
execution_role_arn = "arn:aws:iam::123456789012:role/MyECSTaskExecutionRole"
security_groups = ["sg-0a1b2c3d"]
cpu = "2 vCPU"
memory = "16GB"
cpu_architecture = "ARM64"
"#;

const PRIVATE_CLUSTER: &str = r#"
kind = "ec2"
count = 10
reads = "worker"
[workers.s3]
bucket = "my-bucket"
region = "ap-southeast-2"
[workers.ec2]
region = "ap-southeast-2"
job_name = "myjobname"
instance_count = 10
ami = "ami-08b5d886b9289bc63"
instance_types = ["c7g.2xlarge"]
image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tilefn:0.1.0"
task_role_arn = "arn:aws:iam::123456789012:role/MyECSTaskRole"
execution_role_arn = "arn:aws:iam::123456789012:role/MyECSTaskExecutionRole"
subnets = ["subnet-0a1b2c3d"]
security_groups = ["sg-0a1b2c3d"]
instance_profile_arn = "arn:aws:iam::123456789012:instance-profile/MyProfile"
memory_reservation = 16384
"#;

async fn aws() -> Sim {
    // As much as a c7g.2xlarge registers.
    let sim = Sim::start(Rules { memory: 15_700, ..Rules::default() }).await;
    std::fs::create_dir(sim.folder.path().join("my-bucket")).unwrap();
    sim.run_containers(Path::new(TILEFN));
    sim
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_on_fargate() {
    let sim = aws().await;
    let f = labour::folder(0, FARGATE);
    let done = Running::start(&f, "controller", tilefn(&sim, &f, "submit job.toml --report report.json")).wait();
    let report = assert_done(&f, &done);
    assert_eq!(report["aws"]["tasks"], 20);
    assert_nothing_stays(&sim);
    assert_tidy(&f, &FILES);
    let world = sim.world.lock().unwrap();
    let sizes: Vec<_> = world.tasks.iter().map(|t| (&t.definition["cpu"], &t.definition["memory"])).collect();
    assert_eq!(sizes, vec![(&"2048".into(), &"16384".into()); 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_on_a_private_cluster() {
    let sim = aws().await;
    let f = labour::folder(0, PRIVATE_CLUSTER);
    let message = run(&sim, &f, "submit job.toml").error(2).to_owned();
    assert!(
        message.contains(
            "workers.ec2.memory_reservation: a task of 16384 MiB can't be placed on a c7g.2xlarge, which has 16384 MiB and \
             keeps some for its system\n  hint: at most 15500 fits; without memory_reservation workers get all that there is"
        ),
        "{message}"
    );
    assert_eq!(sim.calls(), Vec::<String>::new(), "a plan asks nothing of AWS");

    // With what the message says, all else as it is.
    let arguments = "submit job.toml --report report.json --set workers.ec2.memory_reservation=15500";
    let done = Running::start(&f, "controller", tilefn(&sim, &f, arguments)).wait();
    let report = assert_done(&f, &done);
    assert_nothing_stays(&sim);
    // 64 tiles on eight processors each: two instances more would have had nothing to do.
    assert_eq!((&report["aws"]["instances"], &report["aws"]["tasks"]), (&8.into(), &8.into()));
    let world = sim.world.lock().unwrap();
    assert_eq!(world.tasks_on_instances(), [1; 8]);
    assert!(world.instances.iter().all(|i| i.architecture() == "arm64"));
}
