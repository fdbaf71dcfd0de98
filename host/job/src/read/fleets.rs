//! Contradictions in `[workers]`, most of them about what AWS has: sizes of tasks and instances, and their processors.

use super::formats::is_tag;
use super::reader::Reader;
use crate::spec::{Ec2, Fargate, InstanceType, NetworkMode, Workers};
use crate::tree::{Data, Node, item, join};
use crate::units::Size;
use types::WorkerKind;

/// Percent of an instance's RAM that ECS can surely give to tasks; the system keeps 3 to 4 % of an instance with 16 GiB.
const OFFERED: u32 = 95;

impl Reader<'_> {
    pub fn workers(&mut self, workers: &Workers, limit: Size) {
        if let Some(count) = workers.tasks().or(workers.count)
            && workers.min_count > count
            && self.has("workers", "min_count")
        {
            self.refuse("workers", "min_count", format!("{} is more than `count`, {count}", workers.min_count));
        }
        if let WorkerKind::Fargate | WorkerKind::Ec2 = workers.kind {
            let s3 = "[workers.s3]\n        bucket = \"my-bucket\"";
            for (key, example) in [("count", "count = 10"), ("s3", s3), (workers.kind.name(), "see docs/aws")] {
                if !self.has("workers", key) && (key, workers.kind) != ("count", WorkerKind::Ec2) {
                    self.refuse("workers", key, "missing").hint(format!("for example: {example}"));
                }
            }
        }
        if let Some(fargate) = &workers.fargate {
            self.tags("workers.fargate");
            self.fargate("workers.fargate", fargate);
            if workers.kind == WorkerKind::Fargate {
                let threads = workers.threads.unwrap_or(fargate.cpu.div_ceil(1024));
                self.tiles_fit(threads, limit, fargate.memory.0, "memory", "workers.fargate");
            }
        }
        if let Some(ec2) = &workers.ec2 {
            self.tags("workers.ec2");
            self.ec2("workers.ec2", ec2);
            self.processors("workers.ec2", ec2);
            self.instances("workers.ec2", ec2, workers, limit);
        }
    }

    /// Checks that the memory of all tiles that a worker runs at the same time is within that of its task, MiB.
    fn tiles_fit(&mut self, threads: u32, limit: Size, memory: u32, key: &str, section: &str) {
        let (all, has) = (limit.0.saturating_mul(threads.into()), u64::from(memory) << 20);
        if all <= has || self.is_wrong(section, key) || self.is_wrong("limits", "memory") {
            return;
        }
        // At the key that was written; what wasn't is the default.
        let places = [("workers", "threads"), ("limits", "memory"), (section, key)];
        let (place, name) = places.into_iter().find(|(s, k)| self.has(s, k)).unwrap_or((section, key));
        let tiles = if threads == 1 { "a tile".to_owned() } else { format!("{threads} tiles at the same time") };
        let each = if threads == 1 { "" } else { " each" };
        let fit = has.checked_div(limit.0).filter(|n| *n > 0);
        let fewer = fit.map_or_else(String::new, |n| format!("set workers.threads = {n}, or "));
        let message = format!("{tiles} may take {limit}{each} (`limits.memory`), but a worker's task has {memory} MiB");
        self.refuse(place, name, message).hint(format!("{fewer}set a smaller limits.memory, or more {section}.{key}"));
    }

    /// Holds the instance types against each other, and against `cpu_architecture`.
    fn processors(&mut self, section: &str, ec2: &Ec2) {
        let known = ec2.instance_types.iter().enumerate();
        let mut known = known.filter_map(|(n, name)| Some((n, name, InstanceType::of(name)?.architecture)));
        let (against, wanted) = match ec2.ecs.cpu_architecture {
            Some(wanted) => ("`cpu_architecture` is".to_owned(), wanted),
            None => match known.next() {
                Some((_, name, architecture)) => (format!("{name} has"), architecture),
                None => return,
            },
        };
        let Some((n, name, found)) = known.find(|(_, _, found)| *found != wanted) else { return };
        let message = format!("{name} has {} processors, but {against} {}", found.name(), wanted.name());
        self.refuse_at(item(&join(section, "instance_types"), n), message)
            .hint("all instances run the same images, so they need the same processors; leave `cpu_architecture` out to take those of the types");
    }

    /// Checks that there is a worker for each instance, and memory for each worker, as far as the types are known.
    fn instances(&mut self, section: &str, ec2: &Ec2, workers: &Workers, limit: Size) {
        let ours = workers.kind == WorkerKind::Ec2;
        if self.is_wrong(section, "instance_count") || (ours && self.is_wrong("workers", "count")) {
            return;
        }
        let count = workers.count.filter(|_| ours).unwrap_or(ec2.instance_count);
        if count < ec2.instance_count {
            let message = format!("{} instances are more than the workers (`count`), {count}", ec2.instance_count);
            self.refuse(section, "instance_count", message)
                .hint("leave workers.count out for one worker on each instance");
            return;
        }
        if self.is_wrong(section, "memory_reservation") {
            return;
        }
        let each = count.div_ceil(ec2.instance_count.max(1));
        for name in &ec2.instance_types {
            let Some(memory) = InstanceType::of(name).and_then(|known| known.memory) else { continue };
            let Some(wanted) = ec2.memory_reservation else { continue };
            // The system of the instance needs some, so all of it can't be reserved.
            if wanted.saturating_mul(each) < memory {
                continue;
            }
            let most = u64::from(memory) * u64::from(OFFERED) / 100 / u64::from(each) / 100 * 100;
            let tasks =
                if each == 1 { "a task".to_owned() } else { format!("{each} tasks (`count` / `instance_count`)") };
            let message = format!(
                "{tasks} of {wanted} MiB can't be placed on a {name}, which has {memory} MiB and keeps some for its system"
            );
            let hint = format!("at most {most} fits; without memory_reservation workers get all that there is");
            self.refuse(section, "memory_reservation", message).hint(hint);
            return;
        }
        if ours {
            let of_types = ec2.types().filter_map(|known| known.memory).min().map(|memory| memory / each);
            let threads = workers.threads.or_else(|| ec2.types().filter_map(|known| known.vcpus).max());
            if let (Some(memory), Some(threads)) = (ec2.memory_reservation.or(of_types), threads) {
                self.tiles_fit(threads, limit, memory, "memory_reservation", section);
            }
        }
    }

    fn tags(&mut self, section: &str) {
        let path = join(section, "tags");
        let Some(Node { data: Data::Table(tags), .. }) = self.tree.find(&path) else { return };
        if tags.len() > 40 {
            self.refuse(section, "tags", format!("{} tags are more than 40", tags.len()));
        }
        for tag in tags {
            if tag.key.is_empty() || !is_tag(&tag.key, 128) || tag.key.to_ascii_lowercase().starts_with("aws:") {
                self.refuse(&path, &tag.key, "not a tag's name")
                    .hint("at most 128 letters, digits, spaces and _.:/=+-@, and not `aws:` in front");
            }
        }
    }

    fn fargate(&mut self, section: &str, fargate: &Fargate) {
        if !self.is_wrong(section, "cpu") && !self.is_wrong(section, "memory") {
            self.fargate_size(section, fargate);
        }
        if fargate.ecs.execution_role_arn.is_none() && !self.has(section, "execution_role_arn") {
            let ecr = fargate.ecs.image.contains(".dkr.ecr.") && !self.is_wrong(section, "image");
            let why = match &fargate.ecs.log_group {
                Some(_) => Some("needed to write to `log_group`"),
                None => ecr.then_some("needed to pull `image` from ECR"),
            };
            if let Some(why) = why {
                self.refuse(section, "execution_role_arn", format!("missing: {why}"))
                    .hint("for example: execution_role_arn = \"arn:aws:iam::123456789012:role/ecsTaskExecutionRole\"");
            }
        }
    }

    /// Checks that Fargate has this pair of cpu and memory.
    fn fargate_size(&mut self, section: &str, Fargate { cpu, memory, .. }: &Fargate) {
        let Some((_, min, max, step)) = FARGATE_SIZES.into_iter().find(|size| size.0 == *cpu) else { return };
        let gib = memory.0 / 1024;
        let steps = memory.0.is_multiple_of(1024) && (min..=max).contains(&gib) && (gib - min).is_multiple_of(step);
        if steps || (*cpu, memory.0) == (256, 512) {
            return;
        }
        let least = if *cpu == 256 { "512 MiB, " } else { "" };
        let by = if step == 1 { String::new() } else { format!(" in steps of {step}") };
        let key = if self.has(section, "memory") { "memory" } else { "cpu" };
        self.refuse(section, key, format!("Fargate has no task with cpu {cpu} and {} MiB of memory", memory.0))
            .hint(format!("cpu {cpu} goes with {least}{min} to {max} GB{by}"));
    }

    fn ec2(&mut self, section: &str, ec2: &Ec2) {
        if ec2.network_mode == NetworkMode::Awsvpc && ec2.ecs.assign_public_ip {
            let message = "contradicts `network_mode = \"awsvpc\"`: such tasks get no public address on EC2";
            self.refuse(section, "assign_public_ip", message)
                .hint("use network_mode = \"host\", or a subnet with a NAT gateway");
        }
    }
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
