//! What is said about workers on AWS that can't be had, or don't fit each other.

use super::messages::said;
use super::{LEAST, toml};
use crate::spec::CpuArchitecture;

const SHARED: &str = "image = 'i'\ntask_role_arn = 'arn:aws:iam::1:role/x'\nsubnets = ['subnet-1']\n";

/// A job on a private cluster: lines of `[workers]`, of `[workers.ec2]`, and what follows.
fn cluster(workers: &str, ec2: &str, more: &str) -> String {
    format!(
        "[workers]\nkind = 'ec2'\n{workers}\n[workers.s3]\nbucket = 'bucket'\n[workers.ec2]\n{SHARED}\
         instance_profile_arn = 'arn:aws:iam::1:instance-profile/x'\n{ec2}\n{more}"
    )
}

/// The last mistake without its place.
fn mistake(text: &str) -> String {
    let said = said(text);
    said[said.find(": ").unwrap() + 2..].to_owned()
}

#[test]
fn processors_are_those_of_the_instance_types() {
    let read = |ec2: &str| {
        let text = cluster("", &format!("instance_count = 1\n{ec2}"), "");
        toml(&format!("{LEAST}{text}")).unwrap().spec.workers.ec2.unwrap().architecture()
    };
    assert_eq!(read("instance_types = ['c7g.2xlarge']"), CpuArchitecture::Arm64);
    assert_eq!(read("instance_types = ['c7i.large', 'm6a.large']"), CpuArchitecture::X86_64);
    assert_eq!(read("instance_types = ['mac2.metal']\ncpu_architecture = 'ARM64'"), CpuArchitecture::Arm64);
    let wrong = |ec2: &str| mistake(&cluster("", &format!("instance_count = 1\n{ec2}"), ""));
    let hint = "\n  hint: all instances run the same images, so they need the same processors; leave `cpu_architecture` out to take those of the types";
    assert_eq!(
        wrong("instance_types = ['c7g.2xlarge']\ncpu_architecture = 'X86_64'"),
        format!(
            "workers.ec2.instance_types[0]: c7g.2xlarge has ARM64 processors, but `cpu_architecture` is X86_64{hint}"
        )
    );
    assert_eq!(
        wrong("instance_types = ['c7i.large', 'c6i.large', 'c7g.large']"),
        format!("workers.ec2.instance_types[2]: c7g.large has ARM64 processors, but c7i.large has X86_64{hint}")
    );
}

#[test]
fn workers_that_do_not_fit_their_instances() {
    let wrong = |workers: &str, ec2: &str| mistake(&cluster(workers, ec2, ""));
    assert_eq!(
        wrong("count = 3", "instance_count = 5\ninstance_types = ['c7i.large']"),
        "workers.ec2.instance_count: 5 instances are more than the workers (`count`), 3\n  \
         hint: leave workers.count out for one worker on each instance"
    );
    assert_eq!(
        wrong("", "instance_count = 2\ninstance_types = ['c7g.2xlarge']\nmemory_reservation = 16384"),
        "workers.ec2.memory_reservation: a task of 16384 MiB can't be placed on a c7g.2xlarge, which has 16384 MiB and keeps \
         some for its system\n  hint: at most 15500 fits; without memory_reservation workers get all that there is"
    );
    assert_eq!(
        wrong(
            "count = 7\nthreads = 1",
            "instance_count = 2\ninstance_types = ['c7i.xlarge']\nmemory_reservation = 3000"
        ),
        "workers.ec2.memory_reservation: 4 tasks (`count` / `instance_count`) of 3000 MiB can't be placed on a c7i.xlarge, \
         which has 8192 MiB and keeps some for its system\n  hint: at most 1900 fits; without memory_reservation workers \
         get all that there is"
    );
    // What isn't known from the name shows when an instance joins.
    let unknown = cluster("", "instance_count = 2\ninstance_types = ['x9.large']\nmemory_reservation = 16384", "");
    assert!(toml(&format!("{LEAST}{unknown}")).is_ok());
    assert_eq!(
        wrong("min_count = 3", "instance_count = 2\ninstance_types = ['c7i.large']"),
        "workers.min_count: 3 is more than `count`, 2"
    );
}

