//! Estimates what workers cost by the hour: `hourly_price` of the job file, or a dated table of Fargate's list prices.

use controller::Usage;
use job::spec::{CpuArchitecture, Ec2, Fargate, Spot, Workers};
use serde::Serialize;
use std::fmt;
use types::WorkerKind;

/// Year of the prices in this file (USD, Linux, without taxes and discounts). Their sources are
/// <https://aws.amazon.com/fargate/pricing> and <https://aws.amazon.com/vpc/pricing> (public addresses).
pub const PRICES_OF: &str = "2025";

/// Fargate's prices for an hour in a region: of a vCPU and of a GB of memory, on x86-64 and on ARM64.
struct Region {
    name: &'static str,
    x86_64: (f64, f64),
    arm64: (f64, f64),
}

const FARGATE: [Region; 6] = [
    Region { name: "us-east-1", x86_64: (0.04048, 0.004445), arm64: (0.03238, 0.00356) },
    Region { name: "us-east-2", x86_64: (0.04048, 0.004445), arm64: (0.03238, 0.00356) },
    Region { name: "us-west-2", x86_64: (0.04048, 0.004445), arm64: (0.03238, 0.00356) },
    Region { name: "eu-west-1", x86_64: (0.04048, 0.004445), arm64: (0.03238, 0.00356) },
    Region { name: "eu-central-1", x86_64: (0.04656, 0.00511), arm64: (0.03725, 0.00409) },
    Region { name: "ap-southeast-2", x86_64: (0.04856, 0.00532), arm64: (0.03885, 0.00426) },
];
/// GB of a Fargate task's disk that are free, and the hourly price of one more.
const FARGATE_DISK: (u32, f64) = (20, 0.000_111);
/// An hour of a public IPv4 address.
const PUBLIC_ADDRESS: f64 = 0.005;
/// AWS charges at least so many seconds for each task or instance.
const LEAST: f64 = 60.0;
/// Part of the on-demand price that Spot costs at best on Fargate; the market sets it.
const SPOT: f64 = 0.3;
/// USD for an hour of one worker (Fargate) or instance (EC2).
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// On-demand.
    pub on_demand: f64,
    /// On Spot capacity.
    pub spot: f64,
    /// Source of the prices.
    pub note: String,
}

impl Rates {
    /// `usage` with what it costs: of its instances if there are any, else of its tasks.
    pub(super) fn price(&self, mut usage: Usage) -> Usage {
        // How the seconds spread over tasks is not known any more, so the least charge is for all of them together.
        let charged = |seconds: f64, number: u64| seconds.max(LEAST * count(number)) / 3600.0;
        usage.cost_usd = Some(if usage.instances > 0 {
            charged(usage.instance_seconds, usage.instances) * self.on_demand
        } else {
            let all = usage.task_seconds + usage.spot_task_seconds;
            let spot = if all > 0.0 { usage.spot_task_seconds / all } else { 0.0 };
            charged(all, usage.tasks) * (spot * self.spot + (1.0 - spot) * self.on_demand)
        });
        usage.prices = Some(self.note.clone());
        usage
    }
}

/// What a job's workers will cost by the hour, all of them together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// `tasks` or `instances`.
    pub what: &'static str,
    /// Tasks (Fargate) or instances (EC2).
    pub count: u32,
    /// USD for one of them and an hour.
    pub each_usd: f64,
    /// USD for all and an hour.
    pub all_usd: f64,
    /// Source of the prices.
    pub prices: String,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, count, each_usd, all_usd, prices } = self;
        write!(f, "{count} {what} at {each_usd:.4} USD an hour each, {all_usd:.2} USD together ({prices})")
    }
}

/// The estimate for the job's workers in `region`; `None` when no price is known, or nobody charges.
pub fn estimate(workers: &Workers, region: &str) -> Option<Estimate> {
    let (what, rates, spot, count) = match workers.kind {
        WorkerKind::Fargate => {
            let settings = workers.fargate.as_ref()?;
            ("tasks", fargate(settings, region)?, settings.ecs.spot, workers.count?)
        }
        WorkerKind::Ec2 => {
            let settings = workers.ec2.as_ref()?;
            ("instances", ec2(settings)?, settings.ecs.spot, settings.instance_count)
        }
        _ => return None,
    };
    let each_usd = if spot == Spot::Never { rates.on_demand } else { rates.spot };
    Some(Estimate { what, count, each_usd, all_usd: each_usd * f64::from(count), prices: rates.note })
}

