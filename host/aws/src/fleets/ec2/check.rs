//! What the job file names and the job doesn't make is looked at before anything is started that costs money.

use crate::error::AwsError;
use crate::fleets::clients::Clients;
use aws_sdk_ec2::types::{ArchitectureValues, Image, PlatformValues};
use job::spec::{self, CpuArchitecture};

/// Systems whose instances run no shell script at their start: with none they neither join the cluster nor end themselves.
const NO_SHELL: [&str; 5] = ["bottlerocket", "fedora-coreos", "rhcos", "talos", "windows"];

/// Looks at the cluster and the machine image, if the job file names them.
pub(super) async fn check(clients: &Clients, settings: &spec::Ec2) -> Result<(), AwsError> {
    if let Some(cluster) = &settings.ecs.cluster {
        let doing = format!("use the cluster {cluster}");
        let answer = clients.ecs.describe_clusters().clusters(cluster).send().await;
        let answer = answer.map_err(|e| AwsError::of(&doing, e))?;
        match answer.clusters().first().map(|found| found.status().unwrap_or_default()) {
            Some("INACTIVE") => return Err(AwsError::refused(doing, "it has been deleted")),
            Some(_) => {}
            None => return Err(AwsError::refused(doing, "there is none in this region; is `cluster` right?")),
        }
    }
    if let Some(ami) = &settings.ami {
        let doing = format!("use the machine image {ami}");
        let answer = clients.ec2.describe_images().image_ids(ami).send().await;
        let answer = answer.map_err(|e| AwsError::of(&doing, e))?;
        let found = answer.images().first();
        let problem = match found {
            Some(image) => problem(image, settings),
            None => Some("there is none in this region that this account may use; is `ami` right?".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(AwsError::refused(doing, problem));
        }
    }
    Ok(())
}

/// Why instances of this image can't be workers.
fn problem(image: &Image, settings: &spec::Ec2) -> Option<String> {
    let name = image.name().unwrap_or_default();
    let windows = image.platform() == Some(&PlatformValues::Windows);
    let system = NO_SHELL.into_iter().find(|system| name.to_ascii_lowercase().contains(system));
    if let Some(system) = system.or(windows.then_some("windows")) {
        return Some(format!(
            "it is {system} ({name}), which runs no shell script at its start, so its instances could not end \
             themselves; use an ECS-optimised Amazon Linux 2023, or leave `ami` out for the newest"
        ));
    }
    let (ours, its) = match (settings.architecture(), image.architecture()?) {
        (CpuArchitecture::X86_64, ArchitectureValues::Arm64) => ("X86_64", "ARM64"),
        (CpuArchitecture::Arm64, ArchitectureValues::X8664) => ("ARM64", "X86_64"),
        _ => return None,
    };
    Some(format!(
        "it ({name}) is for {its} processors, and the instances ({}) have {ours}",
        settings.instance_types.join(", ")
    ))
}
