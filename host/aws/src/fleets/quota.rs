//! The account's quotas that a job's workers count against, by vCPU. AWS is not asked: a dry run asks it nothing.

use job::spec::{Spot, Workers};
use serde::Serialize;
use std::fmt;
use types::WorkerKind;

/// A quota of AWS, and how much of it a job's workers take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quota {
    /// Its name in Service Quotas.
    pub name: &'static str,
    /// Its code there.
    pub code: &'static str,
    /// The vCPUs that the job's workers take, all of them together.
    pub vcpus: f64,
    /// The vCPUs that AWS gives an account which has not asked for more; new accounts may have fewer.
    pub at_first: f64,
}

const FARGATE: (&str, &str, f64) = ("Fargate On-Demand vCPU resource count", "L-3032A538", 6.0);
const FARGATE_SPOT: (&str, &str, f64) = ("Fargate Spot vCPU resource count", "L-36FBB829", 6.0);
const EC2: (&str, &str, f64) = ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "L-1216C47A", 5.0);
const EC2_SPOT: (&str, &str, f64) =
    ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "L-34B43A08", 5.0);

/// The families that the quotas of EC2 here count: the first letters of their types. Others have quotas of their own.
const STANDARD: &str = "acdhimrtz";

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, code, vcpus, at_first } = self;
        write!(f, "{vcpus} vCPUs of the quota \"{name}\" ({code})")?;
        match vcpus > at_first {
            true => write!(f, ": an account has {at_first} or fewer at first, so ask for more in Service Quotas"),
            false => Ok(()),
        }
    }
}

/// The quotas that the job's workers take from. None for kinds that AWS does not run, and for types of instances whose size
/// their name does not tell.
pub fn quotas(workers: &Workers) -> Vec<Quota> {
    let (on_demand, on_spot, spot, vcpus) = match workers.kind {
        WorkerKind::Fargate => {
            let (Some(settings), Some(count)) = (&workers.fargate, workers.count) else { return Vec::new() };
            (FARGATE, FARGATE_SPOT, settings.ecs.spot, f64::from(settings.cpu) / 1024.0 * f64::from(count))
        }
        WorkerKind::Ec2 => {
            let Some(settings) = &workers.ec2 else { return Vec::new() };
            // Any of them may be the one that AWS has.
            let largest = settings.instance_types.iter().filter_map(|name| vcpus(name)).max();
            let Some(each) = largest else { return Vec::new() };
            (EC2, EC2_SPOT, settings.ecs.spot, f64::from(each) * f64::from(settings.instance_count))
        }
        _ => return Vec::new(),
    };
    let from = match spot {
        Spot::Never => vec![on_demand],
        Spot::Prefer => vec![on_spot, on_demand],
        Spot::Only => vec![on_spot],
    };
    from.into_iter().map(|(name, code, at_first)| Quota { name, code, vcpus, at_first }).collect()
}

/// The vCPUs of a type of instances, by its name: `c7i.2xlarge` has 8.
fn vcpus(instance_type: &str) -> Option<u32> {
    let (family, size) = instance_type.split_once('.')?;
    let first = family.chars().next()?;
    // Of inf, trn, dl, hpc and others the letter says something else.
    let is_standard = STANDARD.contains(first) && family.chars().nth(1)?.is_ascii_digit();
    if !is_standard {
        return None;
    }
    match (size.strip_suffix("xlarge"), size) {
        (Some(""), _) => Some(4),
        (Some(times), _) => times.parse::<u32>().ok()?.checked_mul(4),
        (None, "large") => Some(2),
        // One or two; the larger number can only make the user look.
        (None, "medium" | "small" | "micro" | "nano") => Some(2),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_in_the_types_name() {
        for (name, expected) in [
            ("c7i.large", Some(2)),
            ("m6g.xlarge", Some(4)),
            ("r7a.12xlarge", Some(48)),
            ("t3.medium", Some(2)),
            ("c7i.metal-24xl", None),
            ("g5.xlarge", None),
            ("inf2.xlarge", None),
            ("hpc7g.16xlarge", None),
            ("c7i.99999999999xlarge", None),
            ("large", None),
            ("", None),
        ] {
            assert_eq!(vcpus(name), expected, "{name}");
        }
    }
}