/// What a Fargate task costs in `region`; `None` when no price is known.
pub(super) fn fargate(settings: &Fargate, region: &str) -> Option<Rates> {
    if let Some(each) = settings.ecs.hourly_price {
        return Some(given(each));
    }
    let prices = FARGATE.iter().find(|r| r.name == region)?;
    let (cpu, memory) = match settings.ecs.cpu_architecture.unwrap_or_default() {
        CpuArchitecture::X86_64 => prices.x86_64,
        CpuArchitecture::Arm64 => prices.arm64,
    };
    let size = f64::from(settings.cpu) / 1024.0 * cpu + f64::from(settings.memory.0) / 1024.0 * memory;
    let disk = settings.ephemeral_storage_gib.unwrap_or(0).saturating_sub(FARGATE_DISK.0);
    let address = if settings.ecs.assign_public_ip { PUBLIC_ADDRESS } else { 0.0 };
    let more = f64::from(disk) * FARGATE_DISK.1 + address;
    let spot = if settings.ecs.spot == Spot::Never { "" } else { "; Spot taken as 30 % of on-demand" };
    let note = format!("AWS's list prices for {region} of {PRICES_OF}{spot}");
    Some(Rates { on_demand: size + more, spot: size * SPOT + more, note })
}

/// Price of one of the job's EC2 instances; `None` unless the job file has it, since prices of instances change with type
/// and region.
pub(super) fn ec2(settings: &Ec2) -> Option<Rates> {
    settings.ecs.hourly_price.map(given)
}

fn given(each: f64) -> Rates {
    Rates { on_demand: each, spot: each, note: "`hourly_price` of the job file".to_owned() }
}

/// A number of tasks, far below 2³².
fn count(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fargate_job(more: &str) -> Workers {
        let text = "kind = 'fargate'\ncount = 10\n[s3]\nbucket = 'b'\n[fargate]\nimage = 'i'\n\
                    task_role_arn = 'arn:aws:iam::1:role/t'\nsubnets = ['subnet-1']\ncpu = 2048\nmemory = 8192\n";
        toml::from_str(&format!("{text}{more}")).unwrap()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_task_costs_its_cpu_memory_disk_and_address() {
        // 2 × 0.04048 + 8 × 0.004445
        let plain = estimate(&fargate_job(""), "us-east-1").unwrap();
        assert!(close(plain.each_usd, 0.11652) && close(plain.all_usd, 1.1652), "{plain:?}");
        assert_eq!(plain.prices, format!("AWS's list prices for us-east-1 of {PRICES_OF}"));
        // … + 30 × 0.000111 + 0.005
        let more = "ephemeral_storage_gib = 50\nassign_public_ip = true";
        let more = estimate(&fargate_job(more), "us-east-1").unwrap();
        assert!(close(more.each_usd, 0.11652 + 0.00333 + 0.005), "{more:?}");
        // (2 × 0.03238 + 8 × 0.00356) × 0.3
        let spot = estimate(&fargate_job("cpu_architecture = 'ARM64'\nspot = 'prefer'"), "us-east-1").unwrap();
        assert!(close(spot.each_usd, 0.027_972), "{spot:?}");
    }

    #[test]
    fn an_unknown_region_has_no_price_unless_the_user_gives_one() {
        assert_eq!(estimate(&fargate_job(""), "mars-1"), None);
        let own = estimate(&fargate_job("hourly_price = 0.5"), "mars-1").unwrap();
        assert!(close(own.all_usd, 5.0));
        assert_eq!(own.prices, "`hourly_price` of the job file");
    }

    #[test]
    fn what_was_used_is_priced_by_the_second_with_a_minute_at_least() {
        let rates = Rates { on_demand: 3.6, spot: 1.8, note: "n".into() };
        let tasks =
            |task_seconds, spot_task_seconds| Usage { tasks: 2, task_seconds, spot_task_seconds, ..Usage::default() };
        let cost = |usage| rates.price(usage).cost_usd.unwrap();
        assert!(close(cost(tasks(1000.0, 0.0)), 1.0));
        // 500 s at 3.6 and 500 s at 1.8 an hour.
        assert!(close(cost(tasks(500.0, 500.0)), 0.75));
        // Two tasks, a minute each.
        assert!(close(cost(tasks(3.0, 0.0)), 0.12));
        assert!(close(cost(Usage::default()), 0.0));
        let instances = Usage { instances: 2, instance_seconds: 2000.0, ..tasks(90_000.0, 0.0) };
        assert!(close(cost(instances), 2.0), "the instances, whatever runs on them");
    }
}
