//! `[workers.fargate]` and `[workers.ec2]`.

use indexmap::IndexMap;

use super::{Field, Reader, Section};
use crate::spec::{CpuArchitecture, Ec2, Ecs, Fargate, FargateMemory, NetworkMode, Spot};
use crate::tree::{Data, join};
use crate::units::Time;

/// The settings that Fargate and EC2 share; the section is finished by the caller.
fn ecs(r: &mut Reader<'_>, s: &mut Section<'_>) -> Option<Ecs> {
    let job_name = s.read(r, "job_name", |r, f| {
        r.text_like(f, "a name of at most 64 letters, digits, \"-\" and \"_\" that starts with a letter", |text| {
            text.len() <= 64
                && text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
    });
    let region = s.read(r, "region", Reader::text);
    let cluster = s.read(r, "cluster", Reader::text);
    let image = s.need(
        r,
        "image",
        "image = \"123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tilefn-worker:0.1.0\"",
        Reader::text,
    );
    let task_role_arn =
        s.need(r, "task_role_arn", "task_role_arn = \"arn:aws:iam::123456789012:role/tilefn-task\"", role_arn);
    let execution_role_arn = s.read(r, "execution_role_arn", role_arn);
    let subnets = s.need(r, "subnets", "subnets = [\"subnet-0a1b2c3d\", \"subnet-4e5f6a7b\"]", |r, f| {
        ids(r, f, "a list of subnets", "subnet-")
    });
    let security_groups = s.read(r, "security_groups", |r, f| ids(r, f, "a list of security groups", "sg-"));
    let assign_public_ip = s.read(r, "assign_public_ip", Reader::bool);
    let cpu_architecture = s.read(r, "cpu_architecture", Reader::name);
    let spot = s.read(r, "spot", Reader::name);
    let log_group = s.read(r, "log_group", Reader::text);
    let hourly_price = s.read(r, "hourly_price", |r, f| {
        let value = r.number(f)?;
        r.want(f, "a price of at least 0", Some(value).filter(|value| *value >= 0.0))
    });
    let tags = s.read(r, "tags", tags);
    Some(Ecs {
        job_name,
        region,
        cluster,
        image: image?,
        task_role_arn: task_role_arn?,
        execution_role_arn,
        subnets: subnets?,
        security_groups: security_groups.unwrap_or_default(),
        assign_public_ip: assign_public_ip.unwrap_or(false),
        cpu_architecture: cpu_architecture.unwrap_or(CpuArchitecture::X86_64),
        spot: spot.unwrap_or(Spot::Never),
        log_group,
        hourly_price,
        tags: tags.unwrap_or_default(),
    })
}

fn role_arn(r: &mut Reader<'_>, field: &Field<'_>) -> Option<String> {
    r.text_like(field, "a role's ARN such as \"arn:aws:iam::123456789012:role/NAME\"", |text| {
        text.starts_with("arn:") && text.split_once(":role/").is_some_and(|(_, name)| !name.is_empty())
    })
}

/// A list of AWS ids, which all start alike.
fn ids(r: &mut Reader<'_>, field: &Field<'_>, wanted: &str, prefix: &str) -> Option<Vec<String>> {
    r.list(field, wanted, |r, f| {
        r.text_like(f, &format!("an id such as \"{prefix}0a1b2c3d\""), |text| has_id(text, prefix))
    })
}

fn has_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|id| !id.is_empty())
}

