//! EC2 instance types: their processors and, for the common families, their size, both told by the name.

use super::CpuArchitecture;

/// What the name of an instance type, such as `c7g.2xlarge`, says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// Its processors.
    pub architecture: CpuArchitecture,
    /// Number of vCPUs, where known.
    pub vcpus: Option<u32>,
    /// RAM in MiB, where known. ECS can give tasks some hundred MiB less.
    pub memory: Option<u32>,
}

impl InstanceType {
    /// The type with this name; `None` if it isn't named as AWS names the types that ECS runs on.
    ///
    /// Names are FAMILY.SIZE. A family is letters, a generation and attributes, among which `g` stands for Graviton.
    pub fn of(name: &str) -> Option<Self> {
        let (family, size) = name.split_once('.')?;
        let (series, rest) = family.split_at(family.find(|c: char| c.is_ascii_digit())?);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (generation, attributes) = rest.split_at(digits);
        let generation: u32 = generation.parse().ok()?;
        if series.is_empty() || !series.chars().all(|c| c.is_ascii_lowercase()) || series == "mac" {
            return None;
        }
        // `p6e-gb200` has NVIDIA's ARM processors; `m7i-flex` none.
        let (processor, variant) = attributes.split_once('-').unwrap_or((attributes, ""));
        let arm = processor.contains('g') || variant.starts_with("gb") || family == "a1";
        let (vcpus, memory) = size_of(series, generation, processor, size).unzip();
        let architecture = if arm { CpuArchitecture::Arm64 } else { CpuArchitecture::X86_64 };
        Some(Self { architecture, vcpus, memory })
    }
}

/// vCPUs and MiB of RAM.
fn size_of(series: &str, generation: u32, processor: &str, size: &str) -> Option<(u32, u32)> {
    let number = |size: &str| match size {
        "medium" => Some(1),
        "large" => Some(2),
        "xlarge" => Some(4),
        _ => size.strip_suffix("xlarge")?.parse::<u32>().ok()?.checked_mul(4),
    };
    if series == "t" && generation >= 3 {
        let sizes = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];
        let place = u32::try_from(sizes.iter().position(|s| *s == size)?).ok()?;
        return Some((number(size).map_or(2, |n| n.max(2)), 512 << place));
    }
    // Earlier generations, and `c5n`, have other ratios.
    if generation < 5 || (series == "c" && generation == 5 && processor == "n") {
        return None;
    }
    let each = match series {
        "c" => 2048,
        "m" => 4096,
        "r" => 8192,
        _ => return None,
    };
    let vcpus = number(size)?;
    Some((vcpus, vcpus.checked_mul(each)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From AWS's own tables (docs.aws.amazon.com/ec2/latest/instancetypes).
    #[test]
    fn names_are_read_as_awss_tables_have_them() {
        use CpuArchitecture::{Arm64, X86_64};
        for (name, architecture, size) in [
            ("c7g.2xlarge", Arm64, Some((8, 16_384))),
            ("c7g.medium", Arm64, Some((1, 2_048))),
            ("c7i.large", X86_64, Some((2, 4_096))),
            ("c7i-flex.xlarge", X86_64, Some((4, 8_192))),
            ("c5.9xlarge", X86_64, Some((36, 73_728))),
            ("c5n.large", X86_64, None),
            ("c6gn.4xlarge", Arm64, Some((16, 32_768))),
            ("m6gd.large", Arm64, Some((2, 8_192))),
            ("m5.24xlarge", X86_64, Some((96, 393_216))),
            ("r6i.large", X86_64, Some((2, 16_384))),
            ("r8g.metal-24xl", Arm64, None),
            ("r4.large", X86_64, None),
            ("t3.micro", X86_64, Some((2, 1_024))),
            ("t4g.2xlarge", Arm64, Some((8, 32_768))),
            ("t2.micro", X86_64, None),
            ("a1.large", Arm64, None),
            ("g4dn.xlarge", X86_64, None),
            ("g5g.xlarge", Arm64, None),
            ("x2gd.large", Arm64, None),
            ("im4gn.large", Arm64, None),
            ("p6e-gb200.36xlarge", Arm64, None),
            ("hpc7a.12xlarge", X86_64, None),
        ] {
            let found = InstanceType::of(name).unwrap();
            assert_eq!((found.architecture, found.vcpus.zip(found.memory)), (architecture, size), "{name}");
        }
        for unknown in ["mac2.metal", "u-6tb1.metal", "large", "c.large", "7.large", "c99999999999.large", ""] {
            assert_eq!(InstanceType::of(unknown), None, "{unknown}");
        }
        assert_eq!(InstanceType::of("c7i.4294967295xlarge").unwrap().memory, None, "nothing overflows");
    }
}