#[test]
fn tiles_that_do_not_fit_their_workers() {
    let fargate = |more: &str, task: &str, limits: &str| {
        format!(
            "[workers]\nkind = 'fargate'\ncount = 2\n{more}\n[workers.s3]\nbucket = 'bucket'\n[workers.fargate]\n{SHARED}{task}\n{limits}"
        )
    };
    let fits = |text: &str| toml(&format!("{LEAST}{text}")).is_ok();
    assert_eq!(
        mistake(&fargate("threads = 8", "memory = '4GB'", "")),
        "workers.threads: 8 tiles at the same time may take 1GiB each (`limits.memory`), but a worker's task has 4096 MiB\n  \
         hint: set workers.threads = 4, or set a smaller limits.memory, or more workers.fargate.memory"
    );
    assert!(fits(&fargate("threads = 4", "memory = '4GB'", "")));
    assert!(fits(&fargate("threads = 8", "memory = '4GB'", "[limits]\nmemory = '512MiB'")));
    assert_eq!(
        mistake(&fargate("", "cpu = '.25 vCPU'\nmemory = 512", "")),
        "workers.fargate.memory: a tile may take 1GiB (`limits.memory`), but a worker's task has 512 MiB\n  \
         hint: set a smaller limits.memory, or more workers.fargate.memory"
    );
    // The same job with threads at home doesn't ask AWS for anything.
    assert!(fits(&fargate("threads = 8", "memory = '4GB'", "").replace("kind = 'fargate'", "kind = 'threads'")));

    let ec2 = "instance_count = 1\ninstance_types = ['c7i.2xlarge']\nmemory_reservation = 3000";
    // Without `threads` a worker runs a tile on each of the eight processors.
    assert_eq!(
        mistake(&cluster("count = 2", ec2, "")),
        "workers.ec2.memory_reservation: 8 tiles at the same time may take 1GiB each (`limits.memory`), but a worker's task has \
         3000 MiB\n  hint: set workers.threads = 2, or set a smaller limits.memory, or more workers.ec2.memory_reservation"
    );
    assert!(fits(&cluster("count = 2\nthreads = 2", ec2, "")));
    assert!(fits(&cluster("", "instance_count = 1\ninstance_types = ['c7i.2xlarge']", "")));
    assert_eq!(
        mistake(&cluster("", "instance_count = 1\ninstance_types = ['c7i.2xlarge']", "[limits]\nmemory = '4GiB'")),
        "limits.memory: 8 tiles at the same time may take 4GiB each (`limits.memory`), but a worker's task has 16384 MiB\n  \
         hint: set workers.threads = 4, or set a smaller limits.memory, or more workers.ec2.memory_reservation"
    );
}

#[test]
fn processors_of_a_task_in_ecss_own_words() {
    let cpu = |written: &str| {
        let text = format!("{LEAST}[workers.fargate]\n{SHARED}cpu = {written}\nmemory = '2GB'\n");
        toml(&text).map(|loaded| loaded.spec.workers.fargate.unwrap().cpu).map_err(|e| e.to_string())
    };
    assert_eq!(cpu("'1 vCPU'"), Ok(1024));
    assert_eq!(cpu("'.5vcpu'"), Ok(512));
    assert_eq!(cpu("'0.25 vCPU'"), Ok(256));
    assert_eq!(cpu("'512'"), Ok(512));
    for wrong in ["'3 vCPU'", "'vCPU'", "'-1 vCPU'", "'4294967296 vCPU'", "'1.5 vCPU'", "1.0", "true", "''"] {
        assert!(cpu(wrong).unwrap_err().contains("workers.fargate.cpu: expected CPU units, one of 256, 512, 1024 (one vCPU), 2048, 4096, 8192, 16384, or such as \"2 vCPU\", found "), "{wrong}");
    }
}