/// AWS's rules for tags; some of the 50 allowed are left for tilefn's own.
fn tags(r: &mut Reader<'_>, field: &Field<'_>) -> Option<IndexMap<String, String>> {
    let Data::Table(entries) = &field.node.data else {
        r.expected(field, "a table of texts").hint("for example: tags = { project = \"ndvi\" }");
        return None;
    };
    if entries.len() > 40 {
        r.wrong(field, format!("{} tags are more than 40", entries.len()));
    }
    let allowed = |text: &str, most: usize| {
        text.chars().count() <= most && text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
    };
    let mut tags = IndexMap::new();
    for entry in entries {
        let field = Field { path: join(&field.path, &entry.key), node: &entry.node };
        if entry.key.is_empty() || !allowed(&entry.key, 128) || entry.key.to_ascii_lowercase().starts_with("aws:") {
            r.wrong(&field, "not a tag's name")
                .hint("at most 128 letters, digits, spaces and _.:/=+-@, and not `aws:` in front");
        }
        let value = match &entry.node.data {
            Data::Text(text) if allowed(text, 256) => Some(text.clone()),
            _ => None,
        };
        if let Some(value) = r.want(&field, "a text of at most 256 letters, digits, spaces and _.:/=+-@", value) {
            tags.insert(entry.key.clone(), value);
        }
    }
    Some(tags)
}

/// CPU units, smallest and largest memory and its step, in GiB; ECS has no other Fargate sizes.
const FARGATE_SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 1, 2, 1), // and 512 MiB
    (512, 1, 4, 1),
    (1024, 2, 8, 1),
    (2048, 4, 16, 1),
    (4096, 8, 30, 1),
    (8192, 16, 60, 4),
    (16384, 32, 120, 8),
];

