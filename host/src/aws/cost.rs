//! What workers cost by the hour, from a dated table of list prices: an estimate, not a bill.

use crate::job::spec::{CpuArchitecture, Ec2, Fargate, Spot};

/// When the prices in this file were taken down (USD, Linux, without taxes and discounts).
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
/// Part of the on-demand price that Spot costs at best on Fargate; the market sets it.
const SPOT: f64 = 0.3;
/// On-demand instances in us-east-1, by the hour.
const INSTANCES: [(&str, f64); 12] = [
    ("c7i.large", 0.08925),
    ("c7i.xlarge", 0.1785),
    ("c7i.2xlarge", 0.357),
    ("c7i.4xlarge", 0.714),
    ("c7i.8xlarge", 1.428),
    ("c6i.2xlarge", 0.34),
    ("c6i.4xlarge", 0.68),
    ("c7g.large", 0.0725),
    ("c7g.xlarge", 0.145),
    ("c7g.2xlarge", 0.29),
    ("c7g.4xlarge", 0.58),
    ("c7g.8xlarge", 1.16),
];

/// An estimate of what workers cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// USD for one worker (Fargate) or instance (EC2) and hour.
    pub each: f64,
    /// USD for all of them and an hour.
    pub all: f64,
    /// What the number rests on.
    pub note: String,
}

/// The estimate for `count` Fargate tasks in `region`; `None` when no price is known.
pub fn fargate(settings: &Fargate, region: &str, count: u32) -> Option<Estimate> {
    if let Some(each) = settings.ecs.hourly_price {
        return Some(given(each, count));
    }
    let prices = FARGATE.iter().find(|r| r.name == region)?;
    let (cpu, memory) = match settings.ecs.cpu_architecture {
        CpuArchitecture::X86_64 => prices.x86_64,
        CpuArchitecture::Arm64 => prices.arm64,
    };
    let size = f64::from(settings.cpu) / 1024.0 * cpu + f64::from(settings.memory.0) / 1024.0 * memory;
    let (size, spot) = match settings.ecs.spot {
        Spot::Never => (size, ""),
        Spot::Prefer | Spot::Only => (size * SPOT, "; Spot taken as 30 % of on-demand"),
    };
    let disk = settings.ephemeral_storage_gib.unwrap_or(0).saturating_sub(FARGATE_DISK.0);
    let address = if settings.ecs.assign_public_ip { PUBLIC_ADDRESS } else { 0.0 };
    let each = size + f64::from(disk) * FARGATE_DISK.1 + address;
    let note = format!("AWS's list prices for {region} of {PRICES_OF}{spot}");
    Some(Estimate { each, all: each * f64::from(count), note })
}

/// The estimate for the job's EC2 instances, by the first type's price; `None` when it isn't known.
pub fn ec2(settings: &Ec2, region: &str) -> Option<Estimate> {
    let count = settings.instance_count;
    if let Some(each) = settings.ecs.hourly_price {
        return Some(given(each, count));
    }
    let first = settings.instance_types.first()?;
    let (_, price) = INSTANCES.iter().find(|(name, _)| name == first).filter(|_| region == "us-east-1")?;
    let address = if settings.ecs.assign_public_ip { PUBLIC_ADDRESS } else { 0.0 };
    let each = price + address;
    let spot = if settings.ecs.spot == Spot::Never { "" } else { "; Spot is cheaper" };
    let note = format!("AWS's on-demand list price of {first} in {region} of {PRICES_OF}, without disks{spot}");
    Some(Estimate { each, all: each * f64::from(count), note })
}

fn given(each: f64, count: u32) -> Estimate {
    Estimate { each, all: each * f64::from(count), note: "`hourly_price` of the job file".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fargate_job(more: &str) -> Fargate {
        let text =
            "image = 'i'\ntask_role_arn = 'arn:aws:iam::1:role/t'\nsubnets = ['subnet-1']\ncpu = 2048\nmemory = 8192\n";
        toml::from_str(&format!("{text}{more}")).unwrap()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_task_costs_its_cpu_memory_disk_and_address() {
        // 2 × 0.04048 + 8 × 0.004445
        let plain = fargate(&fargate_job(""), "us-east-1", 10).unwrap();
        assert!(close(plain.each, 0.11652) && close(plain.all, 1.1652), "{plain:?}");
        assert_eq!(plain.note, "AWS's list prices for us-east-1 of 2025");
        // … + 30 × 0.000111 + 0.005
        let more =
            fargate(&fargate_job("ephemeral_storage_gib = 50\nassign_public_ip = true"), "us-east-1", 1).unwrap();
        assert!(close(more.each, 0.11652 + 0.00333 + 0.005), "{more:?}");
        // (2 × 0.03238 + 8 × 0.00356) × 0.3
        let spot = fargate(&fargate_job("cpu_architecture = 'ARM64'\nspot = 'prefer'"), "us-east-1", 1).unwrap();
        assert!(close(spot.each, 0.027_972), "{spot:?}");
    }

    #[test]
    fn an_unknown_region_has_no_price_unless_the_user_gives_one() {
        assert_eq!(fargate(&fargate_job(""), "mars-1", 1), None);
        let own = fargate(&fargate_job("hourly_price = 0.5"), "mars-1", 4).unwrap();
        assert!(close(own.all, 2.0));
        assert_eq!(own.note, "`hourly_price` of the job file");
    }
}
