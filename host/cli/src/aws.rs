//! `tilefn aws init`: the outputs of the CloudFormation stack, `docker/aws/template.yaml`, as a job's sections.

use super::console::Console;
use super::fatal::Fatal;
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write;
use std::io::Read;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: AwsCommand,
}

#[derive(Debug, Subcommand)]
enum AwsCommand {
    /// Print the [workers] sections of a job for the CloudFormation stack of docker/aws/template.yaml
    Init(Init),
}

#[derive(Debug, Args)]
struct Init {
    /// What aws cloudformation describe-stacks prints, as JSON; - reads it from standard input
    #[arg(value_name = "STACK", default_value = "-")]
    stack: String,
    /// What runs the workers
    #[arg(long, value_enum, default_value = "fargate")]
    kind: FleetKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FleetKind {
    Fargate,
    Ec2,
}

/// What `aws cloudformation describe-stacks` prints, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    stacks: Vec<Stack>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stack {
    stack_name: String,
    stack_status: String,
    #[serde(default)]
    outputs: Vec<StackOutput>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StackOutput {
    output_key: String,
    output_value: String,
}

/// Does what the command says.
pub fn aws(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let AwsCommand::Init(Init { stack, kind }) = &arguments.command;
    let mut text = String::new();
    let read = match stack.as_str() {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        path => std::fs::read_to_string(path).map(|read| text = read),
    };
    let place = if stack == "-" { "standard input" } else { stack };
    read.map_err(|e| Fatal::usage(format!("can't read {place}: {e}")))?;
    let sections = sections(&text, *kind).map_err(|e| Fatal::usage(format!("{place}: {e}")))?;
    console.result(sections.trim_end(), "sections", || json!({ "toml": sections }));
    Ok(())
}

/// The sections for a description of one stack.
fn sections(description: &str, kind: FleetKind) -> Result<String, String> {
    let description: Description = serde_json::from_str(description).map_err(|e| {
        format!("not what aws cloudformation describe-stacks --stack-name NAME --output json prints: {e}")
    })?;
    let [stack] = description.stacks.as_slice() else {
        return Err(format!("{} stacks are described; name the one with --stack-name", description.stacks.len()));
    };
    let status = &stack.stack_status;
    if status.contains("FAILED") || status.contains("ROLLBACK") || !status.ends_with("_COMPLETE") {
        return Err(format!("the stack {} is {status}; its events in CloudFormation say why", stack.stack_name));
    }
    let output = |key: &str| {
        let found = stack.outputs.iter().find(|o| o.output_key == key).map(|o| o.output_value.as_str());
        found.filter(|value| !value.is_empty()).ok_or_else(|| {
            format!("the stack {} has no output {key}: is it made from docker/aws/template.yaml?", stack.stack_name)
        })
    };
    let subnets: Vec<_> = output("Subnets")?.split(',').map(str::trim).collect();
    let image = format!("{}:{}", output("Repository")?, env!("CARGO_PKG_VERSION"));
    let mut text = String::new();
    let name = if kind == FleetKind::Fargate { "fargate" } else { "ec2" };
    // Writing to a text can't fail.
    let mut line = |args: std::fmt::Arguments<'_>| _ = writeln!(text, "{args}");
    line(format_args!("# The CloudFormation stack {}.\n[workers]\nkind = {name:?}", stack.stack_name));
    // A private cluster has a worker on each instance.
    if kind == FleetKind::Fargate {
        line(format_args!("count = 4"));
    }
    line(format_args!("listen = \"0.0.0.0:{}\"", output("ControllerPort")?));
    line(format_args!(
        "# advertise = \"10.74.0.10\"     # where workers reach this machine, if not under its own address\n"
    ));
    line(format_args!("[workers.s3]\nbucket = {:?}\nregion = {:?}\n", output("Bucket")?, output("Region")?));
    line(format_args!("[workers.{name}]\nregion = {:?}\nimage = {image:?}", output("Region")?));
    if kind == FleetKind::Fargate {
        line(format_args!("cluster = {:?}", output("Cluster")?));
    }
    line(format_args!("task_role_arn = {:?}", output("TaskRoleArn")?));
    line(format_args!("execution_role_arn = {:?}", output("ExecutionRoleArn")?));
    if kind == FleetKind::Fargate {
        line(format_args!("controller_role_arn = {:?}   # for tilefn submit --detach", output("ControllerRoleArn")?));
    }
    line(format_args!("subnets = {subnets:?}"));
    let groups = [output("WorkerGroup")?, output("ControllerGroup")?];
    line(format_args!("security_groups = {groups:?}   # the second is for a controller on AWS"));
    line(format_args!("assign_public_ip = {}", output("PublicSubnets")? == "true"));
    line(format_args!("log_group = {:?}", output("LogGroup")?));
    match kind {
        FleetKind::Fargate => {
            line(format_args!("cpu = 1024\nmemory = \"4GB\"\n# spot = \"prefer\"              # a third of the price"))
        }
        FleetKind::Ec2 => line(format_args!(
            "instance_profile_arn = {:?}\ninstance_count = 2             # one worker on each, with all its memory\n\
             instance_types = [\"c7i.xlarge\", \"c6i.xlarge\"]\n# spot = \"prefer\"              # a third of the price",
            output("InstanceProfileArn")?
        )),
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUTS: [(&str, &str); 13] = [
        ("Region", "eu-west-1"),
        ("Bucket", "tilefn-bucket-1"),
        ("Repository", "1.dkr.ecr.eu-west-1.amazonaws.com/tilefn"),
        ("Cluster", "tilefn"),
        ("LogGroup", "/tilefn/workers"),
        ("Subnets", "subnet-a,subnet-b"),
        ("PublicSubnets", "true"),
        ("WorkerGroup", "sg-w"),
        ("ControllerGroup", "sg-c"),
        ("ControllerPort", "7400"),
        ("TaskRoleArn", "arn:aws:iam::1:role/t"),
        ("ExecutionRoleArn", "arn:aws:iam::1:role/e"),
        ("ControllerRoleArn", "arn:aws:iam::1:role/c"),
    ];

    fn described(status: &str, outputs: &[(&str, &str)]) -> String {
        let outputs: Vec<_> =
            outputs.iter().map(|(key, value)| json!({ "OutputKey": key, "OutputValue": value })).collect();
        json!({ "Stacks": [{ "StackName": "tilefn", "StackStatus": status, "Outputs": outputs }] }).to_string()
    }

    #[test]
    #[cfg(feature = "gdal")]
    fn the_sections_are_a_jobs() {
        use types::WorkerKind;
        let read = |sections: &str| {
            let text = format!("[function]\nmodule = 'm.wasm'\n[outputs.o]\npath = 'o.tif'\n{sections}");
            job::load_text("job.toml", text, std::path::Path::new("/"), &[]).unwrap().spec.workers
        };
        let workers = read(&sections(&described("CREATE_COMPLETE", &OUTPUTS), FleetKind::Fargate).unwrap());
        assert_eq!((workers.kind, workers.listen.as_deref()), (WorkerKind::Fargate, Some("0.0.0.0:7400")));
        assert_eq!(workers.s3.unwrap().bucket, "tilefn-bucket-1");
        let fargate = workers.fargate.unwrap();
        assert_eq!(fargate.ecs.subnets, ["subnet-a", "subnet-b"]);
        assert_eq!(fargate.ecs.security_groups, ["sg-w", "sg-c"]);
        assert_eq!(fargate.ecs.cluster.as_deref(), Some("tilefn"));
        assert_eq!(fargate.ecs.image, concat!("1.dkr.ecr.eu-west-1.amazonaws.com/tilefn:", env!("CARGO_PKG_VERSION")));
        assert!(fargate.ecs.assign_public_ip);
        assert_eq!(fargate.controller_role_arn.as_deref(), Some("arn:aws:iam::1:role/c"));

        let mut outputs = OUTPUTS.to_vec();
        outputs.push(("InstanceProfileArn", "arn:aws:iam::1:instance-profile/i"));
        let workers = read(&sections(&described("UPDATE_COMPLETE", &outputs), FleetKind::Ec2).unwrap());
        assert_eq!((workers.tasks(), workers.count), (Some(2), None));
        let ec2 = workers.ec2.unwrap();
        assert_eq!((workers.kind, ec2.instance_count, &ec2.ecs.cluster), (WorkerKind::Ec2, 2, &None));
        assert_eq!((ec2.memory_reservation, ec2.types().count()), (None, 2), "what is printed fits its instances");
    }

    #[test]
    fn what_is_no_finished_stack_is_refused() {
        let refused = |text: &str| sections(text, FleetKind::Fargate).unwrap_err();
        assert_eq!(
            refused(&described("ROLLBACK_COMPLETE", &OUTPUTS)),
            "the stack tilefn is ROLLBACK_COMPLETE; its events in CloudFormation say why"
        );
        assert_eq!(
            refused(&described("CREATE_IN_PROGRESS", &[])),
            "the stack tilefn is CREATE_IN_PROGRESS; its events in CloudFormation say why"
        );
        assert_eq!(
            refused(&described("CREATE_COMPLETE", &OUTPUTS[1..])),
            "the stack tilefn has no output Region: is it made from docker/aws/template.yaml?"
        );
        assert_eq!(refused(r#"{"Stacks": []}"#), "0 stacks are described; name the one with --stack-name");
        assert!(refused("Bucket  x").starts_with("not what aws cloudformation describe-stacks"));
    }
}