/// `[workers.fargate]`.
pub fn fargate(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Fargate> {
    let mut s = Section::of(r, field)?;
    let ecs = ecs(r, &mut s);
    let cpu = s.read(r, "cpu", |r, f| {
        let value = match f.node.data {
            Data::Int(value) => FARGATE_SIZES.iter().map(|size| size.0).find(|cpu| i64::from(*cpu) == value),
            _ => None,
        };
        r.want(f, "CPU units, one of 256, 512, 1024 (one vCPU), 2048, 4096, 8192, 16384", value)
    });
    let memory = s.read(r, "memory", |r, f| {
        let value = match &f.node.data {
            Data::Int(mib) => u32::try_from(*mib).ok().map(FargateMemory),
            Data::Text(text) => FargateMemory::parse(text),
            _ => None,
        };
        r.want(f, "memory in MiB, or such as \"4GB\"", value)
    });
    let cpu_given = !s.has("cpu") || cpu.is_some();
    let memory_given = !s.has("memory") || memory.is_some();
    let cpu = cpu.unwrap_or(1024);
    let memory = memory.unwrap_or(FargateMemory(4096));
    if cpu_given && memory_given {
        pair(r, &mut s, cpu, memory);
    }
    let platform_version = s.read(r, "platform_version", |r, f| {
        r.text_like(f, "\"LATEST\" or a version from \"1.4.0\" on", |text| {
            let parts: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
            // Earlier ones lack ARM64, large sizes and more disk, and AWS is retiring them.
            text == "LATEST" || parts.is_ok_and(|p| p.len() == 3 && p.as_slice() >= &[1, 4, 0])
        })
    });
    let ephemeral_storage_gib = s.read(r, "ephemeral_storage_gib", |r, f| r.integer(f, "a number of GiB", 21..=200));
    let controller_role_arn = s.read(r, "controller_role_arn", role_arn);
    if let Some(ecs) = &ecs
        && !s.has("execution_role_arn")
    {
        let why = match &ecs.log_group {
            Some(_) => Some("needed to write to `log_group`"),
            None => ecs.image.contains(".dkr.ecr.").then_some("needed to pull `image` from ECR"),
        };
        if let Some(why) = why {
            let place = r.source.place(s.origin);
            r.mistakes
                .add(place, join(&s.path, "execution_role_arn"), format!("missing: {why}"))
                .hint("for example: execution_role_arn = \"arn:aws:iam::123456789012:role/ecsTaskExecutionRole\"");
        }
    }
    s.finish(r);
    Some(Fargate {
        ecs: ecs?,
        cpu,
        memory,
        platform_version: platform_version.unwrap_or_else(|| "LATEST".to_owned()),
        ephemeral_storage_gib,
        controller_role_arn,
    })
}

/// Checks that Fargate has this pair of cpu and memory.
fn pair(r: &mut Reader<'_>, s: &mut Section<'_>, cpu: u32, memory: FargateMemory) {
    let Some((_, min, max, step)) = FARGATE_SIZES.into_iter().find(|size| size.0 == cpu) else {
        return;
    };
    let gib = memory.0 / 1024;
    let steps = memory.0.is_multiple_of(1024) && (min..=max).contains(&gib) && (gib - min).is_multiple_of(step);
    if steps || (cpu, memory.0) == (256, 512) {
        return;
    }
    let Some(f) = s.get("memory").or_else(|| s.get("cpu")) else {
        return;
    };
    let least = if cpu == 256 { "512 MiB, ".to_owned() } else { String::new() };
    let by = if step == 1 { String::new() } else { format!(" in steps of {step}") };
    r.wrong(&f, format!("Fargate has no task with cpu {cpu} and {} MiB of memory", memory.0))
        .hint(format!("cpu {cpu} goes with {least}{min} to {max} GB{by}"));
}

/// `[workers.ec2]`.
pub fn ec2(r: &mut Reader<'_>, field: &Field<'_>) -> Option<Ec2> {
    let mut s = Section::of(r, field)?;
    let ecs = ecs(r, &mut s);
    let instance_count =
        s.need(r, "instance_count", "instance_count = 4", |r, f| r.integer(f, "a number of instances", 1..=1_000));
    let instance_types = s.need(r, "instance_types", "instance_types = [\"c7i.2xlarge\", \"c6i.2xlarge\"]", |r, f| {
        r.list(f, "a list of instance types", |r, f| {
            r.text_like(f, "an instance type such as \"c7i.2xlarge\"", |text| {
                let part = |p: &str| {
                    !p.is_empty() && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                };
                text.split_once('.').is_some_and(|(family, size)| part(family) && part(size))
            })
        })
    });
    let example = "instance_profile_arn = \"arn:aws:iam::123456789012:instance-profile/ecsInstanceRole\"";
    let instance_profile_arn = s.need(r, "instance_profile_arn", example, |r, f| {
        r.text_like(
            f,
            "an instance profile's ARN such as \"arn:aws:iam::123456789012:instance-profile/NAME\"",
            |text| {
                text.starts_with("arn:")
                    && text.split_once(":instance-profile/").is_some_and(|(_, name)| !name.is_empty())
            },
        )
    });
    let ami = s.read(r, "ami", |r, f| r.text_like(f, "an id such as \"ami-0a1b2c3d\"", |text| has_id(text, "ami-")));
    let memory_reservation = s.read(r, "memory_reservation", |r, f| r.integer(f, "a number of MiB", 6..=33_554_432));
    let network_mode = s.read(r, "network_mode", Reader::name);
    let shutdown_after = s.read(r, "shutdown_after", |r, f| r.time(f, Time::seconds(600)..=Time::seconds(30 * 86_400)));
    if network_mode == Some(NetworkMode::Awsvpc)
        && ecs.as_ref().is_some_and(|ecs| ecs.assign_public_ip)
        && let Some(f) = s.get("assign_public_ip")
    {
        r.wrong(&f, "contradicts `network_mode = \"awsvpc\"`: such tasks get no public address on EC2")
            .hint("use network_mode = \"host\", or a subnet with a NAT gateway");
    }
    s.finish(r);
    Some(Ec2 {
        ecs: ecs?,
        instance_count: instance_count?,
        instance_types: instance_types?,
        instance_profile_arn: instance_profile_arn?,
        ami,
        memory_reservation: memory_reservation.unwrap_or(1024),
        network_mode: network_mode.unwrap_or(NetworkMode::Host),
        shutdown_after: shutdown_after.unwrap_or(Time::seconds(86_400)),
    })
}
